//! What is wrong with a line.

use std::fmt;

/// The first line of a log that is not as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BadLine {
    /// The name of the file, in the log's folder.
    pub file: String,
    /// The line of the file; the first is 1.
    pub line: u64,
    /// The sequence number that belongs there.
    pub sequence: u64,
    /// What is wrong.
    pub defect: Defect,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            sequence,
            defect,
        } = self;
        write!(
            f,
            "{file}, line {line} of the file, sequence {sequence}: {defect}"
        )
    }
}

impl std::error::Error for BadLine {}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Defect {
    /// It does not fit its hash: it was edited, or what stood before it was.
    Altered,
    /// A file does not begin with a head.
    Headless,
    /// It is no line of a log.
    Malformed,
    /// A file has the name of another.
    Misnamed,
    /// Lines are missing ahead of it.
    Missing {
        /// How many.
        lines: u64,
    },
    /// A file does not continue the one before it.
    NotContinued,
    /// It belongs to another chain.
    OtherChain,
    /// It stands there twice, or was moved.
    OutOfPlace {
        /// The sequence number that belongs there.
        expected: u64,
    },
    /// It is not whole, and is not the last of the log.
    Torn,
    /// It has a form that this version does not know.
    UnknownSchema,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered => {
                f.write_str("does not fit its hash: it was edited, or what stood before it was")
            }
            Self::Headless => f.write_str("is no head, with which a file begins"),
            Self::Malformed => f.write_str("is no line of an audit log"),
            Self::Misnamed => f.write_str("stands in a file with the name of another"),
            Self::Missing { lines: 1 } => f.write_str("a line is missing ahead of it"),
            Self::Missing { lines } => write!(f, "{lines} lines are missing ahead of it"),
            Self::NotContinued => f.write_str("does not continue the file before it"),
            Self::OtherChain => f.write_str("belongs to another chain"),
            Self::OutOfPlace { expected } => {
                write!(
                    f,
                    "stands there twice or was moved: sequence {expected} belongs there"
                )
            }
            Self::Torn => f.write_str("is not whole, and is not the last"),
            Self::UnknownSchema => f.write_str("has a form that this version does not know"),
        }
    }
}
