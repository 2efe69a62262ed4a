//! Each session that begins has one record of it, however it begins.

use std::{convert::Infallible, future::pending, sync::Arc};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::Empty;
use portcullis::{
    Exchange, RequestBody,
    session::{MemorySessions, SessionBuilder},
};
use portcullis_testing::faulty_store::FaultyStore;
use portcullis_tests::patience::settle;
use tokio::sync::Barrier;
use tower::{Layer as _, ServiceExt as _};

use crate::people::{World, answer, request};

/// A store that answers at once, and one that has to be asked.
fn stores() -> [fn(SessionBuilder) -> SessionBuilder; 2] {
    [
        |session| session.with_store(MemorySessions::default()),
        |session| session.with_store(FaultyStore::new(MemorySessions::default())),
    ]
}

fn starts(world: &World) -> usize {
    let records = world.audit.records();
    records
        .iter()
        .filter(|record| record.reason.as_str() == "session_opened")
        .count()
}

#[tokio::test]
async fn first_requests_that_run_at_once_begin_it_once() {
    for settings in stores() {
        let world = World::with(settings);
        // Nobody answers before all have been let in.
        let barrier = Arc::new(Barrier::new(5));
        let together = tower::service_fn(move |_: Request<RequestBody<String>>| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        });
        let asked = (0..5).map(|_| world.ask_with(request("alice.user.0"), together.clone()));
        let statuses = join_all(asked).await;
        assert!(statuses.iter().all(|(status, _)| *status == 200));
        settle().await;
        assert_eq!(starts(&world), 1);
    }
}

#[tokio::test]
async fn a_request_that_comes_before_the_store_knows_begins_nothing_again() {
    for settings in stores() {
        let world = World::with(settings);
        for _ in 0..3 {
            // No task of its own runs in between.
            assert_eq!(world.ask("alice.user.0").await.0, 200);
        }
        settle().await;
        assert_eq!(starts(&world), 1);
    }
}

#[tokio::test]
async fn a_first_request_that_never_answers_has_begun_it_all_the_same() {
    for settings in stores() {
        let world = World::with(settings);
        let never = tower::service_fn(async |_: Request<RequestBody<String>>| {
            pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
        });
        let service = world.gate.layer(never);
        let mut waiting = tokio_test::task::spawn(service.oneshot(request("alice.user.0")));
        assert!(waiting.poll().is_pending());
        for _ in 0..3 {
            world.advance(1);
            settle().await;
        }
        assert_eq!(starts(&world), 1, "it has run for a while");
        drop(waiting);
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        settle().await;
        assert_eq!(starts(&world), 1);
    }
}

#[tokio::test]
async fn a_handler_that_ends_the_session_it_begins_leaves_both_records() {
    for settings in stores() {
        let world = World::with(settings);
        let logout = tower::service_fn(async |request: Request<RequestBody<String>>| {
            let exchange = Exchange::of(request.extensions()).unwrap();
            exchange.session().unwrap().end().await.unwrap();
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        assert_eq!(world.ask_with(request("alice.user.0"), logout).await.0, 200);
        settle().await;
        assert_eq!(starts(&world), 1);
        assert_eq!(world.ask("alice.user.0").await.0, 401);
        assert_eq!(starts(&world), 1);
    }
}

#[tokio::test]
async fn a_handler_that_ends_the_session_it_begins_may_fail_after_that() {
    for settings in stores() {
        for is_dropped in [false, true] {
            let world = World::with(settings);
            let logout =
                tower::service_fn(move |request: Request<RequestBody<String>>| async move {
                    let exchange = Exchange::of(request.extensions()).unwrap();
                    exchange.session().unwrap().end().await.unwrap();
                    if is_dropped {
                        pending::<()>().await;
                    }
                    Err::<Response<Empty<Bytes>>, _>(std::io::Error::other("it has failed"))
                });
            let service = world.gate.layer(logout);
            let mut asked = tokio_test::task::spawn(service.oneshot(request("alice.user.0")));
            for _ in 0..100 {
                if asked.poll().is_ready() {
                    break;
                }
                settle().await;
            }
            drop(asked);
            settle().await;
            assert_eq!(starts(&world), 1, "dropped: {is_dropped}");
        }
    }
}

#[tokio::test]
async fn what_was_not_written_down_is_begun_by_the_next() {
    let store = FaultyStore::new(MemorySessions::default());
    let world = World::with(|session| session.with_store(store.clone()));
    let failing = {
        let store = store.clone();
        tower::service_fn(move |_: Request<RequestBody<String>>| {
            store.set_failing(true);
            std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
        })
    };
    assert_eq!(
        world.ask_with(request("alice.user.0"), failing).await.0,
        200
    );
    settle().await;
    assert_eq!(starts(&world), 0, "the store has no word of it");
    store.set_failing(false);
    for _ in 0..2 {
        assert_eq!(
            world.ask_with(request("alice.user.0"), answer()).await.0,
            200
        );
        settle().await;
    }
    assert_eq!(starts(&world), 1);
}
