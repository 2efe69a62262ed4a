//! What is kept in each of all stores, and whether it is still there.
#![expect(
    clippy::unwrap_used,
    reason = "what was to be kept and is not fails the test"
)]

use std::time::Duration;

use portcullis::Timestamp;
use portcullis_core::{
    Change, Check, Commit, EndReason, EvidenceKind, FamilyKey, OwnerKey, ReplayKey, ReplayOwner,
    ReplayStore as _, Revision, RevocationStore, RevokedKey, SessionId, SessionKey, SessionRecord,
    SessionState, SessionStore as _, StoreError, Taken,
    api_keys::{ApiKeyStore as _, Grant, KeyHash, StoredKey},
};

use super::{AllStores, START};

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);
/// Whose sessions [`records`] are.
pub const OWNER: OwnerKey = OwnerKey::from_u128(1);
/// What is revoked.
pub const REVOKED: RevokedKey = RevokedKey::from_u128(2);
const USER: ReplayOwner = ReplayOwner::from_u128(3);
/// The id of the API key.
pub const ID: &str = "key000000000001";
/// How long a one-time credential lasts.
const LASTS: Duration = Duration::from_secs(300);

/// A session that lives, and one that was ended.
#[must_use]
pub fn records() -> [SessionRecord; 2] {
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
///
/// # Panics
///
/// It is not so.
pub async fn fill(stores: &impl AllStores) {
    let changes = records().map(Change::Put).to_vec();
    let sessions = stores.sessions();
    let committed = sessions.commit(OWNER, Revision::default(), changes, START);
    assert_eq!(committed.await.unwrap(), Commit::Done);
    let revocations = stores.revocations();
    let revoked = revocations.revoke(REVOKED, START, START + 86_400 * SECOND, START);
    revoked.await.unwrap();
    assert_eq!(take(stores, 4, START).await, Ok(Taken::Fresh));
    let put = stores.api_keys().put(key()).await;
    assert_eq!(put.unwrap(), Commit::Done);
}

/// Uses a one-time credential that is made at `now`.
///
/// # Errors
///
/// What the store says.
pub async fn take(stores: &impl AllStores, number: u128, now: Timestamp) -> Result<Taken, String> {
    let key = ReplayKey::from_u128(number);
    let taken = stores.replays().take(USER, key, now + LASTS, now).await;
    taken.map_err(|error| error.to_string())
}

/// What a store of revocations says, at once or when it is asked.
///
/// # Errors
///
/// It cannot say.
pub async fn looked(
    revocations: &impl RevocationStore,
    keys: &[RevokedKey],
) -> Result<Option<Timestamp>, StoreError> {
    match revocations.check(keys) {
        Check::Done(found) => Ok(found),
        Check::NeedsIo => revocations.look(keys).await,
    }
}

/// All is as [`fill`] has left it.
///
/// # Panics
///
/// It is not so.
pub async fn assert_kept(stores: &impl AllStores) {
    let sessions = stores.sessions().load(OWNER).await.unwrap();
    assert_eq!(sessions.revision.as_u64(), 1);
    assert_eq!(sessions.records, records());
    assert!(stores.sessions().forgotten(OWNER) < Some(START));
    let looked_up = looked(&stores.revocations(), &[REVOKED]).await;
    assert_eq!(looked_up.unwrap(), Some(START));
    assert!(!stores.revocations().is_empty());
    assert_eq!(stores.revocations().forgotten(), None);
    assert_eq!(take(stores, 4, START).await, Ok(Taken::Seen));
    let found = stores.api_keys().load(ID).await.unwrap();
    let revision = found.map(|key| (key.revision(), key.last_used_at()));
    assert_eq!(revision, Some((Revision::from_u64(1), None)));
    let listed = stores.api_keys().list("alice", None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
}

/// Whatever changes something is an error. Says what they said.
///
/// # Panics
///
/// It is not so.
pub async fn assert_takes_nothing(stores: &impl AllStores) -> String {
    let (sessions, api_keys) = (stores.sessions(), stores.api_keys());
    let [record, _] = records();
    let removal = vec![Change::Remove(record.key)];
    let expected = Revision::from_u64(1);
    let removal = sessions.commit(OWNER, expected, removal, START);
    let mut said = vec![removal.await.unwrap_err()];
    let touch = sessions.touch(OWNER, record.key, record.id, START + SECOND);
    said.push(touch.await.unwrap_err());
    let later = START + SECOND;
    let revocations = stores.revocations();
    let revoked = revocations.revoke(REVOKED, later, later + 86_400 * SECOND, START);
    said.push(revoked.await.unwrap_err());
    let revoked = key().with_revision(expected).with_revoked_at(START);
    said.push(api_keys.put(revoked).await.unwrap_err());
    said.push(api_keys.touch(ID, START).await.unwrap_err());
    said.dedup_by_key(|error| error.to_string());
    take(stores, 5, START).await.unwrap_err();
    assert_eq!(said.len(), 1, "{said:?}");
    said.pop().unwrap().to_string()
}

/// Whatever asks for something is an error.
///
/// # Panics
///
/// It is not so.
pub async fn assert_says_nothing(stores: &impl AllStores) {
    stores.sessions().load(OWNER).await.unwrap_err();
    looked(&stores.revocations(), &[REVOKED]).await.unwrap_err();
    take(stores, 4, START).await.unwrap_err();
    let api_keys = stores.api_keys();
    api_keys.load(ID).await.unwrap_err();
    api_keys.list("alice", None, 9).await.unwrap_err();
    let removed = api_keys.remove(ID, Revision::from_u64(1));
    removed.await.unwrap_err();
}

/// What [`fill`] has kept is gone, and lets nobody in. `now` is what the clock says.
///
/// # Panics
///
/// It is not so.
pub async fn assert_lost(stores: &impl AllStores, now: Timestamp) {
    let sessions = stores.sessions();
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
    let looked_up = looked(&stores.revocations(), &[REVOKED]).await;
    assert_eq!(looked_up.unwrap(), None);
    let forgotten = stores.revocations().forgotten();
    assert!(forgotten >= Some(now), "{forgotten:?}");
    // The one that was used, and one that may have been.
    for number in [4, 5] {
        let taken = take(stores, number, START).await;
        assert!(taken.is_err(), "{taken:?}");
    }
    let later = take(stores, 6, now + SECOND).await;
    assert_eq!(later, Ok(Taken::Fresh), "made after the loss");
    let api_keys = stores.api_keys();
    api_keys.load(ID).await.unwrap_err();
    api_keys.list("alice", None, 9).await.unwrap_err();
    api_keys.put(key()).await.unwrap_err();
    stores.accept_loss();
    assert!(api_keys.load(ID).await.unwrap().is_none());
    assert_eq!(api_keys.put(key()).await.unwrap(), Commit::Done);
}

/// Who says nothing: the stores of sessions, of revocations and of one-time credentials, and that of
/// API keys if it is asked for one and for all of an owner.
pub async fn silent(stores: &impl AllStores) -> [bool; 5] {
    let api_keys = stores.api_keys();
    [
        stores.sessions().load(OWNER).await.is_err(),
        looked(&stores.revocations(), &[REVOKED]).await.is_err(),
        take(stores, 4, START).await.is_err(),
        api_keys.load(ID).await.is_err(),
        api_keys.list("alice", None, 9).await.is_err(),
    ]
}
