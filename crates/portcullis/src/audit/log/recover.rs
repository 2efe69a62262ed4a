//! What a log finds when it is started.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use portcullis_core::{Timestamp, entropy};

use super::{
    chain::{ChainId, Link, NOTHING},
    defect::BadLine,
    disk::sync_folder,
    error::OpenError,
    read::{Follower, Name, Step, Walk, files},
};

/// Where a log goes on.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) chain: ChainId,
    pub(super) link: Link,
    /// What that line says of its time.
    pub(super) at: Timestamp,
    /// What was cut off.
    pub(super) torn: Option<Torn>,
    /// What does not verify and was left behind.
    pub(super) broken: Option<BadLine>,
}

/// The end of a file that was no whole line.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// Finds the end of the log in a folder, and cuts off what is torn. Of the files only the newest
/// is read: the others are a matter of the verifier.
pub(super) fn recover(folder: &Path, may_start_over: bool) -> Result<Origin, OpenError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| OpenError::Unusable { path, error }
    };
    let mut names = files(folder).map_err(unusable(folder))?;
    let mut torn = None;
    while let Some(name) = names.pop() {
        let path = folder.join(&name.text);
        let scanned = Scan::of(&path, &name).map_err(unusable(&path))?;
        if let Some(bad) = scanned.bad {
            if !may_start_over {
                return Err(OpenError::Broken { bad });
            }
            // Behind all numbers that can stand there.
            let last = name.first.saturating_add(scanned.lines.saturating_sub(1));
            let link = Link {
                seq: last,
                hash: NOTHING,
            };
            let chain = new_chain(folder)?;
            return Ok(Origin {
                chain,
                link,
                at: Timestamp::UNIX_EPOCH,
                torn,
                broken: Some(bad),
            });
        }
        if scanned.torn > 0 {
            cut(&path, scanned.offset).map_err(unusable(&path))?;
            torn = Some(Torn {
                file: name.text.clone(),
                offset: scanned.offset,
                bytes: scanned.torn,
            });
        }
        if let Some(link) = scanned.follower.last {
            return Ok(Origin {
                chain: scanned.follower.chain,
                link,
                at: scanned.follower.at,
                torn,
                broken: None,
            });
        }
        // A file that has been begun, and no more: the log ends with the one before it.
        fs::remove_file(&path)
            .and_then(|()| sync_folder(folder))
            .map_err(unusable(&path))?;
    }
    Ok(Origin {
        chain: new_chain(folder)?,
        link: Link::BEFORE_THE_FIRST,
        at: Timestamp::UNIX_EPOCH,
        torn,
        broken: None,
    })
}

fn new_chain(folder: &Path) -> Result<ChainId, OpenError> {
    entropy::bytes().map_err(|error| OpenError::Unusable {
        path: PathBuf::from(folder),
        error,
    })
}

fn cut(path: &Path, offset: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(offset)?;
    file.sync_all()
}

/// What stands in a file.
struct Scan {
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
    fn of(path: &Path, name: &Name) -> io::Result<Self> {
        let mut walk = Walk::open(path)?;
        let mut scan = Self {
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
                1 => scan.follower.enter(line, name).map(drop),
                _ => scan.follower.next(line).map(drop),
            };
            match followed {
                Ok(()) => scan.offset = walk.offset(),
                Err(defect) => {
                    let last = scan.follower.last.map(|last| last.seq.saturating_add(1));
                    scan.bad = Some(BadLine {
                        file: name.text.clone(),
                        line: scan.lines,
                        sequence: last.unwrap_or(name.first),
                        defect,
                    });
                }
            }
        }
    }
}
