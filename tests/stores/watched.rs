//! A store of which a test knows when it has been told everything.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use portcullis::{
    Check, Timestamp,
    session::{
        Change, Commit, OwnerKey, Revision, SessionId, SessionKey, SessionRecord, SessionStore,
        Sessions, StoreError,
    },
};
use portcullis_tests::patience::{eventually, settle};

/// A store of sessions, and how much it is being told.
#[derive(Clone, Debug)]
pub(crate) struct Watched<S> {
    store: S,
    under_way: Arc<AtomicUsize>,
    owner: Arc<Mutex<Option<OwnerKey>>>,
}

/// Something that it is being told.
struct UnderWay<'a>(&'a AtomicUsize);

impl<S: SessionStore> Watched<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store,
            under_way: Arc::default(),
            owner: Arc::default(),
        }
    }

    /// Whatever tasks of this thread were to tell it has been told.
    pub(crate) async fn told(&self) {
        settle().await;
        eventually("the end of what is noted", || {
            self.under_way.load(Ordering::SeqCst) == 0
        })
        .await;
    }

    /// Whose sessions were changed last.
    pub(crate) fn owner(&self) -> Option<OwnerKey> {
        *self.owner.lock().unwrap()
    }

    fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(&self.under_way)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<S: SessionStore> SessionStore for Watched<S> {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        self.store.check(owner, key)
    }

    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let _under_way = self.begin();
        self.store.load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let _under_way = self.begin();
        *self.owner.lock().unwrap() = Some(owner);
        self.store.commit(owner, expected, changes, now).await
    }

    fn touch_now(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Check<bool> {
        self.store.touch_now(owner, key, id, at)
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let _under_way = self.begin();
        self.store.touch(owner, key, id, at).await
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        self.store.forgotten(owner)
    }

    fn is_volatile(&self) -> bool {
        self.store.is_volatile()
    }
}
