//! One thing in each store, and whether it is still there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis_core::{
    Change, Check, Commit, EndReason, EvidenceKind, FamilyKey, OwnerKey, ReplayKey, ReplayOwner,
    ReplayStore as _, Revision, RevocationStore as _, RevokedKey, SessionId, SessionKey,
    SessionRecord, SessionState, SessionStore as _, Taken, Timestamp,
    api_keys::{ApiKeyStore as _, Grant, KeyHash, StoredKey},
};
use portcullis_store_redb::Redb;
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::folder::TestFolder;

pub(crate) const START: Timestamp = VirtualClock::START;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const OWNER: OwnerKey = OwnerKey::from_u128(1);
const REVOKED: RevokedKey = RevokedKey::from_u128(2);
const USER: ReplayOwner = ReplayOwner::from_u128(3);
pub(crate) const KEY_ID: &str = "key000000000001";

/// A place for a file.
pub(crate) fn place(folder: &TestFolder) -> PathBuf {
    folder.make();
    folder.path().join("store.redb")
}

/// A session that lives, and one that was ended.
pub(crate) fn records() -> [SessionRecord; 2] {
    [1, 2].map(|number| {
        let mut record = SessionRecord::new(
            SessionKey::from_u128(number),
            FamilyKey::from_u128(number),
            SessionId::from_u128(number),
            EvidenceKind::User,
            START,
            3600 * SECOND,
            START + 86_400 * SECOND,
        );
        if number == 2 {
            record.state = SessionState::Ended(START, EndReason::Revoked);
        }
        record
    })
}

/// Keeps one thing in each store.
pub(crate) async fn fill(redb: &Redb) {
    let changes = records().map(Change::Put).to_vec();
    let sessions = redb.sessions();
    let committed = sessions.commit(OWNER, Revision::default(), changes, START);
    assert_eq!(committed.await.unwrap(), Commit::Done);
    let revocations = redb.revocations();
    let revoked = revocations.revoke(REVOKED, START, START + 86_400 * SECOND, START);
    revoked.await.unwrap();
    assert_eq!(take(redb, 4).await, Taken::Fresh);
    let key = StoredKey::new(
        KEY_ID,
        KeyHash::from_bytes([1; 32]),
        Grant::for_user("alice"),
    );
    let put = redb.api_keys().put(key).await;
    assert_eq!(put.unwrap(), Commit::Done);
}

/// Uses a one-time credential.
pub(crate) async fn take(redb: &Redb, number: u128) -> Taken {
    let (key, until) = (ReplayKey::from_u128(number), START + 300 * SECOND);
    let taken = redb.replays().take(USER, key, until, START).await;
    taken.unwrap()
}

/// All is as [`fill`] has left it.
pub(crate) async fn assert_kept(redb: &Redb) {
    let sessions = redb.sessions().load(OWNER).await.unwrap();
    assert_eq!(sessions.revision.as_u64(), 1);
    assert_eq!(sessions.records, records());
    assert_eq!(redb.sessions().forgotten(OWNER), None);
    let revocations = redb.revocations();
    assert!(!revocations.is_empty());
    let Check::Done(found) = revocations.check(&[REVOKED]) else {
        unreachable!("revocations are in memory")
    };
    assert_eq!(found, Some(START));
    assert_eq!(revocations.forgotten(), None);
    assert_eq!(take(redb, 4).await, Taken::Seen);
    let found = redb.api_keys().load(KEY_ID).await.unwrap();
    let revision = found.map(|key| (key.revision(), key.last_used_at()));
    assert_eq!(revision, Some((Revision::from_u64(1), None)));
    let listed = redb.api_keys().list("alice", None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
}

/// A file in which [`fill`] has kept something, closed in good order.
pub(crate) async fn filled(path: &Path) {
    let redb = Redb::open(path).unwrap();
    fill(&redb).await;
    assert_kept(&redb).await;
}
