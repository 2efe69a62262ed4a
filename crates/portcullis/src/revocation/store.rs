//! Stores of revocations behind one object-safe face.

use std::{future::Future, pin::Pin};

use portcullis_core::{Check, RevocationStore, RevokedKey, StoreError, Timestamp};

type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The object-safe twin of [`RevocationStore`], whose own async methods return opaque futures.
pub(crate) trait AnyRevocationStore: Send + Sync + 'static {
    fn is_empty(&self) -> bool;
    fn check(&self, keys: &[RevokedKey]) -> Check<Option<Timestamp>>;
    fn look<'a>(&'a self, keys: &'a [RevokedKey]) -> Asking<'a, Option<Timestamp>>;
    fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Asking<'_, ()>;
    fn forgotten(&self) -> Option<Timestamp>;
    fn is_volatile(&self) -> bool;
}

impl<S: RevocationStore> AnyRevocationStore for S {
    fn is_empty(&self) -> bool {
        RevocationStore::is_empty(self)
    }

    fn check(&self, keys: &[RevokedKey]) -> Check<Option<Timestamp>> {
        RevocationStore::check(self, keys)
    }

    fn look<'a>(&'a self, keys: &'a [RevokedKey]) -> Asking<'a, Option<Timestamp>> {
        Box::pin(RevocationStore::look(self, keys))
    }

    fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Asking<'_, ()> {
        Box::pin(RevocationStore::revoke(self, key, cut_off, kept_until, now))
    }

    fn forgotten(&self) -> Option<Timestamp> {
        RevocationStore::forgotten(self)
    }

    fn is_volatile(&self) -> bool {
        RevocationStore::is_volatile(self)
    }
}
