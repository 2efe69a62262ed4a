//! Why a log cannot be opened.

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
