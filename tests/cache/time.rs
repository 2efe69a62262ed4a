//! What ends by itself, with what is kept.

use std::time::Duration;

use crate::world::{IDLE, SECOND, Two};

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

/// What nobody has answered in yet lapses, also where it is kept.
#[tokio::test]
async fn a_session_that_never_began_is_opened_anew() {
    let two = Two::new();
    // A passive look begins nothing that lasts.
    assert_eq!(two.here.ask("alice.0").await.status, 200);
    let answer = two.here.ask("alice.0").await;
    assert_eq!((answer.status, answer.asked), (200, 0));
    // It has begun by the first answer: there is one record of that.
    two.pass(SECOND).await;
    let records = two.here.audit.take();
    let starts = records.iter();
    let starts = starts.filter(|record| record.reason.as_str() == "session_opened");
    assert_eq!(starts.count(), 1, "{records:?}");
}

/// A credential ends by its own time.
#[tokio::test]
async fn what_is_kept_says_nothing_of_the_credential() {
    let two = Two::new();
    two.know("alice.0").await;
    // One that authenticated later than what is known is asked for.
    two.pass(2 * SECOND).await;
    let answer = two.here.ask("alice.2").await;
    assert_eq!(answer.status, 200);
    assert!(answer.asked > 0 && answer.took > Duration::ZERO);
}
