//! What is forgotten, and what is full.

use portcullis_core::{
    Check, Commit, EndReason, EvidenceKind, ReplayKey, ReplayOwner, ReplayStore as _, Revision,
    RevocationStore as _, RevokedKey, SessionState, SessionStore as _, Taken, Timestamp,
    api_keys::{ApiKeyStore as _, Grant, KeyHash, StoredKey},
};

use super::{DAY, Folder, SECOND, START, is_there, owner, put, record};
use crate::Redb;

#[tokio::test]
async fn a_session_is_forgotten_after_the_retention_and_this_is_said_also_later() {
    let folder = Folder::new();
    let builder = || Redb::builder(folder.file()).with_retention(DAY);
    let redb = builder().open().unwrap();
    let over = START + DAY;
    assert_eq!(put(&redb, 1, record(1), START).await, Commit::Done);
    let almost = over + DAY - SECOND;
    assert_eq!(put(&redb, 2, record(2), almost).await, Commit::Done);
    assert!(is_there(&redb, 1).await);
    assert_eq!(redb.sessions().forgotten(owner(1)), None);
    let mut late = record(3);
    late.ends_at = over + 9 * DAY;
    assert_eq!(put(&redb, 3, late, over + DAY).await, Commit::Done);
    assert!(!is_there(&redb, 1).await && !is_there(&redb, 2).await);
    assert_eq!(redb.sessions().forgotten(owner(1)), Some(over));
    drop(redb);
    // With whatever retention.
    let redb = Redb::open(folder.file()).unwrap();
    assert_eq!(redb.sessions().forgotten(owner(9)), Some(over));
    assert!(is_there(&redb, 3).await);
}

#[tokio::test]
async fn an_ended_session_of_a_standing_credential_is_never_forgotten() {
    let folder = Folder::new();
    let redb = Redb::open(folder.file()).unwrap();
    let mut standing = record(1);
    standing.kind = EvidenceKind::Standing;
    standing.state = SessionState::Ended(START, EndReason::Revoked);
    assert_eq!(put(&redb, 1, standing.clone(), START).await, Commit::Done);
    standing.state = SessionState::Live;
    standing.barred_until = Some(START);
    assert_eq!(put(&redb, 2, standing, START).await, Commit::Done);
    assert_eq!(put(&redb, 3, record(3), START).await, Commit::Done);
    let much_later = START + 3650 * DAY;
    assert_eq!(put(&redb, 4, record(4), much_later).await, Commit::Done);
    assert!(is_there(&redb, 1).await && is_there(&redb, 2).await);
    assert!(!is_there(&redb, 3).await);
}

#[tokio::test]
async fn a_full_store_says_so_and_keeps_what_it_has() {
    let folder = Folder::new();
    let redb = Redb::builder(folder.file())
        .with_retention(DAY)
        .with_max_sessions(3)
        .with_sessions_per_owner(2)
        .with_max_revocations(1)
        .with_max_replays(2)
        .with_max_api_keys(1)
        .open()
        .unwrap();
    assert_eq!(put(&redb, 1, record(1), START).await, Commit::Done);
    assert_eq!(put(&redb, 1, record(2), START).await, Commit::Done);
    assert_eq!(
        put(&redb, 1, record(3), START).await,
        Commit::Full,
        "his share"
    );
    assert_eq!(put(&redb, 2, record(1), START).await, Commit::Done);
    assert_eq!(put(&redb, 3, record(1), START).await, Commit::Full);
    // What is there still changes.
    assert_eq!(put(&redb, 1, record(2), START).await, Commit::Done);
    // What has been over for long enough makes room, also for the one whose it is.
    let later = START + 3 * DAY;
    let mut late = record(3);
    late.ends_at = later + DAY;
    assert_eq!(put(&redb, 1, late.clone(), later).await, Commit::Done);
    let found = redb.sessions().load(owner(1)).await.unwrap();
    assert_eq!(found.records, [late]);
    assert!(redb.sessions().forgotten(owner(1)).is_some());

    let revocations = redb.revocations();
    let revoke =
        |key, now: Timestamp| revocations.revoke(RevokedKey::from_u128(key), now, now + DAY, now);
    revoke(1, START).await.unwrap();
    revoke(2, START).await.unwrap_err();
    revoke(1, START + SECOND).await.unwrap();
    revoke(2, START + 2 * DAY).await.unwrap_err();
    revoke(2, START + 3 * DAY).await.unwrap();
    let Check::Done(None) = revocations.check(&[RevokedKey::from_u128(1)]) else {
        panic!("it need not be kept any longer");
    };

    let replays = redb.replays();
    let take = async |of, now: Timestamp| {
        let key = ReplayKey::from_u128(1);
        let taken = replays.take(ReplayOwner::from_u128(of), key, now + SECOND, now);
        taken.await.unwrap()
    };
    assert_eq!(take(1, START).await, Taken::Fresh);
    assert_eq!(take(2, START).await, Taken::Fresh);
    assert_eq!(take(3, START + 60 * SECOND).await, Taken::Full);
    assert_eq!(take(3, START + 61 * SECOND).await, Taken::Fresh);

    let key = |id| StoredKey::new(id, KeyHash::from_bytes([1; 32]), Grant::for_user("alice"));
    let api_keys = redb.api_keys();
    assert_eq!(api_keys.put(key("a")).await.unwrap(), Commit::Done);
    assert_eq!(api_keys.put(key("b")).await.unwrap(), Commit::Full);
    let removed = api_keys.remove("a", Revision::from_u64(1)).await;
    assert_eq!(removed.unwrap(), Commit::Done);
    assert_eq!(api_keys.put(key("b")).await.unwrap(), Commit::Done);
}

#[tokio::test]
async fn whoever_has_taken_his_share_is_refused_without_his_rows_being_read_each_time() {
    let folder = Folder::new();
    let builder = || Redb::builder(folder.file()).with_replays_per_owner(50);
    let redb = builder().open().unwrap();
    let take = async |redb: &Redb, of, key, now: Timestamp| {
        let (of, key) = (ReplayOwner::from_u128(of), ReplayKey::from_u128(key));
        let replays = redb.replays();
        replays.take(of, key, now + 10 * SECOND, now).await.unwrap()
    };
    for key in 0..50 {
        // The last ones end later.
        let now = START + u32::try_from(key / 25).unwrap() * 10 * SECOND;
        assert_eq!(take(&redb, 1, key, now).await, Taken::Fresh);
    }
    for key in 50..150 {
        assert_eq!(take(&redb, 1, key, START).await, Taken::Full);
    }
    assert_eq!(redb.shared().replay_scans(), 2, "at first, and once full");
    // Others remove what is over of his.
    let later = START + 71 * SECOND;
    assert_eq!(take(&redb, 2, 0, later).await, Taken::Fresh);
    let mut fresh = 0;
    for key in 200..300 {
        fresh += u32::from(take(&redb, 1, key, later).await == Taken::Fresh);
    }
    assert_eq!(fresh, 25);
    assert!(redb.shared().replay_scans() <= 5);
    // What was taken is counted where it was not, and where a batch has failed.
    redb.shared().suspect();
    assert_eq!(take(&redb, 1, 300, later).await, Taken::Full);
    drop(redb);
    let redb = builder().open().unwrap();
    assert_eq!(take(&redb, 1, 300, later).await, Taken::Full);
    assert_eq!(take(&redb, 1, 300, later + 80 * SECOND).await, Taken::Fresh);
}
