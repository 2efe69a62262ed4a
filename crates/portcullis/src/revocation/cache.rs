//! What a store has lately said of credentials.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use portcullis_core::{RevokedKey, Timestamp};

use crate::{
    cache::{Bounds, Current, Kept, Mark, Marks},
    signal::Signals,
    tasks::Tasks,
    time::Time,
};

/// What a store has lately said of credentials: the latest cut-off under all keys of one, which is
/// what it is asked for, or that there is none. It only lets in: whatever would be refused by it is
/// asked of the store.
pub(crate) struct RevocationCache {
    marks: Arc<Marks>,
    kept: Kept<Box<[RevokedKey]>, Option<Timestamp>>,
    current: Current,
    max_age: Duration,
}

impl RevocationCache {
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

    /// The mark of keys, to be taken before the store is asked.
    pub(super) fn mark(&self, keys: &[RevokedKey]) -> Mark {
        self.marks.of(keys.iter().map(|key| key.as_u128()))
    }

    /// What is known of a credential with these keys, if it still counts. `now` is steady time.
    pub(super) fn get(&self, keys: &[RevokedKey], now: Timestamp) -> Option<Option<Timestamp>> {
        // First: what the bus vouches for has changed the mark by then.
        if !self.current.is_at(now) {
            return None;
        }
        let mark = self.mark(keys);
        self.kept
            .get(bits(keys), keys, mark, now, self.max_age, |cut_off| {
                *cut_off
            })
    }

    /// Keeps what the store has said, with the mark from before it was asked, at `at`.
    pub(super) fn keep(
        &self,
        keys: &[RevokedKey],
        cut_off: Option<Timestamp>,
        mark: Mark,
        at: Timestamp,
    ) {
        self.kept.keep(bits(keys), keys.into(), cut_off, mark, at);
    }

    /// What is known of credentials with this key is of no use any more.
    pub(super) fn forget(&self, key: RevokedKey) {
        self.marks.change(key.as_u128());
    }
}

/// Where a credential is kept. Keys are hashes, and the list is compared as a whole.
fn bits(keys: &[RevokedKey]) -> u128 {
    let keys = keys.iter();
    keys.fold(0, |bits, key| bits.rotate_left(1) ^ key.as_u128())
}
