//! A store that knows nothing of keys but their bytes, as one column of a database does.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex},
};

use portcullis::{
    Timestamp,
    api_keys::{ApiKeyStore, Commit, Revision, StoreError, StoredKey},
};

/// Bytes under ids.
#[derive(Default)]
pub(crate) struct Table(Mutex<BTreeMap<String, Vec<u8>>>);

impl Table {
    fn read(bytes: Option<&Vec<u8>>) -> Result<Option<StoredKey>, StoreError> {
        let key = bytes.map(|bytes| StoredKey::from_bytes(bytes)).transpose();
        key.map_err(StoreError::from)
    }
}

impl ApiKeyStore for Table {
    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        let found = Self::read(self.0.lock().unwrap().get(id))?;
        Ok(found.map(Arc::new))
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let table = self.0.lock().unwrap();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut listed = Vec::new();
        for (_, bytes) in table.range::<str, _>((start, Bound::Unbounded)) {
            let key = StoredKey::from_bytes(bytes)?;
            if listed.len() < limit && key.grant().subject() == owner {
                listed.push(key);
            }
        }
        Ok(listed)
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        let mut table = self.0.lock().unwrap();
        let kept = Self::read(table.get(key.id()))?;
        let revision = kept.as_ref().map(StoredKey::revision).unwrap_or_default();
        if revision != key.revision() {
            return Ok(Commit::Conflict);
        }
        let used = kept.as_ref().and_then(StoredKey::last_used_at);
        let mut key = key.with_revision(revision.next());
        if let Some(time) = used.max(key.last_used_at()) {
            key = key.with_last_used_at(time);
        }
        table.insert(key.id().to_owned(), key.to_bytes());
        Ok(Commit::Done)
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        let mut table = self.0.lock().unwrap();
        let kept = Self::read(table.get(id))?;
        let revision = kept.as_ref().map(StoredKey::revision).unwrap_or_default();
        if revision != expected {
            return Ok(Commit::Conflict);
        }
        table.remove(id);
        Ok(Commit::Done)
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut table = self.0.lock().unwrap();
        if let Some(key) = Self::read(table.get(id))? {
            let later = key.last_used_at().map_or(at, |before| before.max(at));
            table.insert(id.to_owned(), key.with_last_used_at(later).to_bytes());
        }
        Ok(())
    }
}
