//! Why a key could not be issued, loaded or rotated.

use std::{fmt, io};

/// Why a key could not be issued, loaded or rotated. Nothing was changed then.
#[derive(Debug)]
pub struct KeyError {
    kind: KeyErrorKind,
    problem: Box<str>,
    source: Option<io::Error>,
}

impl KeyError {
    pub(super) fn new(kind: KeyErrorKind, problem: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            problem: problem.into(),
            source: None,
        }
    }

    pub(super) fn no_randomness(source: io::Error) -> Self {
        Self {
            kind: KeyErrorKind::NoRandomness,
            problem: "the operating system gave no random bytes".into(),
            source: Some(source),
        }
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// What a [`KeyError`] is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// There is a key with this id already.
    Duplicate,
    /// The key has expired, or would have before its first use.
    Expired,
    /// The key could never be used, or could be mistaken for another.
    Invalid,
    /// The ring's own settings are wrong; building the authenticator names each.
    Misconfigured,
    /// The operating system gave no random bytes.
    NoRandomness,
    /// There is no key with this id.
    Unknown,
}
