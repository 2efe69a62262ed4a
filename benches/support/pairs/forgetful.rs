//! A store of sessions that says that it has forgotten some.

use std::sync::OnceLock;

use portcullis::{
    Check, Timestamp,
    session::{
        Change, Commit, MemorySessions, OwnerKey, Revision, SessionId, SessionKey, SessionRecord,
        SessionStore, Sessions, StoreError,
    },
};

/// Sessions in memory. From a moment on it says of everybody that they may have been forgotten.
#[derive(Default)]
pub(super) struct Forgetful {
    store: MemorySessions,
    pub(super) forgotten: OnceLock<Timestamp>,
}

impl SessionStore for Forgetful {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        self.store.check(owner, key)
    }

    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        self.store.load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
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
        self.store.touch(owner, key, id, at).await
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        let own = self.store.forgotten(owner);
        own.max(self.forgotten.get().copied())
    }

    fn is_volatile(&self) -> bool {
        true
    }
}
