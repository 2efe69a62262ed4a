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
/// Of a part, one owner may take so much: a quarter.
const SHARES: usize = 4;

/// One-time credentials that were used, in the memory of this process, at most so many.
///
/// Each is remembered until it has been over for a minute. A store that is full of such as
/// still count takes no more: it never forgets one to make room for another. All credentials
/// of one owner are in one of 64 parts, of which an owner takes a quarter at most, so that
/// nobody alone keeps others out. (A store with room for 1024 or less is one part.)
///
/// By default an owner has room for 3906. Of proofs of possession (RFC 9449) that are good for a
/// minute these are 32 a second, and with nonces of five minutes five: then, give it more room where
/// one subject asks more often.
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
    owners: HashMap<ReplayOwner, Owner, AlreadyHashed>,
    /// How many there are, of all owners.
    len: usize,
    /// When the first of a full shard need not be remembered any longer: before that there is
    /// no room to be made.
    full_until: Option<i64>,
}

#[derive(Default)]
struct Owner {
    /// Until when each is remembered, in milliseconds.
    taken: HashMap<ReplayKey, i64, AlreadyHashed>,
    /// The same as that of the shard, where the owner has taken his share.
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
        self.shards.iter().map(|shard| lock(shard).len).sum()
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
        if shard.has_seen(owner, key) {
            return Taken::Seen;
        }
        if !shard.make_room(owner, self.per_shard, now.unix_millis()) {
            return Taken::Full;
        }
        // Also one that is over already, which its authenticator should have noticed.
        let until = until.max(now) + LEEWAY;
        shard.insert(owner, key, until.unix_millis());
        Taken::Fresh
    }
}

impl Default for MemoryReplays {
    /// Room for 1 000 000: up to 40 MB, once it is full.
    fn default() -> Self {
        Self::with_capacity(1_000_000)
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

    fn is_volatile(&self) -> bool {
        true
    }
}

impl Shard {
    fn has_seen(&self, owner: ReplayOwner, key: ReplayKey) -> bool {
        let owner = self.owners.get(&owner);
        owner.is_some_and(|owner| owner.taken.contains_key(&key))
    }

    fn insert(&mut self, owner: ReplayOwner, key: ReplayKey, until: i64) {
        let owner = self.owners.entry(owner).or_default();
        if owner.taken.insert(key, until).is_none() {
            self.len += 1;
        }
    }

    /// Whether there is room for one more of an owner, once what does not count any more is
    /// forgotten.
    fn make_room(&mut self, owner: ReplayOwner, max: usize, now: i64) -> bool {
        if let Some(owner) = self.owners.get_mut(&owner) {
            let before = owner.taken.len();
            let has_room = owner.make_room((max / SHARES).max(1), now);
            self.len -= before - owner.taken.len();
            if !has_room {
                return false;
            }
        }
        if self.len < max {
            return true;
        }
        // Looking through it costs more than a stranger should be able to ask for each time.
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.owners.retain(|_, owner| {
            owner.taken.retain(|_, until| *until > now);
            !owner.taken.is_empty()
        });
        self.len = self.owners.values().map(|owner| owner.taken.len()).sum();
        let has_room = self.len < max;
        let first = self.owners.values().filter_map(Owner::first_until).min();
        self.full_until = first.filter(|_| !has_room);
        has_room
    }
}

impl Owner {
    /// Whether there is room for one more in the owner's share.
    fn make_room(&mut self, share: usize, now: i64) -> bool {
        if self.taken.len() < share {
            return true;
        }
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        self.taken.retain(|_, until| *until > now);
        let has_room = self.taken.len() < share;
        self.full_until = self.first_until().filter(|_| !has_room);
        has_room
    }

    /// When the first need not be remembered any longer.
    fn first_until(&self) -> Option<i64> {
        self.taken.values().min().copied()
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
