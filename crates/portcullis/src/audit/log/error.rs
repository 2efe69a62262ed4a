//! Why a log cannot be opened, or is not known to be as it was written.

use std::{fmt, io, path::PathBuf};

use portcullis_core::ConfigErrors;

use super::defect::BadLine;

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
