//! One store in several hands.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use portcullis_core::{
    Change, Charged, Check, Commit, OwnerKey, QuotaCharge, QuotaStore, Revision, SessionId,
    SessionKey, SessionRecord, SessionStore, Sessions, StoreError, Timestamp,
};

/// The methods of a store that hands on every question, but for whether it is volatile.
macro_rules! hand_on {
    ($this:ident => $store:expr) => {
        fn check(&$this, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
            $store.check(owner, key)
        }

        async fn load(&$this, owner: OwnerKey) -> Result<Sessions, StoreError> {
            $store.load(owner).await
        }

        async fn commit(
            &$this,
            owner: OwnerKey,
            expected: Revision,
            changes: Vec<Change>,
            now: Timestamp,
        ) -> Result<Commit, StoreError> {
            $store.commit(owner, expected, changes, now).await
        }

        fn touch_now(
            &$this,
            owner: OwnerKey,
            key: SessionKey,
            id: SessionId,
            at: Timestamp,
        ) -> Check<bool> {
            $store.touch_now(owner, key, id, at)
        }

        async fn touch(
            &$this,
            owner: OwnerKey,
            key: SessionKey,
            id: SessionId,
            at: Timestamp,
        ) -> Result<bool, StoreError> {
            $store.touch(owner, key, id, at).await
        }

        fn forgotten(&$this, owner: OwnerKey) -> Option<Timestamp> {
            $store.forgotten(owner)
        }
    };
}

/// The same, of a store of quotas.
macro_rules! hand_on_charges {
    ($this:ident => $store:expr) => {
        fn charge_now(&$this, charges: &[QuotaCharge], now: Timestamp) -> Check<Charged> {
            $store.charge_now(charges, now)
        }

        async fn charge(
            &$this,
            charges: &[QuotaCharge],
            now: Timestamp,
        ) -> Result<Charged, StoreError> {
            $store.charge(charges, now).await
        }
    };
}

/// A store, of sessions or of quotas, that is opened anew for each question: whatever it has not
/// kept where it keeps what it is told is gone.
///
/// # Example
///
/// ```
/// use portcullis::session::{MemorySessions, SessionStore};
/// use portcullis_testing::store_contract::Reopened;
///
/// let store = Reopened::new(MemorySessions::default); // forgets everything, of course
/// assert!(store.is_volatile());
/// ```
pub struct Reopened<F>(F);

impl<S, F: Fn() -> S + Send + Sync + 'static> Reopened<F> {
    /// By what opens it.
    pub fn new(open: F) -> Self {
        Self(open)
    }
}

impl<F> fmt::Debug for Reopened<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reopened").finish_non_exhaustive()
    }
}

impl<S: SessionStore, F: Fn() -> S + Send + Sync + 'static> SessionStore for Reopened<F> {
    hand_on!(self => (self.0)());

    fn is_volatile(&self) -> bool {
        (self.0)().is_volatile()
    }
}

impl<S: QuotaStore, F: Fn() -> S + Send + Sync + 'static> QuotaStore for Reopened<F> {
    hand_on_charges!(self => (self.0)());

    fn is_volatile(&self) -> bool {
        (self.0)().is_volatile()
    }
}

/// Two, of sessions or of quotas, that keep them in the same place, asked by turns, as two servers would: neither
/// may rely on what it has seen there itself.
///
/// # Example
///
/// ```
/// use portcullis::session::{MemorySessions, SessionStore};
/// use portcullis_testing::store_contract::ByTurns;
///
/// let store = ByTurns::new(MemorySessions::default(), MemorySessions::default());
/// assert!(store.is_volatile()); // and not the same place, of course
/// ```
#[derive(Debug)]
pub struct ByTurns<S> {
    one: S,
    other: S,
    asked: AtomicUsize,
}

impl<S> ByTurns<S> {
    /// By the two of them.
    pub fn new(one: S, other: S) -> Self {
        Self {
            one,
            other,
            asked: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> &S {
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            &self.one
        } else {
            &self.other
        }
    }
}

impl<S: SessionStore> SessionStore for ByTurns<S> {
    hand_on!(self => self.next());

    fn is_volatile(&self) -> bool {
        self.one.is_volatile() && self.other.is_volatile()
    }
}

impl<S: QuotaStore> QuotaStore for ByTurns<S> {
    hand_on_charges!(self => self.next());

    fn is_volatile(&self) -> bool {
        self.one.is_volatile() && self.other.is_volatile()
    }
}
