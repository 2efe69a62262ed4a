//! API keys: a row for each, and all of them in memory.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use portcullis_core::{
    Check, Commit, Revision, StoreError, Timestamp,
    api_keys::{ApiKeyStore, StoredKey},
};
use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use crate::{
    batch::{Batch, News},
    problem::Failure,
    stores::Open,
    tables::{API_KEYS, damaged},
};

/// A store of API keys. Clones are the same store.
///
/// All of them are in memory as well, so every question is answered at once. Whatever changes one
/// waits for the disk, also that it was used: a registry says so once in a while for each key.
///
/// It is had of [`Redb::api_keys`](crate::Redb::api_keys).
#[derive(Clone)]
pub struct RedbApiKeys(pub(crate) Arc<Open>);

impl ApiKeyStore for RedbApiKeys {
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>> {
        Check::Done(self.0.0.api_keys.find(id))
    }

    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        Ok(self.0.0.api_keys.find(id))
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        Ok(self.0.0.api_keys.list(owner, after, limit))
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        self.0.0.write(move |batch| put(batch, key)).await
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        let id: Box<str> = id.into();
        self.0
            .0
            .write(move |batch| remove(batch, id, expected))
            .await
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let id: Box<str> = id.into();
        self.0.0.write(move |batch| touch(batch, &id, at)).await
    }
}

impl fmt::Debug for RedbApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedbApiKeys").field(&self.0).finish()
    }
}

fn put(batch: &mut Batch<'_>, key: StoredKey) -> Result<Commit, Failure> {
    let kept = find(batch, key.id())?;
    let revision = kept.as_ref().map(StoredKey::revision).unwrap_or_default();
    if revision != key.revision() {
        return Ok(Commit::Conflict);
    }
    if kept.is_none() && batch.api_keys.len()? >= batch.limits.api_keys.into() {
        return Ok(Commit::Full);
    }
    let used_at = kept.and_then(|kept| kept.last_used_at());
    let used_at = used_at.max(key.last_used_at());
    let key = key.with_revision(revision.next());
    write(
        batch,
        match used_at {
            Some(at) => key.with_last_used_at(at),
            None => key,
        },
    )?;
    Ok(Commit::Done)
}

fn remove(batch: &mut Batch<'_>, id: Box<str>, expected: Revision) -> Result<Commit, Failure> {
    let kept = find(batch, &id)?;
    let revision = kept.as_ref().map(StoredKey::revision).unwrap_or_default();
    if revision != expected {
        return Ok(Commit::Conflict);
    }
    if kept.is_some() {
        batch.api_keys.remove(id.as_bytes())?;
        batch.tell(News::ApiKeyGone(id));
    }
    Ok(Commit::Done)
}

fn touch(batch: &mut Batch<'_>, id: &str, at: Timestamp) -> Result<(), Failure> {
    if let Some(kept) = find(batch, id)?
        && kept.last_used_at() < Some(at)
    {
        write(batch, kept.with_last_used_at(at))?;
    }
    Ok(())
}

fn find(batch: &Batch<'_>, id: &str) -> Result<Option<StoredKey>, Failure> {
    let Some(row) = batch.api_keys.get(id.as_bytes())? else {
        return Ok(None);
    };
    Ok(Some(read(id.as_bytes(), row.value())?))
}

fn write(batch: &mut Batch<'_>, key: StoredKey) -> Result<(), Failure> {
    batch
        .api_keys
        .insert(key.id().as_bytes(), &*key.to_bytes())?;
    batch.tell(News::ApiKey(Arc::new(key)));
    Ok(())
}

fn read(id: &[u8], row: &[u8]) -> Result<StoredKey, StoreError> {
    let key = StoredKey::from_bytes(row)?;
    match key.id().as_bytes() == id {
        true => Ok(key),
        false => Err(damaged("an api key")),
    }
}

/// The keys, in memory.
#[derive(Default)]
pub(crate) struct KnownKeys(RwLock<Keys>);

#[derive(Default)]
struct Keys {
    by_id: HashMap<Box<str>, Arc<StoredKey>>,
    /// The ids of each owner, in order.
    by_owner: HashMap<Box<str>, BTreeSet<Box<str>>>,
}

impl KnownKeys {
    pub(crate) fn learn(&self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let mut keys = Keys::default();
        for row in transaction.open_table(API_KEYS)?.iter()? {
            let (id, row) = row?;
            keys.put(Arc::new(read(id.value(), row.value())?));
        }
        *self.write() = keys;
        Ok(())
    }

    pub(crate) fn put(&self, key: Arc<StoredKey>) {
        self.write().put(key);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.write().remove(id);
    }

    fn find(&self, id: &str) -> Option<Arc<StoredKey>> {
        self.read().by_id.get(id).cloned()
    }

    fn list(&self, owner: &str, after: Option<&str>, limit: usize) -> Vec<StoredKey> {
        let keys = self.read();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = keys.by_owner.get(owner).into_iter();
        let ids = ids.flat_map(|ids| ids.range::<str, _>((start, Bound::Unbounded)));
        let found = ids.filter_map(|id| keys.by_id.get(id)).take(limit);
        found.map(|key| StoredKey::clone(key)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        // What the lock protects is whole between any two statements.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn put(&mut self, key: Arc<StoredKey>) {
        self.remove(key.id());
        let (id, owner) = (key.id().into(), key.grant().subject().as_ref().into());
        self.by_owner.entry(owner).or_default().insert(id);
        self.by_id.insert(key.id().into(), key);
    }

    fn remove(&mut self, id: &str) {
        let Some(key) = self.by_id.remove(id) else {
            return;
        };
        let owner = key.grant().subject();
        if let Some(ids) = self.by_owner.get_mut(owner.as_ref()) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_owner.remove(owner.as_ref());
            }
        }
    }
}
