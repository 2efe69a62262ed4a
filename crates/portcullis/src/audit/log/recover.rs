//! What a log finds when it is started.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use portcullis_core::{Timestamp, entropy};

use super::{
    chain::{ChainId, Link},
    defect::BadLine,
    disk::sync_folder,
    error::{OpenError, VerifyError},
    head::Head,
    ours,
    read::{Follower, Name, Step, Walk, files},
    torn::{Torn, noted},
    verify::hold,
};

/// Where a log goes on.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) chain: ChainId,
    pub(super) link: Link,
    /// What that line says of its time.
    pub(super) at: Timestamp,
    /// What was cut off and is not yet said to be, oldest files first.
    pub(super) torn: Vec<Torn>,
    /// What does not verify and was left behind.
    pub(super) broken: Option<BadLine>,
}

/// Finds the end of the log in a folder, and cuts off what is torn. Of the files only the newest
/// is read, and those behind the expected head: the others are a matter of the verifier. Nothing
/// is changed before it is known that the log can be opened.
pub(super) fn recover(
    folder: &Path,
    expected: Option<Head>,
    may_start_over: bool,
) -> Result<Origin, OpenError> {
    let end = End::of(folder)?;
    let mut broken = end.newest.as_ref().and_then(|newest| newest.bad.clone());
    if let (Some(expected), None) = (expected, &broken) {
        broken = end.hold(folder, expected)?;
    }
    match broken {
        Some(bad) if !may_start_over => Err(OpenError::Broken { bad }),
        broken => end.repair(folder, broken),
    }
}

/// The end of a log as it lies in its folder.
struct End {
    /// The newest file that has a line.
    newest: Option<Scan>,
    /// What is older, oldest first.
    older: Vec<Name>,
    /// What is newer, newest first: files that were begun, and no more.
    begun: Vec<Scan>,
}

impl End {
    fn of(folder: &Path) -> Result<Self, OpenError> {
        let mut names = files(folder).map_err(unusable(folder))?;
        let mut begun = Vec::new();
        while let Some(name) = names.pop() {
            let path = folder.join(&name.text);
            let scan = Scan::of(&path, name).map_err(unusable(&path))?;
            if scan.bad.is_some() || scan.follower.last.is_some() {
                return Ok(Self {
                    newest: Some(scan),
                    older: names,
                    begun,
                });
            }
            begun.push(scan);
        }
        Ok(Self {
            newest: None,
            older: names,
            begun,
        })
    }

    /// Says whether the log has the line that was remembered, and which line on the way there
    /// does not verify.
    fn hold(&self, folder: &Path, expected: Head) -> Result<Option<BadLine>, OpenError> {
        let mut names = self.older.clone();
        names.extend(self.newest.as_ref().map(|newest| newest.name.clone()));
        match hold(folder, &names, expected) {
            Ok(()) => Ok(None),
            Err(VerifyError::BadLine(bad)) => Ok(Some(bad)),
            Err(VerifyError::Unreadable { path, error }) => {
                Err(OpenError::Unusable { path, error })
            }
            Err(problem) => Err(OpenError::NotAsRemembered {
                folder: folder.to_owned(),
                expected,
                problem,
            }),
        }
    }

    /// Takes away what is torn, and says where the log goes on. What does not verify stays as it
    /// is, and a new chain goes on behind it.
    fn repair(self, folder: &Path, broken: Option<BadLine>) -> Result<Origin, OpenError> {
        for scan in &self.begun {
            let path = folder.join(&scan.name.text);
            scan.note_torn(folder)
                .and_then(|()| fs::remove_file(&path))
                .and_then(|()| sync_folder(folder))
                .map_err(unusable(&path))?;
        }
        let mut origin = Origin {
            chain: [0; 16],
            link: Link::BEFORE_THE_FIRST,
            at: Timestamp::UNIX_EPOCH,
            torn: Vec::new(),
            broken,
        };
        match self.newest {
            Some(newest) if origin.broken.is_some() => {
                origin.chain = new_chain(folder)?;
                // Behind all numbers that can stand there.
                let lines = newest.lines.saturating_sub(1);
                origin.link.seq = newest.name.first.saturating_add(lines);
            }
            Some(newest) => {
                if newest.torn > 0 {
                    let path = folder.join(&newest.name.text);
                    newest
                        .note_torn(folder)
                        .and_then(|()| cut(&path, newest.offset))
                        .map_err(unusable(&path))?;
                }
                origin.chain = newest.follower.chain;
                origin.link = newest.follower.last.unwrap_or(Link::BEFORE_THE_FIRST);
                origin.at = newest.follower.at;
            }
            None => origin.chain = new_chain(folder)?,
        }
        origin.torn = noted(folder).map_err(unusable(folder))?;
        Ok(origin)
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Unusable { path, error }
}

fn new_chain(folder: &Path) -> Result<ChainId, OpenError> {
    entropy::bytes().map_err(|error| OpenError::Unusable {
        path: PathBuf::from(folder),
        error,
    })
}

fn cut(path: &Path, offset: u64) -> io::Result<()> {
    let file = ours::open(path, OpenOptions::new().write(true))?;
    file.set_len(offset)?;
    file.sync_all()
}

/// What stands in a file.
struct Scan {
    name: Name,
    follower: Follower,
    /// Lines, good or bad.
    lines: u64,
    /// Where the last good line ends.
    offset: u64,
    /// How many bytes behind it are no whole line.
    torn: u64,
    bad: Option<BadLine>,
}

impl Scan {
    fn of(path: &Path, name: Name) -> io::Result<Self> {
        let mut walk = Walk::of(ours::open(path, OpenOptions::new().read(true))?)?;
        let mut scan = Self {
            name,
            follower: Follower::new(),
            lines: 0,
            offset: 0,
            torn: 0,
            bad: None,
        };
        loop {
            let line = match walk.step()? {
                Step::End => return Ok(scan),
                Step::Torn(bytes) => {
                    scan.torn = bytes;
                    return Ok(scan);
                }
                Step::Line(line) => line,
            };
            scan.lines += 1;
            if scan.bad.is_some() {
                continue;
            }
            let followed = match scan.lines {
                1 => scan.follower.enter(line, &scan.name).map(drop),
                _ => scan.follower.next(line).map(drop),
            };
            match followed {
                Ok(()) => scan.offset = walk.offset(),
                Err(defect) => {
                    let last = scan.follower.last.map(|last| last.seq.saturating_add(1));
                    scan.bad = Some(BadLine {
                        file: scan.name.text.clone(),
                        line: scan.lines,
                        sequence: last.unwrap_or(scan.name.first),
                        defect,
                    });
                }
            }
        }
    }

    /// Notes what is torn before it is cut off.
    fn note_torn(&self, folder: &Path) -> io::Result<()> {
        if self.torn == 0 {
            return Ok(());
        }
        let torn = Torn {
            file: self.name.text.clone(),
            offset: self.offset,
            bytes: self.torn,
        };
        torn.note(folder)
    }
}
