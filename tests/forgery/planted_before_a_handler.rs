//! Extensions of one request, planted into another inside the gate, right before a handler.
//!
//! The handler asks [`Exchange::of`], once at its call and once when it is polled, as an
//! `async fn` with extractors does. It must not be shown the other request's principal.

use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    echo::Echo,
    fixtures::{gate, request_with},
    logs::Logs,
};
use tokio_test::task;
use tower::{Layer as _, Service, ServiceExt as _};
use tracing::Level;

use crate::{
    thief::{ALL_WAYS, LateEcho, Taken, Thief},
    wrappers::{Boxed, Called, OUT_OF_SIGHT, WITH_A_FLIGHT_IN_SIGHT, wrap},
};

type Body = portcullis::RequestBody<String>;

/// What a handler behind Bob's request is shown, after the thief has planted Alice's.
async fn shown(taken: Taken, handler: Boxed<Body>) -> (String, Vec<String>) {
    let (logs, _listening) = Logs::listen();
    let thief = Thief::new(taken);
    let service = gate(&RecordingAudit::new()).layer(thief.layer(handler));
    let request = |token, role: &str| {
        let request = request_with(token).header(role, "");
        request.body(String::new()).unwrap()
    };
    let mut victim = task::spawn(service.clone().oneshot(request("good-alice", "x-victim")));
    match taken {
        Taken::MovedAndHeld => assert!(victim.poll().is_pending()),
        _ => assert_eq!((&mut victim).await.unwrap().status(), 200),
    }
    assert!(thief.has_loot());
    let response = service
        .oneshot(request("good-bob", "x-thief"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let body = portcullis_tests::wire::read(response)
        .await
        .unwrap()
        .into_body();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (text, logs.lines(Level::ERROR))
}

async fn is_shown_nobody<S>(handler: S, called: Called)
where
    S: Service<
            http::Request<Body>,
            Response = http::Response<http_body_util::Full<bytes::Bytes>>,
            Error = std::convert::Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    for taken in ALL_WAYS {
        let (text, errors) = shown(taken, wrap(called, handler.clone())).await;
        let what = format!("{taken:?}, {called:?}: {text}");
        assert!(text.starts_with("caller=nobody path=- "), "{what}");
        assert!(
            errors
                .iter()
                .any(|line| line.contains("carries the exchange of another request")),
            "{what}: {errors:?}",
        );
    }
}

#[tokio::test]
async fn a_handler_is_shown_nobody_at_its_call() {
    is_shown_nobody(Echo::new(), Called::Directly).await;
    is_shown_nobody(Echo::new(), Called::ThenSpawned).await;
}

#[tokio::test]
async fn a_handler_is_shown_nobody_when_it_is_polled() {
    is_shown_nobody(LateEcho, Called::Directly).await;
    is_shown_nobody(LateEcho, Called::ByAWorker).await;
}

/// What remains, as SECURITY.md says: a reader that runs out of sight of the gate, in a
/// worker's call or a task of its own, reads what lies in the extensions that it was given.
/// It has to be so: `Parts` are handed to tools, which run wherever they like.
#[tokio::test]
async fn residue_a_reader_out_of_sight_reads_what_was_planted() {
    let reads_alice = async |handler: Boxed<Body>, what: &str| {
        for taken in ALL_WAYS {
            let (text, _) = shown(taken, handler.clone()).await;
            assert!(
                text.starts_with("caller=alice "),
                "{what}, {taken:?}: {text}"
            );
        }
    };
    reads_alice(wrap(Called::ByAWorker, Echo::new()), "at a worker's call").await;
    reads_alice(wrap(Called::ThenSpawned, LateEcho), "in a task").await;
    for called in OUT_OF_SIGHT {
        reads_alice(wrap(called, Echo::new()), "out of sight").await;
        reads_alice(wrap(called, LateEcho), "out of sight, late").await;
    }
}

/// What the tests above rely on: the same wrappers show an honest caller.
#[tokio::test]
async fn the_honest_are_shown_all_the_same() {
    for called in WITH_A_FLIGHT_IN_SIGHT.into_iter().chain(OUT_OF_SIGHT) {
        for handler in [wrap(called, Echo::new()), wrap(called, LateEcho)] {
            let service = gate(&RecordingAudit::new()).layer(handler);
            let request = request_with("good-carol").body(String::new()).unwrap();
            let response = service.oneshot(request).await.unwrap();
            let body = portcullis_tests::wire::read(response)
                .await
                .unwrap()
                .into_body();
            assert!(body.starts_with(b"caller=carol "), "{called:?}");
        }
    }
}
