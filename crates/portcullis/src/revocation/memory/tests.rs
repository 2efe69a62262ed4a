use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

fn key(number: u128) -> RevokedKey {
    RevokedKey::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// The cut-off of the n-th second, kept for an hour.
async fn revoke(store: &MemoryRevocations, n: u32) -> Result<(), StoreError> {
    let until = AT + Duration::from_secs(3600);
    store
        .revoke(key(n.into()), AT + n * SECOND, until, AT)
        .await
}

fn found(store: &MemoryRevocations, n: u32) -> Option<Timestamp> {
    store.latest(&[key(n.into())])
}

#[tokio::test]
async fn a_full_store_forgets_first_what_nobody_needs() {
    let store = MemoryRevocations::with_capacity(3);
    for n in 1..=2 {
        let until = AT + SECOND;
        store.revoke(key(n), AT, until, AT).await.unwrap();
    }
    revoke(&store, 3).await.unwrap();
    let later = AT + SECOND;
    let until = AT + 9 * SECOND;
    store.revoke(key(4), AT, until, later).await.unwrap();
    assert_eq!(found(&store, 1), None);
    assert_eq!((found(&store, 3), store.len()), (Some(AT + 3 * SECOND), 2));
    assert_eq!(store.forgotten(), None);
}

#[tokio::test]
async fn then_the_earlier_half_and_says_so() {
    let store = MemoryRevocations::with_capacity(5);
    for n in 1..=5 {
        revoke(&store, n).await.unwrap();
    }
    assert_eq!(store.forgotten(), None);
    revoke(&store, 6).await.unwrap();
    assert_eq!(store.forgotten(), Some(AT + 3 * SECOND));
    let kept: Vec<_> = (1..=6).filter(|n| found(&store, *n).is_some()).collect();
    assert_eq!((kept, store.len()), (vec![4, 5, 6], 3));
    // What is over in any case takes no room.
    revoke(&store, 2).await.unwrap();
    assert_eq!(store.len(), 3);
}

#[tokio::test]
async fn a_single_credential_is_never_forgotten_before_its_time() {
    let store = MemoryRevocations::with_capacity(2);
    let revoke_one = async |n, until| store.revoke(key(n), Timestamp::MAX, until, AT).await;
    revoke_one(1, Timestamp::MAX).await.unwrap();
    revoke(&store, 5).await.unwrap();
    revoke_one(2, Timestamp::MAX).await.unwrap();
    assert_eq!(store.forgotten(), Some(AT + 5 * SECOND), "not the other");
    assert!(revoke_one(3, Timestamp::MAX).await.is_err());
    assert!(revoke(&store, 6).await.is_err());
    revoke_one(2, Timestamp::MAX)
        .await
        .expect("is there already");
    assert_eq!((found(&store, 1), store.len()), (Some(Timestamp::MAX), 2));
}

#[tokio::test]
async fn a_store_without_room_is_never_taken_for_an_empty_one() {
    let store = MemoryRevocations::with_capacity(1);
    assert!(RevocationStore::is_empty(&store));
    revoke(&store, 1).await.unwrap();
    assert!(!RevocationStore::is_empty(&store));
    revoke(&store, 2).await.unwrap();
    assert_eq!((store.len(), found(&store, 2).is_some()), (1, true));
    let none = MemoryRevocations::with_capacity(0);
    assert!(revoke(&none, 1).await.is_err());
    assert!(RevocationStore::is_empty(&none) && none.is_empty());
}

#[tokio::test]
async fn a_large_one_counts_what_it_holds() {
    let store = MemoryRevocations::with_capacity(100_000);
    for n in 0..5000 {
        revoke(&store, n).await.unwrap();
    }
    assert_eq!(store.len(), 5000);
    assert!(format!("{store:?}").contains("len: 5000"));
}
