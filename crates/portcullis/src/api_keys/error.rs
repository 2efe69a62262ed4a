//! Why a key could not be issued, loaded, rotated or revoked.

use std::{fmt, io};

use portcullis_core::StoreError;

/// Why a key could not be issued, loaded, rotated or revoked. Nothing was changed then, unless it
/// is a store that [cannot say](KeyErrorKind::StoreUnavailable).
#[derive(Debug)]
pub struct KeyError {
    kind: KeyErrorKind,
    problem: Box<str>,
    source: Option<Source>,
}

/// What it comes from.
#[derive(Debug)]
enum Source {
    Randomness(io::Error),
    Store(StoreError),
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
            source: Some(Source::Randomness(source)),
        }
    }

    pub(super) fn store(source: StoreError) -> Self {
        Self {
            kind: KeyErrorKind::StoreUnavailable,
            problem: "the store of keys cannot say".into(),
            source: Some(Source::Store(source)),
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
        self.source.as_ref().map(|source| match source {
            Source::Randomness(error) => error as _,
            Source::Store(error) => error as _,
        })
    }
}

/// What a [`KeyError`] is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// Others change the key all the time. Try again.
    Conflict,
    /// There is a key with this id already.
    Duplicate,
    /// The key has expired, or would have before its first use.
    Expired,
    /// The store has no room for another key.
    Full,
    /// The key could never be used, or could be mistaken for another.
    Invalid,
    /// The prefix or the pepper is wrong. Building the authenticator says the same.
    Misconfigured,
    /// The operating system gave no random bytes.
    NoRandomness,
    /// The key has been revoked.
    Revoked,
    /// The store cannot say whether it did. Issued, the key may be there, and nobody has its
    /// text; rotated, it may have the new secret, and the old one works for the overlap.
    StoreUnavailable,
    /// There is no key with this id.
    Unknown,
}
