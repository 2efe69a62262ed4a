//! What ends by itself, with what is kept.

use std::time::Duration;

use portcullis::step_up::{Requirement, StepUpLayer};

use crate::world::{IDLE, ROUND_TRIP, SECOND, Two};

#[tokio::test]
async fn a_session_that_is_idle_or_too_old_is_over_by_the_time_of_its_use() {
    let two = Two::new();
    two.know("alice.0").await;
    two.pass(IDLE).await;
    for node in [&two.here, &two.there] {
        drop(node.audit.take());
        assert_eq!(node.ask("alice.0").await.status, 401);
        node.audit.assert_refused("session_idle", 401);
    }
    // However active it is, it ends in time.
    assert_eq!(two.here.ask("bob.80").await.status, 200);
    for _ in 0..30 {
        two.pass(20 * SECOND).await;
        for _ in 0..2 {
            two.here.ask("bob.80").await;
        }
    }
    drop(two.here.audit.take());
    assert_eq!(two.here.ask("bob.80").await.status, 401);
    two.here.audit.assert_refused("session_absolute", 401);
}

/// Somebody who works on one server is not taken for idle by the other.
#[tokio::test]
async fn what_looks_idle_is_asked_of_the_store() {
    let two = Two::with(
        // For so long that what is kept does not get old by that.
        |session| session.with_idle(10 * SECOND),
        |stack| stack.with_cache(100),
    );
    two.know("alice.0").await;
    for second in 0..40 {
        two.pass(SECOND).await;
        assert_eq!(two.here.ask("alice.0").await.status, 200);
        // The bus of the other one is up to date.
        assert_eq!(two.there.ask("bob.0").await.status, 200);
        if second % 12 == 11 {
            assert_eq!(two.there.ask("alice.0").await.status, 200, "{second}");
        }
    }
    two.pass(10 * SECOND).await;
    for node in [&two.here, &two.there] {
        assert_eq!(node.ask("alice.0").await.status, 401);
    }
}

/// A session that was opened by a request which was then refused is known, and begins once.
#[tokio::test]
async fn a_session_that_nobody_has_answered_in_begins_once() {
    let admin = Requirement::new().with_scopes("admin");
    let step_up = || StepUpLayer::builder().add_route_requirement("/admin", admin.clone());
    let two = Two::with(
        |session| session,
        |stack| stack.with_cache(100).with_step_up(step_up()),
    );
    for node in [&two.here, &two.there] {
        for asked in [3, 0] {
            let answer = node.ask_for("/admin", "alice.0").await;
            assert_eq!(answer.status, 403);
            assert!(answer.asked <= asked, "{answer:?}");
        }
    }
    assert_eq!(
        two.here.sessions.touched() + two.there.sessions.touched(),
        0
    );
    for node in [&two.there, &two.here, &two.there, &two.here] {
        let answer = node.ask("alice.0").await;
        assert_eq!((answer.status, answer.asked), (200, 0));
        two.pass(ROUND_TRIP).await;
    }
    let records = [two.here.audit.take(), two.there.audit.take()].concat();
    let starts = records.iter();
    let starts = starts.filter(|record| record.reason.as_str() == "session_opened");
    assert_eq!(starts.count(), 1, "{records:?}");
}

/// Whoever has authenticated later than what is known is not taken for who was there before.
#[tokio::test]
async fn a_later_authentication_is_written_down() {
    let two = Two::new();
    two.know("alice.0").await;
    two.pass(2 * SECOND).await;
    let answer = two.here.ask("alice.2").await;
    assert_eq!(answer.status, 200);
    assert!(answer.asked > 0 && answer.took > Duration::ZERO);
}
