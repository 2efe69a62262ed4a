use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

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

#[test]
fn a_row_is_packed_and_gives_back_what_was_put_in() {
    assert_eq!(size_of::<Row>(), 144);
    let mut record = user(1);
    record.family = FamilyKey::from_u128(2);
    record.id = SessionId::from_u128(3);
    record.active_at = AT + Duration::from_millis(1);
    record.barred_until = Some(AT + Duration::from_millis(2));
    record.state = SessionState::Provisional(Timestamp::MAX);
    record.binding.ipv4 = NonZeroU32::new(4);
    record.binding.user_agent = NonZeroU64::new(5);
    record.binding.authenticated_at = AT + Duration::from_millis(6);
    record.data = Some(Arc::new(
        portcullis_core::StoredData::Sealed(Box::default()),
    ));
    assert_eq!(Row::new(record.clone()).to_record(), record);
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
    assert_eq!(store.forgotten(OwnerKey::from_u128(9)), None);
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
    let forgotten = store.forgotten(OwnerKey::from_u128(9));
    assert_eq!(forgotten, user(2).authenticated_at);
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
    assert_eq!(store.forgotten(OwnerKey::from_u128(9)), None);
}

#[tokio::test]
async fn what_keeps_others_out_is_not_lost_with_a_standing_credential() {
    let store = MemorySessions::with_capacity(1);
    let mut idle = record(EvidenceKind::Standing, None);
    idle.barred_until = Some(AT);
    put(&store, 1, idle, AT).await;
    let later = AT + 60 * SECOND;
    assert_eq!(put(&store, 2, user(1), later).await, Commit::Full);
    assert!(holds(&store, 1));
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

/// The session of one client of many.
fn of_client(n: u128, kind: EvidenceKind, at: Timestamp) -> SessionRecord {
    let mut record = SessionRecord::new(
        SessionKey::from_u128(n),
        FamilyKey::from_u128(n),
        SessionId::from_u128(n),
        kind,
        at,
        60 * SECOND,
        at + 600 * SECOND,
    );
    record.authenticated_at = (kind != EvidenceKind::Standing).then_some(at);
    record
}

/// What others have, and what is known of them.
async fn bystanders(store: &MemorySessions) -> Vec<(Sessions, Option<Timestamp>)> {
    let mut all = Vec::new();
    for n in 0..500 {
        let owner = OwnerKey::from_u128(n);
        all.push((store.load(owner).await.unwrap(), store.forgotten(owner)));
    }
    all
}

#[tokio::test]
async fn an_account_with_thousands_of_clients_shuts_out_itself_alone() {
    const CLIENTS: u32 = 5000;
    const ATTACKER: u128 = 77_777;
    let attacker = OwnerKey::from_u128(ATTACKER);
    // Half of it in use by others, of whom all are over by the time.
    let store = MemorySessions::with_capacity(1000);
    for n in 0..500 {
        put(&store, n, user(1), AT).await;
    }
    let before = bystanders(&store).await;
    let opened_at = |n: u32| AT + n * SECOND;
    for n in 0..CLIENTS {
        let now = opened_at(n);
        let session = of_client(n.into(), EvidenceKind::User, now);
        assert_eq!(put(&store, ATTACKER, session, now).await, Commit::Done);
    }
    assert!(
        bystanders(&store).await == before,
        "somebody else is affected"
    );
    // A minute of living ones, a share, and the bar.
    let kept = store.load(attacker).await.unwrap();
    assert!(
        kept.records.len() <= 60 + 1000 / 16,
        "{}",
        kept.records.len()
    );
    // Each that is over keeps its own token out, by itself or by the bar.
    let bar = store.forgotten(attacker).unwrap();
    for n in 0..CLIENTS - 60 {
        let is_kept = kept.get(SessionKey::from_u128(n.into())).is_some();
        assert!(is_kept || opened_at(n) <= bar, "client {n} is in again");
    }
    assert!(bar < opened_at(CLIENTS - 60), "no more than was collapsed");
    // It is remembered for as long as the store is.
    let removals = kept.records.iter().map(|record| Change::Remove(record.key));
    let removed = store
        .commit(attacker, kept.revision, removals.collect(), AT)
        .await;
    assert_eq!(removed.unwrap(), Commit::Done);
    assert_eq!(store.forgotten(attacker), Some(bar));
    assert_eq!(store.len(), 501);
}

#[tokio::test]
async fn whoever_needs_room_makes_it_of_what_he_has_left_behind() {
    let store = MemorySessions::with_capacity(100);
    for n in 0..94 {
        put(&store, n, user(1), AT).await;
    }
    let rich = OwnerKey::from_u128(1000);
    for n in 0..6 {
        let session = of_client(n.into(), EvidenceKind::User, AT + n * SECOND);
        assert_eq!(put(&store, 1000, session, AT).await, Commit::Done);
    }
    let now = AT + 300 * SECOND;
    let before = bystanders(&store).await;
    let next = of_client(50, EvidenceKind::User, now);
    assert_eq!(put(&store, 1000, next, now).await, Commit::Done);
    assert!(
        bystanders(&store).await == before,
        "somebody else is affected"
    );
    assert_eq!(store.forgotten(rich), Some(AT + SECOND), "two, for one bar");
    assert_eq!(store.len(), 100);
    // Others who need room are kept out by that no longer than by the rest.
    let other = user(99);
    assert_eq!(put(&store, 2000, other, now).await, Commit::Done);
    assert!(
        store.forgotten(rich) >= Some(AT + SECOND),
        "it never goes back"
    );
}

#[tokio::test]
async fn ended_standing_credentials_fill_the_share_of_their_owner_and_no_more() {
    let store = MemorySessions::with_capacity(1000);
    let owner = OwnerKey::from_u128(1);
    let mut ended = 0;
    for n in 0..5000 {
        let session = of_client(n, EvidenceKind::Standing, AT);
        if put(&store, 1, session.clone(), AT).await == Commit::Full {
            break;
        }
        let mut over = session;
        over.state = SessionState::Ended(AT, EndReason::Ended);
        assert_eq!(put(&store, 1, over, AT).await, Commit::Done);
        ended += 1;
    }
    assert_eq!(ended, 1000 / 16 + 1);
    let kept = store.load(owner).await.unwrap();
    let is_ended = |n| {
        let found = kept.get(SessionKey::from_u128(n));
        found.is_some_and(|record| record.over(AT) == Some(EndReason::Ended))
    };
    assert!(
        (0..ended as u128).all(is_ended),
        "one could be opened again"
    );
    assert_eq!(put(&store, 2, user(1), AT).await, Commit::Done, "others");
}

#[tokio::test]
async fn a_time_that_is_far_ahead_does_not_shut_out_everybody_for_ever() {
    let store = MemorySessions::with_capacity(1);
    let mut far = record(EvidenceKind::User, Some(AT + 1_000_000 * SECOND));
    far.state = SessionState::Ended(AT, EndReason::Ended);
    put(&store, 1, far.clone(), AT).await;
    assert_eq!(put(&store, 2, user(1), AT).await, Commit::Done);
    assert_eq!(
        store.forgotten(OwnerKey::from_u128(3)),
        Some(AT + 60 * SECOND)
    );
    // Nor its owner.
    let store = MemorySessions::with_capacity(16);
    for n in 0..16 {
        let mut far = far.clone();
        far.key = SessionKey::from_u128(n);
        put(&store, 1, far, AT).await;
    }
    assert_eq!(
        store.forgotten(OwnerKey::from_u128(1)),
        Some(AT + 60 * SECOND)
    );
}

#[tokio::test]
async fn a_session_that_is_ended_makes_room_at_once() {
    let store = MemorySessions::with_capacity(2);
    for n in 0..2 {
        put(&store, n, user(1), AT).await;
    }
    assert_eq!(put(&store, 9, user(2), AT).await, Commit::Full);
    let mut ended = user(1);
    ended.state = SessionState::Ended(AT, EndReason::Ended);
    put(&store, 1, ended, AT).await;
    assert_eq!(put(&store, 9, user(2), AT).await, Commit::Done);
}

#[tokio::test]
async fn what_one_has_left_behind_makes_room_for_others_as_soon_as_it_is_over() {
    let store = MemorySessions::with_capacity(16);
    put(&store, 1, user(1), AT).await;
    let provisional = |n| {
        let mut record = of_client(n, EvidenceKind::User, AT);
        record.state = SessionState::Provisional(AT + 5 * SECOND);
        record
    };
    for n in 0..15 {
        assert_eq!(put(&store, 2, provisional(n), AT).await, Commit::Done);
    }
    assert_eq!(put(&store, 2, provisional(99), AT).await, Commit::Full);
    let later = AT + 5 * SECOND;
    assert_eq!(put(&store, 3, user(50), later).await, Commit::Done);
}

#[tokio::test]
async fn a_full_part_is_looked_through_again_only_when_something_has_ended() {
    let store = MemorySessions::with_capacity(3);
    put(&store, 1, user(1), AT).await;
    put(&store, 2, user(2), AT).await;
    let mut ended = record(EvidenceKind::Standing, None);
    ended.state = SessionState::Ended(AT, EndReason::Ended);
    put(&store, 3, ended.clone(), AT).await;
    let is_guarded = || read(store.shard(OwnerKey::from_u128(1)).unwrap()).is_known_to_be_full();
    assert_eq!(put(&store, 9, user(9), AT).await, Commit::Full);
    assert!(is_guarded());
    put(&store, 3, ended, AT).await;
    assert!(is_guarded(), "it had ended before");
    let mut over = user(1);
    over.state = SessionState::Ended(AT, EndReason::Ended);
    put(&store, 1, over, AT).await;
    assert!(!is_guarded());
    assert_eq!(put(&store, 9, user(9), AT).await, Commit::Done);
}

#[tokio::test]
async fn what_was_forgotten_is_a_matter_of_its_part() {
    let store = MemorySessions::with_capacity(64 * 20);
    let owners = (0..1000_u128).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let owners: Vec<_> = owners.collect();
    let is_near = |owner: &u128| {
        let shard = |owner| store.shard(OwnerKey::from_u128(owner)).unwrap();
        std::ptr::eq(shard(*owner), shard(0))
    };
    let near = owners.iter().copied().filter(is_near);
    let mut filled = 0;
    for (n, owner) in near.enumerate().take(12) {
        // Two minutes apart: each but the last is over.
        let now = AT + 120 * u32::try_from(n).unwrap() * SECOND;
        for client in 0..2 {
            let session = of_client(client, EvidenceKind::User, now);
            assert_eq!(put(&store, owner, session, now).await, Commit::Done);
        }
        filled += 2;
    }
    assert!(filled > 20, "the part was full: {filled}");
    let forgotten = |owner: &u128| store.forgotten(OwnerKey::from_u128(*owner)).is_some();
    assert!(owners.iter().filter(|owner| is_near(owner)).all(forgotten));
    assert!(!owners.iter().filter(|owner| !is_near(owner)).any(forgotten));
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
async fn who_came_and_was_forgotten_is_not_taken_for_one_who_never_came() {
    let store = MemorySessions::with_capacity(2);
    let owner = OwnerKey::from_u128(1);
    let before = store.load(owner).await.unwrap();
    assert_eq!(
        (&before.records, store.forgotten(owner)),
        (&Vec::new(), None)
    );
    let mut ended = user(1);
    ended.state = SessionState::Ended(AT, EndReason::Ended);
    put(&store, 1, ended, AT).await;
    for n in 2..4 {
        assert_eq!(put(&store, n, user(2), AT).await, Commit::Done);
    }
    assert!(!holds(&store, 1));
    let again = vec![Change::Put(user(1))];
    let late = AT + 60 * SECOND;
    let stale = store.commit(owner, before.revision, again, late).await;
    assert_eq!(stale.unwrap(), Commit::Conflict);
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
