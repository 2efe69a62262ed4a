//! What a developer is told about a key.

use std::fmt;

use portcullis_core::{ReasonCode, Timestamp, api_keys::StoredKey};

use super::{
    entry::{self, Entry},
    format::{MALFORMED, ParseError, Slip},
    mint::Mint,
};

/// Which checks a key passed, which one it failed, and why. Made by
/// [`KeyRing::explain`](super::KeyRing::explain) and
/// [`KeyRegistry::explain`](super::KeyRegistry::explain), for a developer who is stuck.
///
/// It shows neither the key nor anything that is kept of it. `Display` is meant to be read, and
/// may change; the accessors stay. Do not show it to the caller: it says more than a stranger
/// should know.
#[derive(Clone, Debug)]
pub struct KeyExplanation {
    failed: Option<Step>,
    reason: Option<ReasonCode>,
}

/// A check, in the order in which they are made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Step {
    Prefix,
    Length,
    Characters,
    Checksum,
    Id,
    Secret,
    Revocation,
    End,
    Begin,
    Overlap,
    Row,
}

impl Step {
    const ALL: [Self; 11] = [
        Self::Prefix,
        Self::Length,
        Self::Characters,
        Self::Checksum,
        Self::Id,
        Self::Secret,
        Self::Revocation,
        Self::End,
        Self::Begin,
        Self::Overlap,
        Self::Row,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Prefix => "the prefix is ours",
            Self::Length => "it is as long as a key",
            Self::Characters => "it has the characters of a key",
            Self::Checksum => "the checksum fits",
            Self::Id => "the id is known",
            Self::Secret => "the secret is that of the id",
            Self::Revocation => "the key is not revoked",
            Self::End => "the key has not ended",
            Self::Begin => "the key has begun",
            Self::Overlap => "the secret is the present one, or its overlap is not over",
            Self::Row => "what is kept of the key makes sense",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Prefix => {
                "the text begins otherwise; it is left to the next authenticator: is it a key of \
                 another environment?"
            }
            Self::Length => "the text is cut short, or something was added to it",
            Self::Characters => "a character is none that keys have; was it copied with a blank?",
            Self::Checksum => "a character was changed; copy the key again",
            Self::Id => "nobody has this id: the key was removed, or belongs to another store",
            Self::Secret => {
                "the secret is another: the key was rotated since, or the pepper is not the one \
                 that it was issued with"
            }
            Self::Revocation => "the key was revoked; issue another",
            Self::End => "the key is over; issue another, or give it a later end",
            Self::Begin => "the key begins later; is the clock right?",
            Self::Overlap => "the secret was rotated, and the overlap is over; use the new one",
            Self::Row => "what is kept of the key could belong to somebody else; look at its row",
        }
    }
}

/// How a check of a [`KeyExplanation`] went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyStepOutcome {
    /// It failed, and ended the way of the key.
    Failed,
    /// An earlier one failed.
    NotReached,
    /// It passed.
    Passed,
}

impl KeyExplanation {
    /// What becomes of a text up to where the store is asked: the id to ask for, or the end.
    pub(super) fn of_form(mint: &Mint, text: &str) -> Result<String, Self> {
        match mint.parse(text.as_bytes()) {
            Ok(id) => Ok(id.as_str().to_owned()),
            Err(ParseError::Foreign) => Err(Self {
                failed: Some(Step::Prefix),
                reason: None,
            }),
            Err(ParseError::Malformed(slip)) => Err(Self {
                failed: Some(match slip {
                    Slip::Length => Step::Length,
                    Slip::Characters => Step::Characters,
                    Slip::Checksum => Step::Checksum,
                }),
                reason: Some(MALFORMED),
            }),
        }
    }

    /// What becomes of a text with the form of a key, by what is kept under its id.
    pub(super) fn of_key(
        mint: &Mint,
        text: &str,
        stored: Option<&StoredKey>,
        now: Timestamp,
    ) -> Self {
        let presented = mint.hash(text.as_bytes());
        let judged = entry::judge(stored, &presented, mint.nobody(), now);
        let reason = judged.err().or_else(|| {
            let is_usable = stored.is_some_and(|key| Entry::check(key, mint.issuer()).is_ok());
            (!is_usable).then_some(entry::UNUSABLE)
        });
        let failed = reason.map(|reason| match reason {
            entry::UNKNOWN => Step::Id,
            entry::REVOKED => Step::Revocation,
            entry::EXPIRED => Step::End,
            entry::NOT_YET_VALID => Step::Begin,
            entry::SUPERSEDED => Step::Overlap,
            entry::UNUSABLE => Step::Row,
            _ => Step::Secret,
        });
        Self { failed, reason }
    }

    /// Whether the key is accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.failed.is_none()
    }

    /// Why it is not: the code that a record of the request shows. `None` if the key is
    /// accepted, or left to another authenticator.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        self.reason
    }

    /// What the outcome is, and what may help.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.failed.map_or("the key is accepted", Step::advice)
    }

    /// Every check, in order, and how it went.
    pub fn steps(&self) -> impl Iterator<Item = (&'static str, KeyStepOutcome)> {
        Step::ALL.into_iter().map(|step| {
            let outcome = match self.failed {
                Some(failed) if step == failed => KeyStepOutcome::Failed,
                Some(failed) if step > failed => KeyStepOutcome::NotReached,
                _ => KeyStepOutcome::Passed,
            };
            (step.label(), outcome)
        })
    }
}

impl fmt::Display for KeyExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, outcome) in self.steps() {
            let mark = match outcome {
                KeyStepOutcome::Failed => "FAILED",
                KeyStepOutcome::NotReached => "-",
                KeyStepOutcome::Passed => "passed",
            };
            writeln!(f, "{mark:>8}  {label}")?;
        }
        match self.reason {
            Some(reason) => write!(f, "{reason}: {}", self.summary()),
            None => f.write_str(self.summary()),
        }
    }
}
