//! Whether a log is as it was written.

use std::{
    io,
    path::{Path, PathBuf},
};

use portcullis_core::Timestamp;

use super::{
    chain::Link,
    defect::{BadLine, Defect},
    error::VerifyError,
    head::Head,
    read::{Follower, Name, Seen, Step, Walk, files},
    report::Report,
};

/// Looks at the log in a folder. It needs neither the log's settings nor that nobody writes it,
/// and changes nothing.
///
/// ```no_run
/// use portcullis::audit::log::verify;
///
/// let report = verify("/var/log/agent").run()?;
/// println!("{report}");
/// # Ok::<(), portcullis::audit::log::VerifyError>(())
/// ```
pub fn verify(folder: impl AsRef<Path>) -> Verifier {
    Verifier {
        folder: folder.as_ref().to_owned(),
        expected: None,
    }
}

/// The settings of [`verify`].
#[derive(Clone, Debug)]
#[must_use = "nothing is verified until `run` is called"]
pub struct Verifier {
    folder: PathBuf,
    expected: Option<Head>,
}

impl Verifier {
    /// How far the log went at some time, as it was remembered elsewhere. Then a log whose end is
    /// missing, that was set back to an older state, or that was computed anew is an error.
    pub fn with_expected_head(mut self, head: Head) -> Self {
        self.expected = Some(head);
        self
    }

    /// Reads the whole log. Blocks.
    ///
    /// # Errors
    ///
    /// The first line that is not as it was written; that the log does not reach the expected
    /// head; or what cannot be read.
    pub fn run(self) -> Result<Report, VerifyError> {
        let names = match files(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(VerifyError::Empty);
            }
            names => names.map_err(|error| unreadable(&self.folder, error))?,
        };
        read(&self.folder, &names, self.expected)
    }
}

/// Holds the end of a log against a head, as the verifier does. Of its files, which are given
/// oldest first, those are read that can say something about it.
pub(super) fn hold(folder: &Path, names: &[Name], expected: Head) -> Result<(), VerifyError> {
    let newer = names.partition_point(|name| name.first <= expected.link.seq);
    let names = names.get(newer.saturating_sub(1)..).unwrap_or_default();
    read(folder, names, Some(expected)).map(drop)
}

fn read(folder: &Path, names: &[Name], expected: Option<Head>) -> Result<Report, VerifyError> {
    let mut audit = Audit::new(expected);
    for name in names {
        let path = folder.join(&name.text);
        let is_newest = Some(name) == names.last();
        match audit.file(&path, name, is_newest) {
            Ok(Ok(())) => {}
            Ok(Err(bad)) => return Err(VerifyError::BadLine(bad)),
            Err(error) => return Err(unreadable(&path, error)),
        }
    }
    audit.finish()
}

fn unreadable(path: &Path, error: io::Error) -> VerifyError {
    VerifyError::Unreadable {
        path: path.to_owned(),
        error,
    }
}

/// A log that is being read.
struct Audit {
    follower: Follower,
    expected: Option<Head>,
    is_met: bool,
    report: Report,
    is_begun: bool,
}

impl Audit {
    fn new(expected: Option<Head>) -> Self {
        Self {
            follower: Follower::new(),
            expected,
            is_met: false,
            report: Report {
                files: 0,
                records: 0,
                first: 0,
                head: Head {
                    chain: [0; 16],
                    link: Link::BEFORE_THE_FIRST,
                    at: Timestamp::UNIX_EPOCH,
                },
                expected,
                gaps: 0,
                lost: 0,
                summed_up: 0,
                torn: 0,
                broken: 0,
                torn_tail: 0,
                unclosed: 0,
                is_closed: false,
            },
            is_begun: false,
        }
    }

    fn file(
        &mut self,
        path: &Path,
        name: &Name,
        is_newest: bool,
    ) -> io::Result<Result<(), BadLine>> {
        let mut walk = Walk::open(path)?;
        let mut number = 0;
        loop {
            number += 1;
            let defect = match walk.step()? {
                // A file that was begun and not written to is what a start leaves that was
                // interrupted.
                Step::End if number == 1 && !is_newest => Some(Defect::Headless),
                Step::End => break,
                Step::Torn(bytes) if is_newest => {
                    self.report.torn_tail = bytes;
                    self.report.is_closed = false;
                    break;
                }
                Step::Torn(_) => Some(Defect::Torn),
                Step::Line(line) => self.line(line, name, number == 1).err(),
            };
            if let Some(defect) = defect {
                let last = self.follower.last.map(|last| last.seq.saturating_add(1));
                return Ok(Err(BadLine {
                    file: name.text.clone(),
                    line: number,
                    sequence: last.unwrap_or(name.first),
                    defect,
                }));
            }
        }
        self.report.files += 1;
        Ok(Ok(()))
    }

    fn line(&mut self, line: &[u8], name: &Name, is_first: bool) -> Result<(), Defect> {
        if is_first {
            let head = self.follower.enter(line, name)?;
            if !self.is_begun {
                self.is_begun = true;
                self.report.first = name.first;
            } else if head.is_start && !self.report.is_closed {
                self.report.unclosed += 1;
            }
            self.report.is_closed = false;
        } else {
            let seen = self.follower.next(line)?;
            self.count(&seen);
        }
        self.compare();
        Ok(())
    }

    fn count(&mut self, seen: &Seen<'_>) {
        let report = &mut self.report;
        report.is_closed = seen.kind == "close";
        match seen.kind {
            "close" | "heartbeat" => {}
            "broken" => report.broken += 1,
            // The numbers are those of whoever wrote the lines, who may have computed them anew.
            "gap" => {
                report.gaps += 1;
                let lost = seen.number("lost").unwrap_or_default();
                report.lost = report.lost.saturating_add(lost);
            }
            "torn" => report.torn += 1,
            "summary" => {
                report.records += 1;
                let unwritten = seen.number("unwritten").unwrap_or_default();
                report.summed_up = report.summed_up.saturating_add(unwritten);
            }
            _ => report.records += 1,
        }
    }

    /// Whether the line that was remembered is the one that stands there.
    fn compare(&mut self) {
        let (Some(expected), Some(last)) = (self.expected, self.follower.last) else {
            return;
        };
        if last.seq == expected.link.seq {
            self.is_met = last.hash == expected.link.hash;
        }
    }

    fn finish(mut self) -> Result<Report, VerifyError> {
        let Some(last) = self.follower.last.filter(|_| self.is_begun) else {
            return Err(VerifyError::Empty);
        };
        self.report.head = Head {
            chain: self.follower.chain,
            link: last,
            at: self.follower.at,
        };
        let Some(expected) = self.expected else {
            return Ok(self.report);
        };
        let (head, first) = (self.report.head, self.report.first);
        if self.is_met && expected.chain == head.chain {
            return Ok(self.report);
        }
        if portcullis_core::sabotaged!("audit_log.head") {
            return Ok(self.report);
        }
        Err(if expected.chain != head.chain {
            VerifyError::OtherChain
        } else if expected.link.seq > last.seq {
            VerifyError::Missing {
                expected,
                last: head,
                torn_tail: self.report.torn_tail,
            }
        } else if expected.link.seq < first {
            VerifyError::TooOld { expected, first }
        } else {
            VerifyError::Forked { expected }
        })
    }
}
