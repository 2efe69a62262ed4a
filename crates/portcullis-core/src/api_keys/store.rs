//! What a store of API keys owes.

use std::{future::Future, sync::Arc};

use super::StoredKey;
use crate::{Check, Commit, Revision, StoreError, Timestamp};

/// Keeps API keys by their public id: issued, listed, rotated and revoked by the `KeyRegistry` of
/// `portcullis`, and looked up for every request that comes with one.
///
/// A store keeps and finds them, and decides nothing. What it has to get right is
/// [`put`](Self::put): a key is changed only if nobody else has changed it since it was read, so
/// that a rotation never brings back what was revoked meanwhile. What `put` and
/// [`remove`](Self::remove) have answered holds for the next question, on every server.
///
/// A store that has its keys in memory answers [`check`](Self::check) and
/// [`touch_now`](Self::touch_now) at once. One that asks a server leaves them as they are.
///
/// An error is answered with 503: a store that cannot say is never taken for one that does not
/// have the key. After an error, a key may have been changed or not; not by half.
///
/// Ids and owners come from strangers: they are values, never parts of a query. An id that is
/// asked for is 15 letters and digits, upper and lower case told apart.
///
/// A store of keys and values keeps each key as one value ([`StoredKey::to_bytes`]). Whatever it
/// cannot read again is an error, never nothing.
///
/// The macro `api_key_store_contract!` of `portcullis-testing` proves a store.
///
/// # Example
///
/// One that is correct, and keeps everything for ever:
///
/// ```
/// use std::{collections::BTreeMap, ops::Bound, sync::{Arc, Mutex}};
/// use portcullis_core::{Commit, Revision, StoreError, Timestamp};
/// use portcullis_core::api_keys::{ApiKeyStore, StoredKey};
///
/// #[derive(Default)]
/// struct Plain(Mutex<BTreeMap<String, StoredKey>>);
///
/// impl ApiKeyStore for Plain {
///     async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
///         let all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         Ok(all.get(id).cloned().map(Arc::new))
///     }
///
///     async fn list(
///         &self, owner: &str, after: Option<&str>, limit: usize,
///     ) -> Result<Vec<StoredKey>, StoreError> {
///         let all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         let start = after.map_or(Bound::Unbounded, Bound::Excluded);
///         let rest = all.range::<str, _>((start, Bound::Unbounded)).map(|(_, key)| key);
///         let his = rest.filter(|key| key.grant().subject() == owner);
///         Ok(his.take(limit).cloned().collect())
///     }
///
///     async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         let kept = all.get(key.id());
///         if kept.map(StoredKey::revision).unwrap_or_default() != key.revision() {
///             return Ok(Commit::Conflict);
///         }
///         let used = kept.and_then(StoredKey::last_used_at).max(key.last_used_at());
///         let next = key.revision().next();
///         let mut key = key.with_revision(next);
///         if let Some(time) = used {
///             key = key.with_last_used_at(time);
///         }
///         all.insert(key.id().to_owned(), key);
///         Ok(Commit::Done)
///     }
///
///     async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         if all.get(id).map(StoredKey::revision).unwrap_or_default() != expected {
///             return Ok(Commit::Conflict);
///         }
///         all.remove(id);
///         Ok(Commit::Done)
///     }
///
///     async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         if let Some(key) = all.get_mut(id) {
///             let later = key.last_used_at().map_or(at, |before| before.max(at));
///             *key = key.clone().with_last_used_at(later);
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait ApiKeyStore: Send + Sync + 'static {
    /// The key with this id, if that can be said at once. When it was last used need not be up
    /// to date here.
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>> {
        let _ = id;
        Check::NeedsIo
    }

    /// The key with this id, those that are revoked or over included.
    ///
    /// # Errors
    ///
    /// The store cannot say.
    fn load(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Arc<StoredKey>>, StoreError>> + Send;

    /// The keys whose [subject](super::Grant::subject) is `owner`, those that are revoked or
    /// over included, in the order of the bytes of their ids: those behind the id `after`, and
    /// of them the first `limit`. Nobody need have the id `after` any more.
    ///
    /// # Errors
    ///
    /// The store cannot say.
    fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StoredKey>, StoreError>> + Send;

    /// Keeps a key under its id, if what is kept there has the revision that the key says, and
    /// there is nothing if that is the default; otherwise nothing is changed. The revision then
    /// is the [next](Revision::next) one.
    ///
    /// Of two times of last use, the later stays.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did.
    fn put(&self, key: StoredKey) -> impl Future<Output = Result<Commit, StoreError>> + Send;

    /// Forgets a key, if it has this revision.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did.
    fn remove(
        &self,
        id: &str,
        expected: Revision,
    ) -> impl Future<Output = Result<Commit, StoreError>> + Send;

    /// Notes a use at once, if that can be done: what [`touch`](Self::touch) does.
    fn touch_now(&self, id: &str, at: Timestamp) -> Check<()> {
        let _ = (id, at);
        Check::NeedsIo
    }

    /// Notes that a key was used. The revision stays, a later time stays, and a key that is not
    /// there is no error. It is called once in a while for each key, not for each request.
    ///
    /// A touch that gets lost costs no more than a time of last use. But one that has read a key
    /// before it is changed, and writes it after that, would take the change back: perhaps a
    /// revocation. So the two exclude each other.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did.
    fn touch(&self, id: &str, at: Timestamp)
    -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A store that several registries share. They need one prefix, and one pepper.
impl<S: ApiKeyStore> ApiKeyStore for Arc<S> {
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>> {
        S::check(self, id)
    }

    fn load(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Arc<StoredKey>>, StoreError>> + Send {
        S::load(self, id)
    }

    fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StoredKey>, StoreError>> + Send {
        S::list(self, owner, after, limit)
    }

    fn put(&self, key: StoredKey) -> impl Future<Output = Result<Commit, StoreError>> + Send {
        S::put(self, key)
    }

    fn remove(
        &self,
        id: &str,
        expected: Revision,
    ) -> impl Future<Output = Result<Commit, StoreError>> + Send {
        S::remove(self, id, expected)
    }

    fn touch_now(&self, id: &str, at: Timestamp) -> Check<()> {
        S::touch_now(self, id, at)
    }

    fn touch(
        &self,
        id: &str,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::touch(self, id, at)
    }
}
