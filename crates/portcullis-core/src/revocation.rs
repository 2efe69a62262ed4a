//! What a store of revocations owes.

use std::{future::Future, sync::Arc};

use crate::{Check, StoreError, Timestamp, hash::hashes};

hashes! {
    /// What a cut-off is kept under: a keyed hash of a
    /// [`RevocationKey`](crate::RevocationKey). Neither an issuer nor a subject nor the id of a
    /// token can be read out of it.
    RevokedKey;
}

/// Keeps cut-offs: under a key, everything that was issued no later than a point in time is
/// over.
///
/// A store keeps and finds them, and decides nothing: what the time of a credential is, and
/// what becomes of one that says none, is decided by `portcullis`. It is asked for every
/// request whose credential is good, so most of all it should be quick: first whether it
/// [is empty](Self::is_empty), then, with all keys of the credential at once, by
/// [`check`](Self::check), and only where that cannot say, by [`look`](Self::look).
///
/// An error is answered with 503: a store that cannot say is never taken for one in which
/// nothing is revoked. After an error, a cut-off may have been written or not.
///
/// The keys are hashes with the key of the layer that asks. What is kept is of use to another
/// layer, after a restart or on another server, only if both have the same one:
/// `with_revocation_key`.
///
/// The macro `revocation_store_contract!` of `portcullis-testing` proves a store.
///
/// # Example
///
/// One that is correct, and keeps everything for ever:
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
/// use portcullis_core::{RevocationStore, RevokedKey, StoreError, Timestamp};
///
/// #[derive(Default)]
/// struct Plain(Mutex<HashMap<RevokedKey, Timestamp>>);
///
/// impl RevocationStore for Plain {
///     async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
///         let all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         Ok(keys.iter().filter_map(|key| all.get(key)).max().copied())
///     }
///
///     async fn revoke(
///         &self, key: RevokedKey, cut_off: Timestamp, _kept_until: Timestamp, _now: Timestamp,
///     ) -> Result<(), StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         let kept = all.entry(key).or_insert(cut_off);
///         *kept = cut_off.max(*kept);
///         Ok(())
///     }
/// }
/// ```
pub trait RevocationStore: Send + Sync + 'static {
    /// Whether it is known at once that there is no cut-off, and that none has been
    /// [forgotten](Self::forgotten). Then no key is even made.
    ///
    /// A store that cannot know leaves this as it is.
    fn is_empty(&self) -> bool {
        false
    }

    /// The latest cut-off under any of the keys, if that can be said at once.
    fn check(&self, keys: &[RevokedKey]) -> Check<Option<Timestamp>> {
        let _ = keys;
        Check::NeedsIo
    }

    /// The latest cut-off under any of the keys. Called only after [`check`](Self::check)
    /// answered [`Check::NeedsIo`].
    ///
    /// # Errors
    ///
    /// The store cannot say.
    fn look(
        &self,
        keys: &[RevokedKey],
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;

    /// Keeps a cut-off under a key, at least until the time that is given. Of several under one
    /// key the latest counts, and is kept until the latest of their times.
    ///
    /// A cut-off at [`Timestamp::MAX`] is one that nothing is later than: that of a single
    /// credential. A store never forgets it before its time. Any other it may forget to make
    /// room, if it says so by [`forgotten`](Self::forgotten) before it does.
    ///
    /// `now` is the time by which a store that has to make room tells what need not be kept any
    /// longer.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did, or has no room.
    fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The latest cut-off among all that the store has forgotten before their time, or that it
    /// cannot know to have held. Whatever was issued no later than that may have been revoked,
    /// so all of it is over. It is asked for after the keys.
    ///
    /// A store that forgets nothing leaves this as it is.
    fn forgotten(&self) -> Option<Timestamp> {
        None
    }

    /// Whether what it keeps ends with this process, and is seen by no other. Any other store
    /// needs keys that others make as well, so a layer that has been given none is not built.
    fn is_volatile(&self) -> bool {
        false
    }
}

/// A store that several layers share. They need one key.
impl<S: RevocationStore> RevocationStore for Arc<S> {
    fn is_empty(&self) -> bool {
        S::is_empty(self)
    }

    fn check(&self, keys: &[RevokedKey]) -> Check<Option<Timestamp>> {
        S::check(self, keys)
    }

    fn look(
        &self,
        keys: &[RevokedKey],
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send {
        S::look(self, keys)
    }

    fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::revoke(self, key, cut_off, kept_until, now)
    }

    fn forgotten(&self) -> Option<Timestamp> {
        S::forgotten(self)
    }

    /// `false`: whoever shares a store has others see what is in it.
    fn is_volatile(&self) -> bool {
        false
    }
}
