//! Stores that are far away: each question takes its time, and is counted.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{
    Change, Check, Clock, Commit, OwnerKey, Revision, RevocationStore, RevokedKey, SessionId,
    SessionKey, SessionRecord, SessionStore, Sessions, StoreError, Timestamp,
};

/// A store of sessions or revocations that is far away: it never answers at once, each question takes
/// a round trip by a clock, and is counted. Otherwise it does what the one inside it does. Clones are
/// the same store.
///
/// What is asked takes effect half-way, as on the wire: whoever stops waiting for the answer may have
/// changed something.
///
/// # Example
///
/// With a [`VirtualClock`](crate::clock::VirtualClock), a question is answered when the test says so:
///
/// ```
/// use std::time::Duration;
/// use portcullis_core::{OwnerKey, SessionStore as _};
/// use portcullis::session::MemorySessions;
/// use portcullis_testing::{clock::VirtualClock, far_store::FarStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = VirtualClock::new();
/// let store = FarStore::new(MemorySessions::default(), clock.clone(), Duration::from_millis(10));
/// let asked = store.clone();
/// let loading = tokio::spawn(async move { asked.load(OwnerKey::from_u128(1)).await });
/// for _ in 0..2 {
///     clock.wait_for_timers(1).await;
///     clock.advance(Duration::from_millis(5));
/// }
/// assert!(loading.await.is_ok());
/// assert_eq!(store.asked(), 1);
/// # }
/// ```
pub struct FarStore<S>(Arc<Inner<S>>);

struct Inner<S> {
    store: S,
    clock: Arc<dyn Clock>,
    half: Duration,
    asked: AtomicU64,
    touched: AtomicU64,
}

impl<S> FarStore<S> {
    /// A store at the other end of a way that takes so long, there and back.
    #[must_use]
    pub fn new(store: S, clock: impl Clock, round_trip: Duration) -> Self {
        Self(Arc::new(Inner {
            store,
            clock: Arc::new(clock),
            half: round_trip / 2,
            asked: AtomicU64::new(0),
            touched: AtomicU64::new(0),
        }))
    }

    /// How many questions it was asked, touches not included.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// How often it was told of activity.
    #[must_use]
    pub fn touched(&self) -> u64 {
        self.0.touched.load(Ordering::Relaxed)
    }

    /// The store inside.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.0.store
    }

    async fn way(&self) {
        if !self.0.half.is_zero() {
            let clock = &self.0.clock;
            clock.sleep_until(clock.instant() + self.0.half).await;
        }
    }

    /// Counts a question, and gets there.
    async fn go(&self) -> &S {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        self.way().await;
        &self.0.store
    }
}

impl<S> Clone for FarStore<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for FarStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FarStore")
            .field("asked", &self.asked())
            .field("touched", &self.touched())
            .finish_non_exhaustive()
    }
}

impl<S: SessionStore> SessionStore for FarStore<S> {
    fn check(&self, _owner: OwnerKey, _key: SessionKey) -> Check<Option<SessionRecord>> {
        Check::NeedsIo
    }

    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let answer = self.go().await.load(owner).await;
        self.way().await;
        answer
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let answer = self.go().await.commit(owner, expected, changes, now).await;
        self.way().await;
        answer
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.touched.fetch_add(1, Ordering::Relaxed);
        self.way().await;
        let answer = self.0.store.touch(owner, key, id, at).await;
        self.way().await;
        answer
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        self.0.store.forgotten(owner)
    }

    fn is_volatile(&self) -> bool {
        self.0.store.is_volatile()
    }
}

impl<S: RevocationStore> RevocationStore for FarStore<S> {
    async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
        let store = self.go().await;
        let answer = match store.check(keys) {
            Check::Done(found) => Ok(found),
            Check::NeedsIo => store.look(keys).await,
        };
        self.way().await;
        answer
    }

    async fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let store = self.go().await;
        let answer = store.revoke(key, cut_off, kept_until, now).await;
        self.way().await;
        answer
    }

    fn forgotten(&self) -> Option<Timestamp> {
        self.0.store.forgotten()
    }

    fn is_volatile(&self) -> bool {
        self.0.store.is_volatile()
    }
}
