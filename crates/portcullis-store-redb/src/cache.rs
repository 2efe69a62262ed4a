//! Owners who have been asked for lately, as they stand in the file.
//!
//! Nobody else writes to the file, so what is here is what is there: whatever is committed comes
//! here before it is answered.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use portcullis_core::{AlreadyHashed, OwnerKey, SessionRecord, Sessions};

/// How much is kept, in bytes as they are computed by [`size`]: twice this.
const HALF: usize = 16 << 20;

#[derive(Default)]
pub(crate) struct Cache(RwLock<Halves>);

/// Who is asked for moves to the younger half. Once that is full, it is the older one, and what was
/// the older one until then is forgotten.
#[derive(Default)]
struct Halves {
    young: Owners,
    old: Owners,
    /// The size of the younger one.
    size: usize,
    /// How often something was written.
    writes: u64,
}

type Owners = HashMap<OwnerKey, Arc<Sessions>, AlreadyHashed>;

/// What there was when somebody began to read.
#[derive(Clone, Copy)]
pub(crate) struct Moment(u64);

impl Cache {
    pub(crate) fn find(&self, owner: OwnerKey) -> Option<Arc<Sessions>> {
        let halves = self.read();
        if let Some(found) = halves.young.get(&owner) {
            return Some(Arc::clone(found));
        }
        // Most are not there at all.
        if !halves.old.contains_key(&owner) {
            return None;
        }
        drop(halves);
        let mut halves = self.write();
        let found = halves.old.remove(&owner);
        let found = found.or_else(|| halves.young.remove(&owner))?;
        halves.insert(owner, Arc::clone(&found));
        Some(found)
    }

    /// To be asked before the file is.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.read().writes)
    }

    /// What was read of the file, unless something was written meanwhile: it may be old.
    pub(crate) fn note(&self, owner: OwnerKey, read: Arc<Sessions>, begun: Moment) {
        let mut halves = self.write();
        if halves.writes == begun.0 {
            halves.remove(owner);
            halves.insert(owner, read);
        }
    }

    /// What was written to the file.
    pub(crate) fn put(&self, owner: OwnerKey, written: Arc<Sessions>) {
        let mut halves = self.write();
        halves.writes += 1;
        halves.remove(owner);
        halves.insert(owner, written);
    }

    pub(crate) fn remove(&self, owner: OwnerKey) {
        let mut halves = self.write();
        halves.writes += 1;
        halves.remove(owner);
    }

    pub(crate) fn clear(&self) {
        let mut halves = self.write();
        let writes = halves.writes + 1;
        *halves = Halves {
            writes,
            ..Halves::default()
        };
    }

    fn read(&self) -> RwLockReadGuard<'_, Halves> {
        // What the lock protects is whole between any two statements.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Halves> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn insert(&mut self, owner: OwnerKey, sessions: Arc<Sessions>) {
        self.size += size(&sessions);
        self.young.insert(owner, sessions);
        if self.size > HALF {
            self.old = mem::take(&mut self.young);
            self.size = 0;
        }
    }

    fn remove(&mut self, owner: OwnerKey) {
        self.old.remove(&owner);
        if let Some(removed) = self.young.remove(&owner) {
            self.size = self.size.saturating_sub(size(&removed));
        }
    }
}

/// About what an owner takes.
fn size(sessions: &Sessions) -> usize {
    let data = |record: &SessionRecord| record.data.as_ref().map_or(0, |data| 64 + data.size());
    let records = sessions.records.iter();
    128 + records
        .map(|record| size_of::<SessionRecord>() + data(record))
        .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::{EvidenceKind, FamilyKey, Revision, SessionId, SessionKey, Timestamp};

    use super::*;

    const OWNER: OwnerKey = OwnerKey::from_u128(1);

    fn sessions(revision: u64) -> Arc<Sessions> {
        let at = Timestamp::UNIX_EPOCH;
        let record = SessionRecord::new(
            SessionKey::from_u128(1),
            FamilyKey::from_u128(1),
            SessionId::from_u128(1),
            EvidenceKind::User,
            at,
            Duration::from_secs(60),
            at,
        );
        Arc::new(Sessions {
            revision: Revision::from_u64(revision),
            records: vec![record],
        })
    }

    fn revision(cache: &Cache, owner: OwnerKey) -> Option<u64> {
        cache.find(owner).map(|found| found.revision.as_u64())
    }

    #[test]
    fn what_was_read_before_a_write_is_not_taken_for_what_is_there() {
        let cache = Cache::default();
        let before = cache.moment();
        cache.put(OWNER, sessions(2));
        cache.note(OWNER, sessions(1), before);
        assert_eq!(revision(&cache, OWNER), Some(2));
        let before = cache.moment();
        cache.remove(OWNER);
        cache.note(OWNER, sessions(2), before);
        assert_eq!(revision(&cache, OWNER), None);
        let before = cache.moment();
        cache.note(OWNER, sessions(3), before);
        assert_eq!(revision(&cache, OWNER), Some(3));
        let before = cache.moment();
        cache.clear();
        cache.note(OWNER, sessions(3), before);
        assert_eq!(revision(&cache, OWNER), None);
    }

    #[test]
    fn keeps_who_is_asked_for_and_no_more_than_fits() {
        let cache = Cache::default();
        cache.put(OWNER, sessions(7));
        let each = size(&sessions(1));
        let many = 5 * HALF / each;
        for number in 2..many {
            cache.put(OwnerKey::from_u128(number as u128), sessions(1));
            assert_eq!(revision(&cache, OWNER), Some(7), "{number}");
        }
        let halves = cache.read();
        let kept = halves.young.len() + halves.old.len();
        assert!(kept * each <= 2 * HALF + 2 * each, "{kept}");
        drop(halves);
        assert_eq!(revision(&cache, OwnerKey::from_u128(2)), None);
    }

    #[test]
    fn a_write_takes_the_place_of_what_has_become_old() {
        let cache = Cache::default();
        cache.put(OWNER, sessions(1));
        let mut halves = cache.write();
        halves.old = mem::take(&mut halves.young);
        drop(halves);
        cache.put(OWNER, sessions(2));
        assert_eq!(revision(&cache, OWNER), Some(2));
        cache.remove(OWNER);
        assert_eq!(revision(&cache, OWNER), None);
    }
}
