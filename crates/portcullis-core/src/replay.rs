//! What a store of one-time credentials owes.

use std::future::Future;

use crate::{Check, StoreError, Timestamp, hash::hashes};

hashes! {
    /// What one use is kept under: a keyed hash of whatever makes a credential one of a kind,
    /// such as the id of a proof (`jti`, RFC 9449 §11.1).
    ReplayKey;
    /// Whose credential it is: a keyed hash of issuer and subject, who could make more of them.
    /// Not that of a key, of which one subject can have any number. Nobody can take up more room
    /// than a store gives to one owner.
    ReplayOwner;
}

/// Remembers one-time credentials that have been used, so that none is used twice.
///
/// An authenticator of such credentials takes each one: after everything else about it has
/// been checked, so that nobody uses up another's by a bad copy; [`take_now`](Self::take_now)
/// first, and [`take`](Self::take) only where that cannot say. Only [`Taken::Fresh`] is a pass.
/// [`Taken::Seen`] is a bad credential; [`Taken::Full`] and an error are answered with 503.
///
/// The authenticator makes the keys: hashes with a key of its own, so that the store learns
/// nothing and nobody can choose where things lie. It also bounds how far ahead a credential
/// may end, or a stranger could have one kept for ever.
///
/// The macro `replay_store_contract!` of `portcullis-testing` proves a store.
///
/// # Example
///
/// One that is correct, and keeps everything for ever:
///
/// ```
/// use std::{collections::HashSet, sync::Mutex};
/// use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};
///
/// #[derive(Default)]
/// struct Plain(Mutex<HashSet<(ReplayOwner, ReplayKey)>>);
///
/// impl ReplayStore for Plain {
///     async fn take(
///         &self, owner: ReplayOwner, key: ReplayKey, _until: Timestamp, _now: Timestamp,
///     ) -> Result<Taken, StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         Ok(if all.insert((owner, key)) { Taken::Fresh } else { Taken::Seen })
///     }
/// }
/// ```
pub trait ReplayStore: Send + Sync + 'static {
    /// Takes a credential at once, if that can be done: what [`take`](Self::take) does.
    fn take_now(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Check<Taken> {
        let _ = (owner, key, until, now);
        Check::NeedsIo
    }

    /// Takes a credential that ends at `until`: of all that take the same one of the same
    /// owner, also at the same time, one is told that it is fresh. Called only after
    /// [`take_now`](Self::take_now) answered [`Check::NeedsIo`].
    ///
    /// It is remembered at least until then, whatever else is taken. A store that is full says
    /// so, and forgets nothing that still counts. `now` is the time by which it tells what does
    /// not: a clock that runs ahead and is set back would have something used twice.
    ///
    /// # Errors
    ///
    /// The store cannot say. The credential may have been taken.
    fn take(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Taken, StoreError>> + Send;

    /// Whether what is kept ends with the process, and is seen by nobody else. One that is there
    /// after a restart, or on another server, needs a key by which the authenticators find the same:
    /// without one the settings are an error.
    ///
    /// `false`, unless a store says otherwise.
    fn is_volatile(&self) -> bool {
        false
    }
}

/// What became of an attempt to take a credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
#[non_exhaustive]
pub enum Taken {
    /// It had not been used, and now is.
    Fresh,
    /// There is no room to remember it, so it cannot be used.
    Full,
    /// It has been used before.
    Seen,
}
