//! What an authenticator remembers of keys that were good.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use portcullis_core::{Timestamp, api_keys::StoredKey};

use super::{entry::Entry, error::KeyError, format::KeyId, ring::lock};

const SHARDS: usize = 64;
/// Of so many keys at once. Only what was good is remembered, so no stranger fills it.
const CAPACITY: usize = 16_384;

/// What requests with a key are answered with, and when its last use was written down.
///
/// A part that is full forgets all it has: that costs the keys in it their evidence, which is
/// derived again, and one more write each.
pub(super) struct Known {
    hasher: RandomState,
    shards: [Mutex<HashMap<KeyId, Kept>>; SHARDS],
    per_shard: usize,
}

struct Kept {
    entry: Arc<Entry>,
    written_at: Option<Timestamp>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            per_shard: capacity.div_ceil(SHARDS),
        }
    }

    /// What a key is answered with whose secret has matched.
    pub(super) fn entry(
        &self,
        id: KeyId,
        stored: &Arc<StoredKey>,
        issuer: &str,
    ) -> Result<Arc<Entry>, KeyError> {
        if let Some(kept) = self.shard(id).get(&id)
            && kept.entry.is_of(stored)
        {
            return Ok(Arc::clone(&kept.entry));
        }
        let (_, entry) = Entry::new(Arc::clone(stored), issuer)?;
        let entry = Arc::new(entry);
        let mut shard = self.shard(id);
        let before = shard.remove(&id);
        if shard.len() >= self.per_shard {
            shard.clear();
        }
        let kept = Kept {
            entry: Arc::clone(&entry),
            written_at: before.and_then(|before| before.written_at),
        };
        shard.insert(id, kept);
        Ok(entry)
    }

    /// Whether a use at `now` is to be written down. Of all who ask at the same time, one is
    /// told so, and writes it. `None` if it is not; otherwise what [`give_back`](Self::give_back)
    /// takes.
    pub(super) fn take_turn(&self, id: KeyId, now: Timestamp, interval: Duration) -> Option<Turn> {
        let mut shard = self.shard(id);
        let kept = shard.get_mut(&id)?;
        let before = kept.written_at;
        if before.is_some_and(|before| now < before + interval) {
            return None;
        }
        kept.written_at = Some(now);
        Some(Turn { id, before })
    }

    /// It has not been written, and somebody else is to do it.
    pub(super) fn give_back(&self, turn: &Turn) {
        if let Some(kept) = self.shard(turn.id).get_mut(&turn.id) {
            kept.written_at = turn.before;
        }
    }

    fn shard(&self, id: KeyId) -> MutexGuard<'_, HashMap<KeyId, Kept>> {
        let [first, ..] = &self.shards;
        let index = self.hasher.hash_one(id) % SHARDS as u64;
        let index = usize::try_from(index).unwrap_or(0);
        lock(self.shards.get(index).unwrap_or(first))
    }
}

/// The turn to write down when a key was used.
pub(super) struct Turn {
    id: KeyId,
    before: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_keys::{Grant, KeyHash};

    const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn key(n: u32) -> (KeyId, Arc<StoredKey>) {
        let id = format!("{n:0>15}");
        let stored = StoredKey::new(&*id, KeyHash::from_bytes([1; 32]), Grant::for_user("alice"));
        (KeyId::parse(&id).unwrap(), Arc::new(stored))
    }

    #[test]
    fn a_use_is_written_once_in_an_interval() {
        let known = Known::new();
        let (id, stored) = key(1);
        assert!(known.take_turn(id, AT, MINUTE).is_none(), "not known yet");
        known.entry(id, &stored, "keys").unwrap();
        assert!(known.take_turn(id, AT, MINUTE).is_some());
        assert!(known.take_turn(id, AT, MINUTE).is_none());
        let last = Timestamp::from_unix_millis((AT + MINUTE).unix_millis() - 1);
        assert!(known.take_turn(id, last, MINUTE).is_none());
        // A key that was changed is the same key.
        let changed = StoredKey::clone(&stored).with_issued_at(AT);
        known.entry(id, &Arc::new(changed), "keys").unwrap();
        assert!(known.take_turn(id, last, MINUTE).is_none());
        let turn = known.take_turn(id, AT + MINUTE, MINUTE).unwrap();
        known.give_back(&turn);
        assert!(known.take_turn(id, AT + MINUTE, MINUTE).is_some());
    }

    #[test]
    fn what_was_changed_is_derived_again() {
        let known = Known::new();
        let (id, stored) = key(1);
        let first = known.entry(id, &stored, "keys").unwrap();
        let same = Arc::new(StoredKey::clone(&stored));
        assert!(Arc::ptr_eq(
            &first,
            &known.entry(id, &same, "keys").unwrap()
        ));
        let other = StoredKey::clone(&stored).with_grant(Grant::for_user("bob"));
        let other = known.entry(id, &Arc::new(other), "keys").unwrap();
        assert_eq!(other.stored().grant().user(), Some("bob"));
    }

    #[test]
    fn memory_is_bounded() {
        let known = Known::with_capacity(2 * SHARDS);
        for n in 0..10_000 {
            let (id, stored) = key(n);
            known.entry(id, &stored, "keys").unwrap();
        }
        let kept: usize = known.shards.iter().map(|shard| lock(shard).len()).sum();
        assert!((1..=2 * SHARDS).contains(&kept), "{kept}");
    }
}
