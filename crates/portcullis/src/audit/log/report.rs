//! What a verifier says of a log that is as it was written.

use std::fmt;

use super::head::Head;

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
    /// What the log was held against. Without it, a missing end would not show.
    pub expected: Option<Head>,
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
    /// How often a new chain was begun behind lines that did not verify, each with a marker: what
    /// is older than the last of them stands in this log no more.
    pub broken: u64,
    /// How often the log was started without having been closed.
    pub unclosed: u64,
    /// Whether the last line says that the log was closed. If it does not, and nobody writes it,
    /// its writer was killed, or its end is missing.
    pub is_closed: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, first, last) = (self.files, self.first, self.head.sequence());
        writeln!(f, "the log is as it was written")?;
        match &self.expected {
            Some(head) => writeln!(f, "held against {}", head.place())?,
            None => writeln!(f, "held against no head: a missing end would not show")?,
        }
        writeln!(f, "files {files}, sequence {first} to {last}")?;
        if first > 1 {
            writeln!(f, "begins at sequence {first}: what is older is not here")?;
        }
        writeln!(f, "records {}", self.records)?;
        writeln!(f, "gaps {}, records lost {}", self.gaps, self.lost)?;
        writeln!(f, "refusals that were summed up {}", self.summed_up)?;
        writeln!(f, "torn lines that were cut off {}", self.torn)?;
        writeln!(f, "chains begun behind what did not verify {}", self.broken)?;
        writeln!(f, "starts without a close before {}", self.unclosed)?;
        let state = match (self.is_closed, self.torn_tail) {
            (true, 0) => "closed",
            (_, 0) => {
                "not closed: somebody writes it, its writer was killed, or its end is missing"
            }
            _ => "not closed, and its last line is torn",
        };
        writeln!(f, "{state}")?;
        write!(f, "head {}", self.head)
    }
}
