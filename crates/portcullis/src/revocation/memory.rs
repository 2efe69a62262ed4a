//! Cut-offs in the memory of this process.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use portcullis_core::{AlreadyHashed, Check, RevocationStore, RevokedKey, StoreError, Timestamp};

use crate::parts::part_of;

/// Stores with room for more than this are split, so that requests seldom meet.
const SPLIT_ABOVE: usize = 1024;
const SHARDS: usize = 64;
/// Nothing has been forgotten.
const NEVER: i64 = i64::MIN;

/// Cut-offs in the memory of this process, at most so many.
///
/// A restart forgets them, and two servers do not see each other's: a credential that has been
/// revoked is then good again while its issuer says so.
///
/// When it is full, it first forgets what need not be kept any longer. If that is not enough,
/// it forgets the earlier half of the cut-offs of subjects, grants, clients and sessions, says
/// so in an ERROR log, and from then on everything that was issued no later than the latest of
/// those is over, whoever holds it: persons authenticate again, and API keys that are as old
/// have to be issued anew. No request adds to the store, so nobody gets there by sending
/// requests; whoever revokes what strangers ask for has to bound that. The revocation of a
/// single credential is never forgotten before its time: a store that is full of these refuses
/// more.
///
/// # Example
///
/// ```
/// use portcullis::revocation::MemoryRevocations;
///
/// let store = MemoryRevocations::with_capacity(1_000_000);
/// assert_eq!(store.capacity(), 1_000_000);
/// ```
pub struct MemoryRevocations {
    shards: Box<[RwLock<Shard>]>,
    per_shard: usize,
    capacity: usize,
    /// How many there are: what a request looks at first.
    count: AtomicUsize,
    /// The latest cut-off that was forgotten before its time, in milliseconds.
    forgotten: AtomicI64,
}

#[derive(Default)]
struct Shard(HashMap<RevokedKey, Kept, AlreadyHashed>);

/// Times are in milliseconds.
#[derive(Clone, Copy)]
struct Kept {
    cut_off: i64,
    until: i64,
}

impl MemoryRevocations {
    /// A store with room for so many cut-offs, those included that need not be kept any longer.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let shards = if capacity > SPLIT_ABOVE { SHARDS } else { 1 };
        Self {
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            per_shard: capacity.div_ceil(shards),
            capacity,
            count: AtomicUsize::new(0),
            forgotten: AtomicI64::new(NEVER),
        }
    }

    /// For how many cut-offs there is room.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many cut-offs are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether no cut-off is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: RevokedKey) -> Option<&RwLock<Shard>> {
        self.shards.get(part_of(key.as_u128(), self.shards.len()))
    }

    fn latest(&self, keys: &[RevokedKey]) -> Option<Timestamp> {
        let found = keys.iter().filter_map(|key| {
            let shard = self.shard(*key)?.read();
            let shard = shard.unwrap_or_else(PoisonError::into_inner);
            shard.0.get(key).map(|kept| kept.cut_off)
        });
        found.max().map(Timestamp::from_unix_millis)
    }

    /// Forgets up to a cut-off. Said before it is done: whoever reads it in between is refused,
    /// not let in.
    fn forget(&self, cut_off: i64) {
        self.forgotten.fetch_max(cut_off, Ordering::AcqRel);
        tracing::error!(
            target: "portcullis",
            capacity = self.capacity,
            "the store of revocations is full, and forgets some: whatever was issued no later \
             than {} is refused from now on; give it more room, or keep revocations for less \
             long",
            Timestamp::from_unix_millis(cut_off),
        );
    }
}

impl Default for MemoryRevocations {
    /// Room for 100 000 cut-offs.
    fn default() -> Self {
        Self::with_capacity(100_000)
    }
}

impl RevocationStore for MemoryRevocations {
    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0 && self.forgotten().is_none()
    }

    fn check(&self, keys: &[RevokedKey]) -> Check<Option<Timestamp>> {
        Check::Done(self.latest(keys))
    }

    async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.latest(keys))
    }

    async fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let new = Kept {
            cut_off: cut_off.unix_millis(),
            until: kept_until.unix_millis(),
        };
        let shard = self.shard(key);
        let shard = shard.ok_or_else(|| StoreError::new("has no shards"))?;
        let mut shard = write(shard);
        if let Some(kept) = shard.0.get_mut(&key) {
            kept.cut_off = kept.cut_off.max(new.cut_off);
            kept.until = kept.until.max(new.until);
            return Ok(());
        }
        if new.cut_off <= self.forgotten.load(Ordering::Acquire) {
            // Is over in any case.
            return Ok(());
        }
        let before = shard.0.len();
        let has_room = shard.make_room(self.per_shard, now.unix_millis(), |at| self.forget(at));
        let removed = before - shard.0.len();
        // The one that is added counts first, so that the store is never taken for an empty one
        // in between.
        if has_room {
            self.count.fetch_add(1, Ordering::AcqRel);
            shard.0.insert(key, new);
        }
        self.count.fetch_sub(removed, Ordering::AcqRel);
        if has_room {
            Ok(())
        } else {
            Err(StoreError::new(
                "is full of revocations of single credentials; give it more room, keep them for \
                 less long, or revoke by subject",
            ))
        }
    }

    fn forgotten(&self) -> Option<Timestamp> {
        match self.forgotten.load(Ordering::Acquire) {
            NEVER => None,
            millis => Some(Timestamp::from_unix_millis(millis)),
        }
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

impl Shard {
    /// Whether there is room for one more, once what has to be forgotten is forgotten.
    fn make_room(&mut self, max: usize, now: i64, forget: impl Fn(i64)) -> bool {
        if self.0.len() < max {
            return true;
        }
        self.0.retain(|_, kept| kept.until > now);
        if self.0.len() >= max {
            // The earlier half: all that was issued no later goes with it, so not the newest.
            let mut cut_offs: Vec<_> = self.cut_offs().collect();
            cut_offs.sort_unstable();
            if let Some(&middle) = cut_offs.get(cut_offs.len() / 2) {
                forget(middle);
                self.0.retain(|_, kept| kept.cut_off > middle);
            }
        }
        self.0.len() < max
    }

    /// Those that something can be later than.
    fn cut_offs(&self) -> impl Iterator<Item = i64> {
        let all = self.0.values().map(|kept| kept.cut_off);
        all.filter(|cut_off| *cut_off != Timestamp::MAX.unix_millis())
    }
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    // What the lock protects is whole between any two statements.
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for MemoryRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRevocations")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
