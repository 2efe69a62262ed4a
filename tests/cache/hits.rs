//! How often a store is asked, and how long that takes.

use std::time::Duration;

use crate::world::{IDLE, ROUND_TRIP, SECOND, Two, pass};

#[tokio::test]
async fn whoever_is_known_asks_nobody_and_tells_nobody() {
    let two = Two::new();
    two.know("alice.0").await;
    let published = two.here.signals.published();
    for _ in 0..100 {
        let answer = two.here.ask("alice.0").await;
        assert_eq!((answer.status, answer.asked), (200, 0));
        assert_eq!(answer.took, Duration::ZERO);
    }
    assert_eq!(two.here.signals.published(), published);
    assert_eq!(published, 0, "nor has anybody by a login");
}

/// Both stores are asked at once, with and without something that is kept.
#[tokio::test]
async fn whoever_is_not_known_waits_for_one_round_trip() {
    for two in [Two::new(), Two::with(|session| session, |stack| stack)] {
        // Who opens a session has it written down as well.
        let opened = two.here.ask("alice.0").await;
        assert_eq!((opened.status, opened.asked), (200, 3));
        assert_eq!(opened.took, 2 * ROUND_TRIP);
        two.pass(SECOND).await;
        let found = two.there.ask("alice.0").await;
        assert_eq!((found.status, found.asked), (200, 2));
        assert_eq!(found.took, ROUND_TRIP);
    }
}

/// Of two answers, one may be there.
#[tokio::test]
async fn what_is_known_is_not_asked_for_again() {
    let two = Two::new();
    two.know("alice.0").await;
    // Another token of the same session.
    let answer = two.here.ask("alice.1").await;
    assert_eq!(answer.status, 200);
    let again = two.here.ask("alice.1").await;
    assert_eq!((again.asked, again.took), (0, Duration::ZERO));
    // A change of data leaves what was said of the credential.
    assert_eq!(two.here.ask_for("/put?1", "alice.1").await.status, 200);
    let answer = two.here.ask("alice.1").await;
    assert_eq!((answer.asked, answer.took), (1, ROUND_TRIP));
}

#[tokio::test]
async fn without_a_cache_each_request_asks() {
    let two = Two::with(
        |session| session,
        |stack| stack.with_cache(9).without_cache(),
    );
    two.know("alice.0").await;
    for _ in 0..3 {
        let answer = two.here.ask("alice.0").await;
        assert_eq!((answer.asked, answer.took), (2, ROUND_TRIP));
    }
    assert_eq!(two.here.signals.caught_up(), 0);
}

/// However many requests there are, and whether or not their handlers wait.
#[tokio::test]
async fn a_store_is_told_of_activity_a_few_times_in_an_idle_time() {
    for path in ["/", "/wait"] {
        let two = Two::new();
        two.know("alice.0").await;
        let before = two.here.sessions.touched();
        for _ in 0..2 * IDLE.as_secs() {
            for _ in 0..3 {
                assert_eq!(two.here.ask_for(path, "alice.0").await.status, 200);
            }
            two.pass(SECOND).await;
        }
        let touched = two.here.sessions.touched() - before;
        assert!((2..=2 * 8 + 1).contains(&touched), "{path}: {touched}");
        two.pass(IDLE).await;
        assert_eq!(two.here.ask("alice.0").await.status, 401);
    }
}

/// A busy server has its bus catch up a few times a second at most, and an idle one never.
#[tokio::test]
async fn the_bus_is_asked_while_somebody_needs_it() {
    let two = Two::new();
    two.know("alice.0").await;
    two.pass(10 * SECOND).await;
    let before = two.here.signals.caught_up();
    two.pass(40 * SECOND).await;
    assert_eq!(two.here.signals.caught_up(), before);
    two.know("alice.0").await;
    let (before, mut hits) = (two.here.signals.caught_up(), 0);
    for _ in 0..100 {
        hits += u32::from(two.here.ask("alice.0").await.asked == 0);
        pass(&two.clock, Duration::from_millis(100)).await;
    }
    let caught_up = two.here.signals.caught_up() - before;
    assert!((10..=22).contains(&caught_up), "{caught_up} in ten seconds");
    assert_eq!(hits, 100);
}

#[tokio::test]
async fn there_is_room_for_so_many_and_whoever_has_none_asks() {
    let two = Two::with(|session| session, |stack| stack.with_cache(1));
    for name in ["alice", "bob", "carol", "alice", "bob"] {
        let token = format!("{name}.0");
        assert_eq!(two.here.ask(&token).await.status, 200);
        two.pass(SECOND / 10).await;
        assert_eq!(two.here.ask(&token).await.status, 200);
        assert_eq!(two.here.ask(&token).await.asked, 0, "{name}");
    }
}
