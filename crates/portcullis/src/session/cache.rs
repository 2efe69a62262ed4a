//! The sessions that a store has lately said to live.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use portcullis_core::{OwnerKey, SessionId, SessionKey, SessionRecord, Timestamp};

use crate::{
    cache::{Bounds, Current, Kept, Mark, Marks},
    signal::Signals,
    tasks::Tasks,
    time::Time,
};

/// The sessions that a store has lately said to live, without what handlers keep in them.
///
/// What is here is never more active than what the store has, so that whatever is over there by the
/// time is over here as well. It only lets in: whatever would be refused by it is asked of the store.
pub(super) struct SessionCache {
    marks: Arc<Marks>,
    kept: Kept<(OwnerKey, SessionKey), SessionRecord>,
    current: Current,
    max_age: Duration,
}

/// Somebody changes the sessions of an owner. However that ends, what was known of them before is of
/// no use after it.
pub(super) struct Changing<'a>(Option<(&'a SessionCache, OwnerKey)>);

impl SessionCache {
    pub(super) fn new(bounds: &Bounds, signals: &Arc<Signals>, time: Time, tasks: Tasks) -> Self {
        let marks = Arc::new(Marks::new(bounds.entries));
        let listener: Weak<Marks> = Arc::downgrade(&marks);
        signals.subscribe(listener);
        Self {
            marks,
            kept: Kept::new(bounds.entries),
            current: Current::new(Arc::clone(signals), time, tasks, bounds.max_unheard),
            max_age: bounds.max_age,
        }
    }

    /// The mark of what an owner has, to be taken before the store is asked.
    pub(super) fn mark(&self, owner: OwnerKey) -> Mark {
        self.marks.of([owner.as_u128()])
    }

    /// A session, if what is known of it still counts, and when the store was asked for it. Times are
    /// steady.
    pub(super) fn get(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        now: Timestamp,
    ) -> Option<(SessionRecord, Timestamp)> {
        // First: what the bus vouches for has changed the mark by then.
        if !self.current.is_at(now) {
            return None;
        }
        let mark = self.mark(owner);
        let place = (owner, key);
        self.kept
            .get(key.as_u128(), &place, now, self.max_age, |answer| {
                let is_good = answer.is_good(mark);
                is_good.then(|| (answer.value.clone(), answer.at))
            })
    }

    /// Keeps what the store has said of a session, with the mark from before it was asked, at `at`.
    pub(super) fn keep(&self, owner: OwnerKey, record: &SessionRecord, mark: Mark, at: Timestamp) {
        let mut record = record.clone();
        // That is asked for where it is wanted, and may be large.
        record.data = None;
        let place = (owner, record.key);
        self.kept
            .keep(record.key.as_u128(), place, record, mark, at);
    }

    /// What an owner has may have changed.
    pub(super) fn forget(&self, owner: OwnerKey) {
        self.marks.change(owner.as_u128());
    }

    /// The same, when this is dropped.
    pub(super) fn changing(cache: Option<&Self>, owner: OwnerKey) -> Changing<'_> {
        Changing(cache.map(|cache| (cache, owner)))
    }

    /// Notes activity that the store has noted.
    pub(super) fn touch(&self, owner: OwnerKey, key: SessionKey, id: SessionId, at: Timestamp) {
        self.kept.change(key.as_u128(), &(owner, key), |record| {
            record.touch(id, at);
        });
    }

    /// When a session was last active, as far as the store has been told, and if it is here.
    pub(super) fn noted_at(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (record, _) = self.get(owner, key, now)?;
        (record.id == id).then_some(record.active_at)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if let Some((cache, owner)) = self.0 {
            cache.forget(owner);
        }
    }
}
