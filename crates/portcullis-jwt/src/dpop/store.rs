//! Where it is kept which proofs have been used, behind one object-safe face.

use std::{future::Future, pin::Pin};

use portcullis_core::{Check, ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};

type Taking<'a> = Pin<Box<dyn Future<Output = Result<Taken, StoreError>> + Send + 'a>>;

/// One use of a proof.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    pub(crate) owner: ReplayOwner,
    pub(crate) key: ReplayKey,
    pub(crate) until: Timestamp,
    pub(crate) now: Timestamp,
}

/// [`ReplayStore`] behind `dyn`.
pub(crate) trait DynReplayStore: Send + Sync + 'static {
    fn take_now(&self, one: Use) -> Check<Taken>;
    fn take(&self, one: Use) -> Taking<'_>;
    fn is_volatile(&self) -> bool;
}

impl<S: ReplayStore> DynReplayStore for S {
    fn take_now(&self, one: Use) -> Check<Taken> {
        ReplayStore::take_now(self, one.owner, one.key, one.until, one.now)
    }

    fn take(&self, one: Use) -> Taking<'_> {
        Box::pin(ReplayStore::take(
            self, one.owner, one.key, one.until, one.now,
        ))
    }

    fn is_volatile(&self) -> bool {
        ReplayStore::is_volatile(self)
    }
}
