//! Session stores behind one object-safe face.

use std::{future::Future, pin::Pin, sync::Arc};

use portcullis_core::{
    Change, Check, Commit, OwnerKey, Revision, SessionId, SessionKey, SessionRecord, SessionStore,
    Sessions, StoreError, Timestamp,
};

type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The object-safe twin of [`SessionStore`], whose own async methods return opaque futures.
pub(super) trait AnySessionStore: Send + Sync + 'static {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>>;
    fn load(&self, owner: OwnerKey) -> Asking<'_, Sessions>;
    fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Asking<'_, Commit>;
    fn touch_now(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Check<bool>;
    fn touch(
        self: Arc<Self>,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Asking<'static, bool>;
    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp>;
    fn is_volatile(&self) -> bool;
}

impl<S: SessionStore> AnySessionStore for S {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        SessionStore::check(self, owner, key)
    }

    fn load(&self, owner: OwnerKey) -> Asking<'_, Sessions> {
        Box::pin(SessionStore::load(self, owner))
    }

    fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Asking<'_, Commit> {
        Box::pin(SessionStore::commit(self, owner, expected, changes, now))
    }

    fn touch_now(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Check<bool> {
        SessionStore::touch_now(self, owner, key, id, at)
    }

    fn touch(
        self: Arc<Self>,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Asking<'static, bool> {
        Box::pin(async move { SessionStore::touch(&*self, owner, key, id, at).await })
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        SessionStore::forgotten(self, owner)
    }

    fn is_volatile(&self) -> bool {
        SessionStore::is_volatile(self)
    }
}
