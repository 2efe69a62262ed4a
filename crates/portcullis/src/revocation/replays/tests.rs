use super::*;

const SECOND: Duration = Duration::from_secs(1);
const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

fn take(store: &MemoryReplays, owner: u128, key: u128, lasts: Duration, now: Timestamp) -> Taken {
    let owner = ReplayOwner::from_u128(owner);
    store.take_one(owner, ReplayKey::from_u128(key), AT + lasts, now)
}

#[test]
fn a_full_store_takes_no_more_until_one_has_been_over_for_a_minute() {
    let store = MemoryReplays::with_capacity(2);
    assert_eq!(take(&store, 1, 1, 10 * SECOND, AT), Taken::Fresh);
    assert_eq!(take(&store, 4, 2, 20 * SECOND, AT), Taken::Fresh);
    let late = AT + 70 * SECOND;
    let almost = Timestamp::from_unix_millis(late.unix_millis() - 1);
    for now in [AT, almost] {
        assert_eq!(take(&store, 2, 3, 100 * SECOND, now), Taken::Full);
        assert_eq!(take(&store, 1, 1, 10 * SECOND, now), Taken::Seen);
    }
    assert_eq!(take(&store, 2, 3, 100 * SECOND, late), Taken::Fresh);
    assert_eq!(take(&store, 3, 4, 100 * SECOND, late), Taken::Full);
    assert_eq!(take(&store, 4, 2, 20 * SECOND, late), Taken::Seen);
}

#[test]
fn one_that_is_over_already_is_remembered_all_the_same() {
    let store = MemoryReplays::with_capacity(1);
    let late = AT + 1000 * SECOND;
    assert_eq!(take(&store, 1, 1, SECOND, late), Taken::Fresh);
    assert_eq!(take(&store, 1, 1, SECOND, late), Taken::Seen);
    assert_eq!(take(&store, 1, 2, SECOND, late + 59 * SECOND), Taken::Full);
    assert_eq!(take(&store, 1, 2, SECOND, late + 60 * SECOND), Taken::Fresh);
    let ages = MemoryReplays::with_capacity(1);
    assert_eq!(take(&ages, 1, 1, Duration::MAX, AT), Taken::Fresh);
    assert_eq!(take(&ages, 1, 2, SECOND, late), Taken::Full);
}

#[test]
fn who_floods_a_part_leaves_the_others_alone() {
    let store = MemoryReplays::with_capacity(64 * 100);
    let flood = (0..10_000).map(|key| take(&store, 7, key, 300 * SECOND, AT));
    let fresh = flood.filter(|taken| *taken == Taken::Fresh).count();
    assert_eq!((fresh, store.len()), (25, 25), "a quarter of a part");
    let others = (0..640).filter(|n| *n != 7);
    let refused = others.filter(|n| take(&store, *n, 1, SECOND, AT) == Taken::Full);
    assert_eq!(refused.count(), 0);
}

#[test]
fn a_share_is_given_back_once_its_first_has_been_over_for_a_minute() {
    let store = MemoryReplays::with_capacity(8);
    for key in 0..2 {
        let lasts = (10 + 10 * u32::try_from(key).unwrap()) * SECOND;
        assert_eq!(take(&store, 1, key, lasts, AT), Taken::Fresh);
    }
    let late = AT + 70 * SECOND;
    for now in [AT, Timestamp::from_unix_millis(late.unix_millis() - 1)] {
        assert_eq!(take(&store, 1, 9, 300 * SECOND, now), Taken::Full);
        assert_eq!(take(&store, 1, 0, SECOND, now), Taken::Seen);
    }
    assert_eq!(take(&store, 1, 9, 300 * SECOND, late), Taken::Fresh);
    assert_eq!(take(&store, 1, 1, SECOND, late), Taken::Seen);
    assert_eq!(
        (take(&store, 1, 8, SECOND, late), store.len()),
        (Taken::Full, 2)
    );
}

#[test]
fn nothing_fits_into_no_room() {
    let store = MemoryReplays::with_capacity(0);
    assert_eq!(take(&store, 1, 1, SECOND, AT), Taken::Full);
    assert!(store.is_empty());
}
