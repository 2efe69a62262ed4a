use std::time::Duration;

use portcullis_core::{EndReason, EvidenceKind, FamilyKey, SessionState};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

fn record(kind: EvidenceKind, authenticated_at: Option<Timestamp>) -> SessionRecord {
    let mut record = SessionRecord::new(
        SessionKey::from_u128(1),
        FamilyKey::from_u128(1),
        SessionId::from_u128(1),
        kind,
        AT,
        60 * SECOND,
        AT + 600 * SECOND,
    );
    record.authenticated_at = authenticated_at;
    record
}

fn user(n: u32) -> SessionRecord {
    record(EvidenceKind::User, Some(AT - (100 - n) * SECOND))
}

async fn put(store: &MemorySessions, owner: u128, record: SessionRecord, now: Timestamp) -> Commit {
    let owner = OwnerKey::from_u128(owner);
    let before = store.load(owner).await.unwrap().revision;
    let changes = vec![Change::Put(record)];
    store.commit(owner, before, changes, now).await.unwrap()
}

fn holds(store: &MemorySessions, owner: u128) -> bool {
    let found = store.check(OwnerKey::from_u128(owner), SessionKey::from_u128(1));
    matches!(found, Check::Done(Some(_)))
}

#[tokio::test]
async fn a_full_store_refuses_and_lets_the_living_live() {
    let store = MemorySessions::with_capacity(3);
    for n in 0..3 {
        assert_eq!(put(&store, n, user(1), AT).await, Commit::Done);
    }
    assert_eq!(put(&store, 9, user(1), AT).await, Commit::Full);
    assert_eq!(
        put(&store, 0, user(1), AT).await,
        Commit::Done,
        "no more than before"
    );
    assert!((0..3).all(|n| holds(&store, n)) && !holds(&store, 9));
    assert_eq!(store.forgotten(), None);
}

#[tokio::test]
async fn it_makes_room_by_what_is_over_and_shuts_out_as_few_as_it_can() {
    let store = MemorySessions::with_capacity(4);
    for n in 1..=4 {
        assert_eq!(put(&store, u128::from(n), user(n), AT).await, Commit::Done);
    }
    let later = AT + 59 * SECOND;
    store.touch_now(
        OwnerKey::from_u128(4),
        SessionKey::from_u128(1),
        SessionId::from_u128(1),
        later,
    );
    assert_eq!(put(&store, 5, user(5), later).await, Commit::Full);
    let later = AT + 60 * SECOND;
    assert_eq!(put(&store, 5, user(5), later).await, Commit::Done);
    assert!(
        !holds(&store, 1) && !holds(&store, 2),
        "the older half of three"
    );
    assert!(holds(&store, 3) && holds(&store, 4) && holds(&store, 5));
    assert_eq!(store.forgotten(), user(2).authenticated_at);
}

#[tokio::test]
async fn what_nobody_misses_goes_first() {
    let store = MemorySessions::with_capacity(3);
    let mut abandoned = user(50);
    abandoned.state = SessionState::Provisional(AT + SECOND);
    put(&store, 1, abandoned, AT).await;
    put(&store, 2, record(EvidenceKind::Standing, None), AT).await;
    put(&store, 3, user(3), AT).await;
    let later = AT + 60 * SECOND;
    for n in 4..6 {
        assert_eq!(put(&store, n, user(4), later).await, Commit::Done);
    }
    assert!(!holds(&store, 1) && !holds(&store, 2) && holds(&store, 3));
    assert_eq!(store.forgotten(), None);
}

#[tokio::test]
async fn a_standing_credential_that_was_ended_is_never_forgotten() {
    let store = MemorySessions::with_capacity(1);
    let mut ended = record(EvidenceKind::Standing, None);
    ended.state = SessionState::Ended(AT, EndReason::Revoked);
    put(&store, 1, ended, AT).await;
    let years = Duration::from_secs(86_400 * 365 * 10);
    assert_eq!(put(&store, 2, user(1), AT + years).await, Commit::Full);
    assert!(holds(&store, 1));
}

#[tokio::test]
async fn a_revision_is_never_met_twice() {
    let store = MemorySessions::with_capacity(8);
    let owner = OwnerKey::from_u128(1);
    put(&store, 1, user(1), AT).await;
    let old = store.load(owner).await.unwrap().revision;
    let removal = vec![Change::Remove(SessionKey::from_u128(1))];
    assert_eq!(
        store.commit(owner, old, removal, AT).await.unwrap(),
        Commit::Done
    );
    assert!(store.is_empty());
    put(&store, 1, user(1), AT).await;
    let stale = store.commit(owner, old, Vec::new(), AT).await.unwrap();
    assert_eq!(stale, Commit::Conflict);
}

#[tokio::test]
async fn counts_what_it_holds() {
    let store = MemorySessions::with_capacity(100_000);
    for n in 0..5000_u128 {
        let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        assert_eq!(put(&store, spread, user(1), AT).await, Commit::Done);
    }
    assert_eq!(store.len(), 5000);
    assert!(format!("{store:?}").contains("len: 5000"));
}
