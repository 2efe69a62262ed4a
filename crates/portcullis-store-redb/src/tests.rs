//! The stores, as they are inside.

mod bounds;
mod layout;
mod writing;

use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use portcullis_core::{
    Change, Commit, EvidenceKind, FamilyKey, OwnerKey, SessionId, SessionKey, SessionRecord,
    SessionStore as _, Timestamp,
};

use crate::Redb;

const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("portcullis-redb-{}-{n}", process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

const fn owner(number: u128) -> OwnerKey {
    OwnerKey::from_u128(number)
}

fn record(number: u128) -> SessionRecord {
    SessionRecord::new(
        SessionKey::from_u128(number),
        FamilyKey::from_u128(number),
        SessionId::from_u128(number),
        EvidenceKind::User,
        START,
        3600 * SECOND,
        START + DAY,
    )
}

async fn put(redb: &Redb, of: u128, record: SessionRecord, now: Timestamp) -> Commit {
    let sessions = redb.sessions();
    let revision = sessions.load(owner(of)).await.unwrap().revision;
    let changes = vec![Change::Put(record)];
    let put = sessions.commit(owner(of), revision, changes, now).await;
    put.unwrap()
}

/// Whether a session is found of an owner.
async fn is_there(redb: &Redb, of: u128) -> bool {
    let found = redb.sessions().load(owner(of)).await.unwrap();
    !found.records.is_empty()
}
