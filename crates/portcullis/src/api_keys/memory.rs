//! Keys in the memory of this process.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    ops::Bound,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering},
    },
};

use portcullis_core::{
    Check, Commit, Revision, StoreError, Timestamp,
    api_keys::{ApiKeyStore, StoredKey},
};

/// Stands for a key that was never used.
const NEVER: i64 = i64::MIN;

/// Keys in the memory of this process, at most so many.
///
/// A store that is full takes no more keys; [`remove`](super::KeyRegistry::remove) those that are
/// over. A request waits only while a key is being changed, which takes some microseconds.
///
/// A restart forgets them: for tests and small tools, or filled at start from what was kept as
/// [bytes](StoredKey::to_bytes).
///
/// # Example
///
/// ```
/// use portcullis::api_keys::{Grant, KeyRegistry, MemoryApiKeys};
/// # use portcullis::{Clock as _, Secret, SystemClock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pepper = Secret::new([7; 32]);
/// # let now = SystemClock::new().now();
/// let keys = KeyRegistry::new("acme", &pepper, MemoryApiKeys::default());
/// let issued = keys.issue(Grant::for_user("alice"), now).await?;
/// assert_eq!(keys.list("alice", None, 10).await?.len(), 1);
/// # drop(issued);
/// # Ok(())
/// # }
/// ```
pub struct MemoryApiKeys {
    keys: RwLock<Keys>,
    capacity: usize,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<Box<str>, Slot>,
    /// The ids of each owner, in order.
    by_owner: HashMap<Box<str>, BTreeSet<Box<str>>>,
}

struct Slot {
    key: Arc<StoredKey>,
    /// In milliseconds. Beside the key, so that a use changes nothing that others read.
    used_at: AtomicI64,
}

impl MemoryApiKeys {
    /// A store with room for so many.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            keys: RwLock::default(),
            capacity,
        }
    }

    /// For how many there is room.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many are kept, those included that are revoked or over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, id: &str) -> Option<Arc<StoredKey>> {
        self.read().by_id.get(id).map(|slot| Arc::clone(&slot.key))
    }

    fn use_key(&self, id: &str, at: Timestamp) {
        if let Some(slot) = self.read().by_id.get(id) {
            slot.used_at.fetch_max(at.unix_millis(), Ordering::Relaxed);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        // What the lock protects is whole between any two statements.
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryApiKeys {
    /// Room for 100 000.
    fn default() -> Self {
        Self::with_capacity(100_000)
    }
}

impl ApiKeyStore for MemoryApiKeys {
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>> {
        Check::Done(self.find(id))
    }

    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        let keys = self.read();
        Ok(keys.by_id.get(id).map(|slot| Arc::new(slot.seen())))
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let keys = self.read();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = keys.by_owner.get(owner).into_iter();
        let ids = ids.flat_map(|ids| ids.range::<str, _>((start, Bound::Unbounded)));
        let slots = ids.filter_map(|id| keys.by_id.get(id));
        Ok(slots.take(limit).map(Slot::seen).collect())
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        Ok(self.write().put(key, self.capacity))
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        Ok(self.write().remove(id, expected))
    }

    fn touch_now(&self, id: &str, at: Timestamp) -> Check<()> {
        self.use_key(id, at);
        Check::Done(())
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.use_key(id, at);
        Ok(())
    }
}

impl Keys {
    fn put(&mut self, key: StoredKey, capacity: usize) -> Commit {
        let kept = self.by_id.get(key.id());
        let revision = kept.map(|slot| slot.key.revision()).unwrap_or_default();
        if revision != key.revision() {
            return Commit::Conflict;
        }
        if kept.is_none() && self.by_id.len() >= capacity {
            return Commit::Full;
        }
        let used_at = kept.map_or(NEVER, |slot| slot.used_at.load(Ordering::Relaxed));
        let told = key.last_used_at().map_or(NEVER, Timestamp::unix_millis);
        let id: Box<str> = key.id().into();
        if let Some(before) = kept.map(|slot| Arc::clone(&slot.key)) {
            self.take_from_owner(&before);
        }
        let owner = key.grant().subject().as_ref().into();
        self.by_owner.entry(owner).or_default().insert(id.clone());
        let slot = Slot {
            used_at: AtomicI64::new(used_at.max(told)),
            key: Arc::new(key.with_revision(revision.next())),
        };
        self.by_id.insert(id, slot);
        Commit::Done
    }

    fn remove(&mut self, id: &str, expected: Revision) -> Commit {
        let kept = self.by_id.get(id).map(|slot| Arc::clone(&slot.key));
        let revision = kept.as_ref().map(|key| key.revision()).unwrap_or_default();
        if revision != expected {
            return Commit::Conflict;
        }
        if let Some(key) = kept {
            self.take_from_owner(&key);
            self.by_id.remove(id);
        }
        Commit::Done
    }

    fn take_from_owner(&mut self, key: &StoredKey) {
        let owner = key.grant().subject();
        if let Some(ids) = self.by_owner.get_mut(owner.as_ref()) {
            ids.remove(key.id());
            if ids.is_empty() {
                self.by_owner.remove(owner.as_ref());
            }
        }
    }
}

impl Slot {
    /// The key, with its last use.
    fn seen(&self) -> StoredKey {
        let key = StoredKey::clone(&self.key);
        match self.used_at.load(Ordering::Relaxed) {
            NEVER => key,
            millis => key.with_last_used_at(Timestamp::from_unix_millis(millis)),
        }
    }
}

impl fmt::Debug for MemoryApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryApiKeys")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_keys::{Grant, KeyHash};

    const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn key(id: &str, owner: &str) -> StoredKey {
        StoredKey::new(id, KeyHash::from_bytes([1; 32]), Grant::for_user(owner))
    }

    #[test]
    fn a_full_store_takes_no_more_and_still_changes_what_it_has() {
        let mut keys = Keys::default();
        assert_eq!(keys.put(key("a", "alice"), 1), Commit::Done);
        assert_eq!(keys.put(key("b", "alice"), 1), Commit::Full);
        let next = Revision::default().next();
        let changed = key("a", "alice").with_revision(next).with_revoked_at(AT);
        assert_eq!(keys.put(changed, 1), Commit::Done);
        assert_eq!(keys.remove("a", next.next()), Commit::Done);
        assert_eq!(keys.put(key("b", "alice"), 1), Commit::Done);
    }

    #[test]
    fn nothing_is_left_of_owners_without_keys() {
        let mut keys = Keys::default();
        let next = Revision::default().next();
        assert_eq!(keys.put(key("a", "alice"), 9), Commit::Done);
        let given = key("a", "bob").with_revision(next);
        assert_eq!(keys.put(given, 9), Commit::Done);
        let owners: Vec<_> = keys.by_owner.keys().map(|owner| &**owner).collect();
        assert_eq!(owners, ["bob"]);
        assert_eq!(keys.remove("a", next.next()), Commit::Done);
        assert!(keys.by_owner.is_empty());
        assert!(keys.by_id.is_empty());
    }
}
