//! All stores of one database, and what is kept in each.

use std::time::Duration;

use portcullis::Timestamp;
use portcullis_core::{
    Change, Commit, EndReason, EvidenceKind, FamilyKey, OwnerKey, ReplayKey, ReplayOwner,
    ReplayStore as _, Revision, RevocationStore as _, RevokedKey, SessionId, SessionKey,
    SessionRecord, SessionState, SessionStore as _, Taken,
    api_keys::{ApiKeyStore as _, Grant, KeyHash, StoredKey},
};
use portcullis_store_postgres::Postgres;
use portcullis_testing::clock::VirtualClock;

pub(crate) const START: Timestamp = VirtualClock::START;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const OWNER: OwnerKey = OwnerKey::from_u128(1);
const REVOKED: RevokedKey = RevokedKey::from_u128(2);
const USER: ReplayOwner = ReplayOwner::from_u128(3);
const ID: &str = "key000000000001";
/// How long a one-time credential lasts.
const LASTS: Duration = Duration::from_secs(300);

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

fn key() -> StoredKey {
    StoredKey::new(ID, KeyHash::from_bytes([1; 32]), Grant::for_user("alice"))
}

/// Keeps one thing in each store.
pub(crate) async fn fill(postgres: &Postgres) {
    let changes = records().map(Change::Put).to_vec();
    let sessions = postgres.sessions();
    let committed = sessions.commit(OWNER, Revision::default(), changes, START);
    assert_eq!(committed.await.unwrap(), Commit::Done);
    let revocations = postgres.revocations();
    let revoked = revocations.revoke(REVOKED, START, START + 86_400 * SECOND, START);
    revoked.await.unwrap();
    assert_eq!(take(postgres, 4, START).await, Ok(Taken::Fresh));
    let put = postgres.api_keys().put(key()).await;
    assert_eq!(put.unwrap(), Commit::Done);
}

/// Uses a one-time credential that is made at `now`.
pub(crate) async fn take(
    postgres: &Postgres,
    number: u128,
    now: Timestamp,
) -> Result<Taken, String> {
    let key = ReplayKey::from_u128(number);
    let taken = postgres.replays().take(USER, key, now + LASTS, now).await;
    taken.map_err(|error| error.to_string())
}

/// All is as [`fill`] has left it.
pub(crate) async fn assert_kept(postgres: &Postgres) {
    let sessions = postgres.sessions().load(OWNER).await.unwrap();
    assert_eq!(sessions.revision.as_u64(), 1);
    assert_eq!(sessions.records, records());
    let looked_up = postgres.revocations().look(&[REVOKED]).await;
    assert_eq!(looked_up.unwrap(), Some(START));
    assert_eq!(postgres.revocations().forgotten(), None);
    assert_eq!(take(postgres, 4, START).await, Ok(Taken::Seen));
    let found = postgres.api_keys().load(ID).await.unwrap();
    let revision = found.map(|key| (key.revision(), key.last_used_at()));
    assert_eq!(revision, Some((Revision::from_u64(1), None)));
    let listed = postgres.api_keys().list("alice", None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
}

/// Whatever changes something is an error. Says what they said.
pub(crate) async fn assert_takes_nothing(postgres: &Postgres) -> String {
    let (sessions, api_keys) = (postgres.sessions(), postgres.api_keys());
    let [record, _] = records();
    let removal = vec![Change::Remove(record.key)];
    let expected = Revision::from_u64(1);
    let removal = sessions.commit(OWNER, expected, removal, START);
    let mut said = vec![removal.await.unwrap_err()];
    let touch = sessions.touch(OWNER, record.key, record.id, START + SECOND);
    said.push(touch.await.unwrap_err());
    let later = START + SECOND;
    let revocations = postgres.revocations();
    let revoked = revocations.revoke(REVOKED, later, later + 86_400 * SECOND, START);
    said.push(revoked.await.unwrap_err());
    let revoked = key().with_revision(expected).with_revoked_at(START);
    said.push(api_keys.put(revoked).await.unwrap_err());
    said.push(api_keys.touch(ID, START).await.unwrap_err());
    said.dedup_by_key(|error| error.to_string());
    take(postgres, 5, START).await.unwrap_err();
    assert_eq!(said.len(), 1, "{said:?}");
    said.pop().unwrap().to_string()
}

/// Whatever asks for something is an error.
pub(crate) async fn assert_says_nothing(postgres: &Postgres) {
    postgres.sessions().load(OWNER).await.unwrap_err();
    postgres.revocations().look(&[REVOKED]).await.unwrap_err();
    take(postgres, 4, START).await.unwrap_err();
    let api_keys = postgres.api_keys();
    api_keys.load(ID).await.unwrap_err();
    api_keys.list("alice", None, 9).await.unwrap_err();
    let removed = api_keys.remove(ID, Revision::from_u64(1));
    removed.await.unwrap_err();
}

/// What [`fill`] has kept is gone, and lets nobody in. `now` is what the clock says.
pub(crate) async fn assert_lost(postgres: &Postgres, now: Timestamp) {
    let sessions = postgres.sessions();
    assert_eq!(sessions.load(OWNER).await.unwrap().records, []);
    let forgotten = sessions.forgotten(OWNER);
    assert!(forgotten >= Some(now), "{forgotten:?}");
    // What was loaded before belongs to another life.
    let [record, _] = records();
    for revision in [0, 1] {
        let late = vec![Change::Put(record.clone())];
        let late = sessions.commit(OWNER, Revision::from_u64(revision), late, now);
        assert_eq!(late.await.unwrap(), Commit::Conflict, "{revision}");
    }
    let looked_up = postgres.revocations().look(&[REVOKED]).await;
    assert_eq!(looked_up.unwrap(), None);
    let forgotten = postgres.revocations().forgotten();
    assert!(forgotten >= Some(now), "{forgotten:?}");
    // The one that was used, and one that may have been.
    for number in [4, 5] {
        let taken = take(postgres, number, START).await;
        assert!(taken.is_err(), "{taken:?}");
    }
    let later = take(postgres, 6, now + SECOND).await;
    assert_eq!(later, Ok(Taken::Fresh), "made after the loss");
    let api_keys = postgres.api_keys();
    api_keys.load(ID).await.unwrap_err();
    api_keys.list("alice", None, 9).await.unwrap_err();
    api_keys.put(key()).await.unwrap_err();
    api_keys.accept_loss();
    assert!(api_keys.load(ID).await.unwrap().is_none());
    assert_eq!(api_keys.put(key()).await.unwrap(), Commit::Done);
}

/// The store that a table belongs to says nothing; the others do.
pub(crate) async fn assert_one_says_nothing(postgres: &Postgres, table: &str) {
    let loaded = postgres.sessions().load(OWNER).await;
    let is_of = |tables: &[&str]| tables.contains(&table);
    let is_wrong = is_of(&["sessions", "owners"]);
    assert_eq!(loaded.is_err(), is_wrong, "{table}: {loaded:?}");
    let looked_up = postgres.revocations().look(&[REVOKED]).await;
    assert_eq!(looked_up.is_err(), is_of(&["revocations"]), "{table}");
    let taken = take(postgres, 4, START).await;
    assert_eq!(taken.is_err(), is_of(&["taken"]), "{table}: {taken:?}");
    if is_of(&["takers"]) {
        // What was used is found without it.
        take(postgres, 5, START).await.unwrap_err();
    }
    let api_keys = postgres.api_keys();
    let loaded = api_keys.load(ID).await.map(drop);
    assert_eq!(loaded.is_err(), is_of(&["api_keys"]), "{table}: {loaded:?}");
    let listed = api_keys.list("alice", None, 9).await.map(drop);
    assert_eq!(listed.is_err(), is_of(&["api_keys"]), "{table}: {listed:?}");
}
