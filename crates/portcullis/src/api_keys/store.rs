//! Where keys are kept, behind one object-safe face.

use std::{future::Future, pin::Pin, sync::Arc};

use portcullis_core::{
    Check, Commit, Revision, StoreError, Timestamp,
    api_keys::{ApiKeyStore, StoredKey},
};

pub(super) type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// [`ApiKeyStore`] behind `dyn`.
pub(super) trait DynApiKeyStore: Send + Sync + 'static {
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>>;
    fn load<'a>(&'a self, id: &'a str) -> Asking<'a, Option<Arc<StoredKey>>>;
    fn list<'a>(
        &'a self,
        owner: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Asking<'a, Vec<StoredKey>>;
    fn put(&self, key: StoredKey) -> Asking<'_, Commit>;
    fn remove<'a>(&'a self, id: &'a str, expected: Revision) -> Asking<'a, Commit>;
    fn touch_now(&self, id: &str, at: Timestamp) -> Check<()>;
    fn touch<'a>(&'a self, id: &'a str, at: Timestamp) -> Asking<'a, ()>;
}

impl<S: ApiKeyStore> DynApiKeyStore for S {
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>> {
        ApiKeyStore::check(self, id)
    }

    fn load<'a>(&'a self, id: &'a str) -> Asking<'a, Option<Arc<StoredKey>>> {
        Box::pin(ApiKeyStore::load(self, id))
    }

    fn list<'a>(
        &'a self,
        owner: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Asking<'a, Vec<StoredKey>> {
        Box::pin(ApiKeyStore::list(self, owner, after, limit))
    }

    fn put(&self, key: StoredKey) -> Asking<'_, Commit> {
        Box::pin(ApiKeyStore::put(self, key))
    }

    fn remove<'a>(&'a self, id: &'a str, expected: Revision) -> Asking<'a, Commit> {
        Box::pin(ApiKeyStore::remove(self, id, expected))
    }

    fn touch_now(&self, id: &str, at: Timestamp) -> Check<()> {
        ApiKeyStore::touch_now(self, id, at)
    }

    fn touch<'a>(&'a self, id: &'a str, at: Timestamp) -> Asking<'a, ()> {
        Box::pin(ApiKeyStore::touch(self, id, at))
    }
}
