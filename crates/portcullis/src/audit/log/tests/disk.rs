//! A disk that fails when it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, mpsc},
};

use super::super::{
    chain::{Link, push_hex},
    disk::Disk,
    read::Seen,
};

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    Create,
    /// Nothing is written.
    Full,
    /// Half is written, and then nothing more.
    HalfThenFull,
    /// The writer is at its end.
    Panic,
    /// Half is written; what is missing may be written next.
    Short,
    Sync,
    SyncNames,
    Truncate,
}

#[derive(Debug, Default)]
pub(super) struct Platter {
    files: BTreeMap<String, Vec<u8>>,
    current: String,
    faults: VecDeque<Fault>,
    is_half_written: bool,
    /// Whether something was taken back that may be there again after a loss of power.
    is_uncertain: bool,
    syncs: u32,
    /// The most that was to be written at once.
    longest: usize,
    /// Says that a sync has begun, and holds it until the other end is told to go on.
    pub(super) hold: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FaultyDisk(pub(super) Arc<Mutex<Platter>>);

impl FaultyDisk {
    pub(super) fn plan(&self, faults: &[Fault]) {
        self.0.lock().unwrap().faults = faults.iter().copied().collect();
    }

    pub(super) fn is_played(&self) -> bool {
        self.0.lock().unwrap().faults.is_empty()
    }

    pub(super) fn syncs(&self) -> u32 {
        self.0.lock().unwrap().syncs
    }

    pub(super) fn longest(&self) -> usize {
        self.0.lock().unwrap().longest
    }

    pub(super) fn files(&self) -> Vec<String> {
        let platter = self.0.lock().unwrap();
        let texts = platter.files.values();
        texts
            .map(|bytes| String::from_utf8(bytes.clone()).unwrap())
            .collect()
    }

    /// All lines; they have to be one chain.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = self.files().concat();
        assert!(text.is_empty() || text.ends_with('\n'));
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut link = Link::BEFORE_THE_FIRST;
        for line in &lines {
            link = follow(link, line);
        }
        lines
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        let lines = self.lines();
        let kind = |line: &String| Seen::parse(line.as_bytes()).unwrap().kind.to_owned();
        lines.iter().map(kind).collect()
    }
}

pub(super) fn follow(link: Link, line: &str) -> Link {
    let seen = Seen::parse(line.as_bytes()).unwrap();
    assert_eq!(seen.seq, link.seq + 1, "{line}");
    let (body, hash) = line.rsplit_once(",\"hash\":\"").unwrap();
    let expected = link.hash_next(body.as_bytes());
    let mut digits = String::new();
    push_hex(&mut digits, &expected);
    assert_eq!(hash.trim_end_matches("\"}"), digits, "{line}");
    Link {
        seq: seen.seq,
        hash: expected,
    }
}

impl Platter {
    fn fails(&mut self, fault: Fault) -> bool {
        let is_due = self.faults.front() == Some(&fault);
        if is_due {
            self.faults.pop_front();
        }
        is_due
    }

    fn file(&mut self) -> &mut Vec<u8> {
        self.files.entry(self.current.clone()).or_default()
    }
}

fn no_space() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn defective() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Disk for FaultyDisk {
    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        if platter.fails(Fault::Create) {
            return Err(no_space());
        }
        assert!(!platter.is_uncertain, "nobody comes back to the old file");
        platter.current = name.to_owned();
        platter.file().clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut platter = self.0.lock().unwrap();
        platter.longest = platter.longest.max(bytes.len());
        if platter.fails(Fault::Full) || std::mem::take(&mut platter.is_half_written) {
            return Err(no_space());
        }
        platter.is_half_written = platter.fails(Fault::HalfThenFull);
        let n = if platter.is_half_written || platter.fails(Fault::Short) {
            bytes.len().div_ceil(2)
        } else {
            bytes.len()
        };
        platter.file().extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn sync(&mut self) -> io::Result<()> {
        let hold = self.0.lock().unwrap().hold.take();
        if let Some((begun, go_on)) = hold {
            begun.send(()).unwrap();
            go_on.recv().unwrap();
        }
        let mut platter = self.0.lock().unwrap();
        if platter.fails(Fault::Panic) {
            drop(platter);
            panic!("this disk was told to panic");
        }
        platter.syncs += 1;
        if platter.fails(Fault::Sync) {
            return Err(defective());
        }
        platter.is_uncertain = false;
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        if self.0.lock().unwrap().fails(Fault::SyncNames) {
            return Err(defective());
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        if platter.fails(Fault::Truncate) {
            return Err(defective());
        }
        let len = usize::try_from(len).unwrap();
        assert!(len <= platter.file().len(), "a file is never made longer");
        platter.is_uncertain = true;
        platter.file().truncate(len);
        Ok(())
    }
}
