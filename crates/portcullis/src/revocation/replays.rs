//! One-time credentials that were used, in the memory of this process.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portcullis_core::{
    AlreadyHashed, Check, ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp,
};

use crate::parts::part_of;

/// Stores with room for more than this are split, so that nobody can fill more than a part.
const SPLIT_ABOVE: usize = 1024;
const SHARDS: usize = 64;
/// By so much longer than it lasts a credential is remembered: authenticators forgive as much,
/// and a clock may be set back by a step.
const LEEWAY: Duration = Duration::from_secs(60);

/// One-time credentials that were used, in the memory of this process, at most so many.
///
/// Each is remembered until it has been over for a minute. A store that is full of such as
/// still count takes no more: it never forgets one to make room for another. All credentials
/// of one owner are in one of 64 parts, so that an owner who floods his part leaves the others
/// to all who are not in it. (A store with room for 1024 or less is one part.)
///
/// A restart forgets them, and two servers do not see each other's: within its lifetime, a
/// credential can then be used once more.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis::{
///     Check, Clock as _, SystemClock,
///     revocation::{MemoryReplays, ReplayKey, ReplayOwner, ReplayStore, Taken},
/// };
///
/// let store = MemoryReplays::default();
/// let now = SystemClock::new().now();
/// // Keyed hashes, in earnest.
/// let (owner, key) = (ReplayOwner::from_u128(1), ReplayKey::from_u128(2));
/// let take = || match store.take_now(owner, key, now + Duration::from_secs(300), now) {
///     Check::Done(taken) => taken,
///     Check::NeedsIo => unreachable!("it is in memory"),
/// };
/// assert_eq!(take(), Taken::Fresh);
/// assert_eq!(take(), Taken::Seen);
/// ```
pub struct MemoryReplays {
    shards: Box<[Mutex<Shard>]>,
    per_shard: usize,
    capacity: usize,
}

#[derive(Default)]
struct Shard {
    /// Until when each is remembered, in milliseconds.
    taken: HashMap<(ReplayOwner, ReplayKey), i64, AlreadyHashed>,
    /// When the first of a full shard need not be remembered any longer: before that there is
    /// no room to be made.
    full_until: Option<i64>,
}

impl MemoryReplays {
    /// A store with room for so many.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let shards = if capacity > SPLIT_ABOVE { SHARDS } else { 1 };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            per_shard: capacity.div_ceil(shards),
            capacity,
        }
    }

    /// For how many there is room.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many are kept, those included that do not count any more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).taken.len())
            .sum()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take_one(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Taken {
        let part = part_of(owner.as_u128(), self.shards.len());
        let Some(shard) = self.shards.get(part) else {
            return Taken::Full;
        };
        let mut shard = lock(shard);
        if shard.taken.contains_key(&(owner, key)) {
            return Taken::Seen;
        }
        if !shard.make_room(self.per_shard, now.unix_millis()) {
            return Taken::Full;
        }
        // Also one that is over already, which its authenticator should have noticed.
        let until = until.max(now) + LEEWAY;
        shard.taken.insert((owner, key), until.unix_millis());
        Taken::Fresh
    }
}

impl Default for MemoryReplays {
    /// Room for 100 000.
    fn default() -> Self {
        Self::with_capacity(100_000)
    }
}

impl ReplayStore for MemoryReplays {
    fn take_now(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Check<Taken> {
        Check::Done(self.take_one(owner, key, until, now))
    }

    async fn take(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        Ok(self.take_one(owner, key, until, now))
    }
}

impl Shard {
    /// Whether there is room for one more, once what does not count any more is forgotten.
    fn make_room(&mut self, max: usize, now: i64) -> bool {
        if self.taken.len() < max {
            return true;
        }
        // Looking through it costs more than a stranger should be able to ask for each time.
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.taken.retain(|_, until| *until > now);
        let has_room = self.taken.len() < max;
        let first = self.taken.values().min().copied();
        self.full_until = first.filter(|_| !has_room);
        has_room
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // What the lock protects is whole between any two statements.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for MemoryReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplays")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
