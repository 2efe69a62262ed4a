//! Answers that are kept for a while.
//!
//! No token is kept here: an answer is found by a 128-bit hash with a key that only this process
//! knows.

use std::{fmt, num::NonZeroUsize, time::Instant};

use portcullis_core::{AlreadyHashed, sabotaged};
use quick_cache::{UnitWeighter, sync::Cache};
use siphasher::sip128::SipHasher13;

use super::answer::Outcome;

/// Room for refusals: they are short-lived, and must not displace what is good.
const REFUSALS: NonZeroUsize = match NonZeroUsize::new(1024) {
    Some(room) => room,
    None => NonZeroUsize::MIN,
};

/// Kept until then, and for no request after it.
#[derive(Clone, Debug)]
struct Entry {
    outcome: Outcome,
    until: Instant,
}

type Entries = Cache<u128, Entry, UnitWeighter, AlreadyHashed>;

pub(super) struct Answers {
    hasher: SipHasher13,
    active: Entries,
    refused: Entries,
}

impl Answers {
    pub(super) fn new(capacity: NonZeroUsize, key: &[u8; 16]) -> Self {
        Self {
            hasher: SipHasher13::new_with_key(key),
            active: entries(capacity),
            refused: entries(REFUSALS.min(capacity)),
        }
    }

    pub(super) fn key(&self, token: &str) -> u128 {
        self.hasher.hash(token.as_bytes()).as_u128()
    }

    pub(super) fn get(&self, key: u128, now: Instant) -> Option<Outcome> {
        let fresh = |entry: &Entry| now < entry.until || sabotaged!("introspection.cache_time");
        let entry = self
            .active
            .get(&key)
            .filter(fresh)
            .or_else(|| self.refused.get(&key).filter(fresh))?;
        Some(entry.outcome)
    }

    /// Throws away what is kept of a token and does not count any more.
    pub(super) fn forget(&self, key: u128, now: Instant) {
        for entries in [&self.active, &self.refused] {
            entries.remove_if(&key, |entry| entry.until <= now);
        }
    }

    pub(super) fn insert(&self, key: u128, outcome: Outcome, until: Instant) {
        // Whatever was said before, this is what holds.
        let (at, other) = match &outcome {
            Outcome::Refused(_) => (&self.refused, &self.active),
            Outcome::Active(..) | Outcome::Failed(_) => (&self.active, &self.refused),
        };
        other.remove(&key);
        at.insert(key, Entry { outcome, until });
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("active", &self.active.len())
            .field("refused", &self.refused.len())
            .field("capacity", &self.active.capacity())
            .finish_non_exhaustive()
    }
}

fn entries(capacity: NonZeroUsize) -> Entries {
    Cache::with(
        capacity.get(),
        capacity.get() as u64,
        UnitWeighter,
        AlreadyHashed,
        quick_cache::sync::DefaultLifecycle::default(),
    )
}
