//! A store of sessions that keeps bytes, and that somebody else can read and write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portcullis::{
    Timestamp,
    session::{
        Change, Commit, OwnerKey, Revision, SessionId, SessionKey, SessionStore, Sessions,
        StoreError,
    },
};

type Rows = HashMap<OwnerKey, Vec<u8>>;

/// Keeps the sessions of each owner as bytes, as a store of keys and values does, and says that it
/// outlasts the process. A clone is a handle on the same.
#[derive(Clone, Debug, Default)]
pub struct KeptBytes(Arc<Mutex<Rows>>);

impl KeptBytes {
    /// What is kept, by owner, in no order: a dump.
    #[must_use]
    pub fn rows(&self) -> Vec<(OwnerKey, Vec<u8>)> {
        self.lock()
            .iter()
            .map(|(owner, bytes)| (*owner, bytes.clone()))
            .collect()
    }

    /// Writes what somebody likes.
    pub fn write(&self, owner: OwnerKey, bytes: Vec<u8>) {
        self.lock().insert(owner, bytes);
    }

    /// Changes what is kept, as somebody would who knows its layout.
    pub fn edit(&self, owner: OwnerKey, change: impl FnOnce(&mut Sessions)) {
        let mut rows = self.lock();
        if let Ok(mut sessions) = read(&rows, owner) {
            change(&mut sessions);
            rows.insert(owner, sessions.to_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for KeptBytes {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        read(&self.lock(), owner)
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        _now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let mut rows = self.lock();
        let mut sessions = read(&rows, owner)?;
        let outcome = sessions.commit(expected, changes);
        rows.insert(owner, sessions.to_bytes());
        Ok(outcome)
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut rows = self.lock();
        let mut sessions = read(&rows, owner)?;
        let begins = sessions.touch(key, id, at);
        rows.insert(owner, sessions.to_bytes());
        Ok(begins)
    }
}

fn read(rows: &Rows, owner: OwnerKey) -> Result<Sessions, StoreError> {
    let Some(bytes) = rows.get(&owner) else {
        return Ok(Sessions::default());
    };
    Ok(Sessions::from_bytes(bytes)?)
}
