//! Whether a log is as it was written.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use portcullis_core::Timestamp;

use super::{
    chain::Link,
    defect::{BadLine, Defect},
    head::Head,
    read::{Follower, Name, Seen, Step, Walk, files},
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
            names => names.map_err(|error| self.unreadable(&self.folder, error))?,
        };
        let mut audit = Audit::new(self.expected);
        let newest = names.last().cloned();
        for name in &names {
            let path = self.folder.join(&name.text);
            let is_newest = Some(name) == newest.as_ref();
            let result = audit.file(&path, name, is_newest);
            match result.map_err(|error| self.unreadable(&path, error))? {
                Ok(()) => {}
                Err(bad) => return Err(VerifyError::BadLine(bad)),
            }
        }
        audit.finish()
    }

    fn unreadable(&self, path: &Path, error: io::Error) -> VerifyError {
        VerifyError::Unreadable {
            path: path.to_owned(),
            error,
        }
    }
}

/// What stands in a log that is as it was written. `Display` says it in plain words.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// How many files there are.
    pub files: u64,
    /// How many lines are records or summaries of records.
    pub records: u64,
    /// The sequence number of the first line. Above 1, older files are kept elsewhere, or are
    /// gone.
    pub first: u64,
    /// The last line. Remember it elsewhere.
    pub head: Head,
    /// How many gaps there are, each with a marker.
    pub gaps: u64,
    /// How many records the gaps stand for.
    pub lost: u64,
    /// How many refusals stand in summaries alone.
    pub summed_up: u64,
    /// How many torn lines were cut off when the log was started again, each with a marker.
    pub torn: u64,
    /// How many bytes at the very end are no whole line: the log is being written, or its writer
    /// was killed and has not started again.
    pub torn_tail: u64,
    /// How often the log was started without having been closed.
    pub unclosed: u64,
    /// Whether the last line says that the log was closed. If it does not, and nobody writes it,
    /// its writer was killed, or its end is missing.
    pub is_closed: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            files,
            records,
            first,
            head,
            ..
        } = self;
        writeln!(f, "the log is as it was written")?;
        writeln!(f, "files {files}, lines {first} to {}", head.sequence())?;
        writeln!(f, "records {records}")?;
        writeln!(f, "gaps {}, records lost {}", self.gaps, self.lost)?;
        writeln!(f, "refusals that were summed up {}", self.summed_up)?;
        writeln!(f, "torn lines that were cut off {}", self.torn)?;
        writeln!(f, "starts without a close before {}", self.unclosed)?;
        let state = match (self.is_closed, self.torn_tail) {
            (true, 0) => "closed",
            (_, 0) => {
                "not closed: somebody writes it, its writer was killed, or its end is missing"
            }
            _ => "not closed, and its last line is torn",
        };
        writeln!(f, "{state}")?;
        write!(f, "head {head}")
    }
}

/// Why a log is not known to be as it was written.
#[derive(Debug)]
#[non_exhaustive]
pub enum VerifyError {
    /// A line is not as it was written.
    BadLine(BadLine),
    /// There is no log in that folder, or no such folder.
    Empty,
    /// The line that was remembered is another one: the log was set back and written anew from
    /// there, or computed anew.
    Forked {
        /// The sequence number of the line.
        sequence: u64,
    },
    /// The log ends ahead of the line that was remembered: its end is missing, or it was set back.
    Missing {
        /// The sequence number of the line that was remembered.
        expected: u64,
        /// That of the last line.
        last: u64,
    },
    /// The line that was remembered belongs to another chain.
    OtherChain,
    /// The log begins behind the line that was remembered, so nothing can be said about it.
    TooOld {
        /// The sequence number of the line that was remembered.
        expected: u64,
        /// That of the first line.
        first: u64,
    },
    /// Something cannot be read.
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLine(bad) => bad.fmt(f),
            Self::Empty => f.write_str("there is no log in that folder"),
            Self::Forked { sequence } => write!(
                f,
                "line {sequence} is not the one that was remembered: the log was set back or \
                 computed anew"
            ),
            Self::Missing { expected, last } => write!(
                f,
                "the log ends with line {last}, and {expected} was remembered: its end is missing"
            ),
            Self::OtherChain => f.write_str("the head that was remembered is that of another log"),
            Self::TooOld { expected, first } => write!(
                f,
                "the log begins with line {first}, and {expected} was remembered: verify it \
                 together with its older files"
            ),
            Self::Unreadable { path, error } => {
                write!(f, "cannot read {}: {error}", path.display())
            }
        }
    }
}

// What is printed is whole: a source would only say part of it again.
impl std::error::Error for VerifyError {}

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
                gaps: 0,
                lost: 0,
                summed_up: 0,
                torn: 0,
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
            "close" | "heartbeat" | "broken" => {}
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
        let sequence = expected.link.seq;
        if self.is_met && expected.chain == self.follower.chain {
            return Ok(self.report);
        }
        if portcullis_core::sabotaged!("audit_log.head") {
            return Ok(self.report);
        }
        Err(if expected.chain != self.follower.chain {
            VerifyError::OtherChain
        } else if sequence > last.seq {
            VerifyError::Missing {
                expected: sequence,
                last: last.seq,
            }
        } else if sequence < self.report.first {
            VerifyError::TooOld {
                expected: sequence,
                first: self.report.first,
            }
        } else {
            VerifyError::Forked { sequence }
        })
    }
}
