//! Why a log cannot be opened, or is not known to be as it was written.

use std::{fmt, io, path::PathBuf};

use portcullis_core::ConfigErrors;

use super::{defect::BadLine, head::Head};

/// Why a log cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The newest file is not as it was written.
    Broken {
        /// The first line that is not.
        bad: BadLine,
    },
    /// Another log is open in this folder, in this process or another.
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The log is not the one that was remembered: its end is missing, it was set back or computed
    /// anew, or it is another one. The folder is as it was.
    NotAsRemembered {
        /// The folder.
        folder: PathBuf,
        /// The head that was remembered.
        expected: Head,
        /// What the verifier says of it.
        problem: VerifyError,
    },
    /// Settings that cannot work.
    Settings(ConfigErrors),
    /// Something cannot be read or written.
    Unusable {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { bad } => write!(
                f,
                "the audit log does not verify: {bad}; keep its files for whoever looks into \
                 that, and give `AuditLog::builder` another folder, or call \
                 `dangerously_start_new_chain`"
            ),
            Self::InUse { folder } => write!(
                f,
                "the audit log in {} is open already; give each process a folder of its own",
                folder.display()
            ),
            Self::NotAsRemembered {
                folder,
                expected,
                problem,
            } => {
                let folder = folder.display();
                match problem {
                    VerifyError::Empty => write!(
                        f,
                        "there is no audit log in {folder}, and {} was remembered",
                        expected.place()
                    )?,
                    problem => write!(
                        f,
                        "the audit log in {folder} is not as it was remembered: {problem}"
                    )?,
                }
                f.write_str(
                    "; nothing was written: keep the folder for whoever looks into that, and \
                     give `AuditLog::builder` another one, with no expected head",
                )
            }
            Self::Settings(errors) => errors.fmt(f),
            Self::Unusable { path, error } => write!(
                f,
                "the audit log cannot use {}: {error}; give `AuditLog::builder` a folder that \
                 this process may write to",
                path.display()
            ),
        }
    }
}

// What is printed is whole: a source would only say part of it again.
impl std::error::Error for OpenError {}

impl From<ConfigErrors> for OpenError {
    fn from(errors: ConfigErrors) -> Self {
        Self::Settings(errors)
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
        /// The head that was remembered.
        expected: Head,
    },
    /// The log ends ahead of the line that was remembered: its end is missing, or it was set back.
    Missing {
        /// The head that was remembered.
        expected: Head,
        /// Where the log ends.
        last: Head,
        /// How many bytes behind that are no whole line.
        torn_tail: u64,
    },
    /// The line that was remembered belongs to another chain.
    OtherChain,
    /// The log begins behind the line that was remembered, so nothing can be said about it.
    TooOld {
        /// The head that was remembered.
        expected: Head,
        /// The sequence number of the first line.
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
            Self::Forked { expected } => write!(
                f,
                "{} was remembered, and another line has that number: the log was set back and \
                 written anew from there, or computed anew",
                expected.place()
            ),
            Self::Missing {
                expected,
                last,
                torn_tail,
            } => {
                write!(f, "the log ends at {}", last.place())?;
                match torn_tail {
                    0 => {}
                    1 => f.write_str(", and 1 byte behind that is no whole line")?,
                    more => write!(f, ", and {more} bytes behind that are no whole line")?,
                }
                write!(
                    f,
                    "; {} was remembered: its end was cut off, or an older copy was put back",
                    expected.place()
                )
            }
            Self::OtherChain => f.write_str("the head that was remembered is that of another log"),
            Self::TooOld { expected, first } => write!(
                f,
                "the log begins at sequence {first}, and {} was remembered: verify it together \
                 with its older files",
                expected.place()
            ),
            Self::Unreadable { path, error } => {
                write!(f, "cannot read {}: {error}", path.display())
            }
        }
    }
}

// What is printed is whole: a source would only say part of it again.
impl std::error::Error for VerifyError {}
