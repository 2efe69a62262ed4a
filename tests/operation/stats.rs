//! What is counted.

use std::convert::Infallible;

use http::{Request, Response};
use portcullis::Exchange;
use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{authn, request as request_without, short_sessions},
    patience::settle,
    streams::{TICK, streaming},
};
use tokio::sync::{oneshot, watch};
use tower::{Layer as _, ServiceExt as _, buffer::Buffer};

use crate::world::{World, answer, answer_after, request, request_as};

#[tokio::test]
async fn every_request_is_counted_once_when_it_is_let_in_and_once_when_it_ends() {
    let world = World::new();
    let (signal, _) = watch::channel(());
    let waiting = tokio::spawn(world.gate.layer(answer_after(&signal)).oneshot(request()));
    let stream = world
        .gate
        .layer(streaming(&world.clock, "text/event-stream", TICK));
    let stream = stream.oneshot(request()).await.unwrap();
    settle().await;
    let stats = world.handle.stats();
    assert_eq!(
        (stats.admitted, stats.running, stats.sessions_begun),
        (2, 2, 1)
    );
    assert!(stats.ended.is_empty());

    assert_eq!(world.ask(request(), answer()).await, 200);
    assert_eq!(world.ask(request_as("bad"), answer()).await, 401);
    let without = request_without().body(String::new()).unwrap();
    assert_eq!(world.ask(without, answer()).await, 401);
    waiting.abort();
    settle().await;
    drop(stream);
    let stats = world.handle.stats();
    assert_eq!((stats.admitted, stats.running), (3, 0));
    assert_eq!(stats.ended["completed"], 1);
    assert_eq!(stats.ended["dropped"], 2);
    assert_eq!(stats.not_admitted["table_bad"], 1);
    assert_eq!(stats.not_admitted["credentials_missing"], 1);
}

#[tokio::test]
async fn ends_of_sessions_are_counted_by_their_reason() {
    let world = World::new();
    let stream = world
        .gate
        .layer(streaming(&world.clock, "text/event-stream", TICK));
    let stream = stream.oneshot(request()).await.unwrap();
    let reading = tokio::spawn(http_body_util::BodyExt::collect(stream.into_body()));
    settle().await;
    let issuer = "https://idp.example";
    assert_eq!(world.handle.end_sessions(issuer, "alice").await.unwrap(), 1);
    settle().await;
    reading.await.unwrap().unwrap();
    let stats = world.handle.stats();
    assert_eq!(stats.session_ends["session_revoked"], 1);
    assert_eq!(stats.ended["cut"], 1);
    assert_eq!(stats.running, 0);
}

#[tokio::test]
async fn what_a_layer_inside_refuses_has_not_ended() {
    let world = World::with(|stack| stack.with_session(short_sessions()));
    // It refuses because the gate has one already.
    let doubled = world
        .gate
        .layer(authn(&world.audit).layer(HandlerProbe::new()));
    let response = doubled.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 500);
    drop(response);
    let stats = world.handle.stats();
    assert_eq!((stats.admitted, stats.running), (1, 0));
    assert!(stats.ended.is_empty(), "{stats:?}");
    assert_eq!(stats.not_admitted["stack_misordered"], 1);
}

#[tokio::test]
async fn a_loose_layer_counts_what_it_lets_in_as_well() {
    let audit = RecordingAudit::new();
    let layer = authn(&audit);
    let (sent, held) = oneshot::channel::<()>();
    let mut held = Some(held);
    let handler = tower::service_fn(move |_: Request<String>| {
        let held = held.take();
        async move {
            let _ = held.unwrap().await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let handler = tower::util::BoxCloneService::new(Buffer::new(handler, 1));
    let asking = tokio::spawn(layer.layer(handler).oneshot(request()));
    settle().await;
    assert_eq!(layer.stats().running, 1);
    sent.send(()).unwrap();
    drop(asking.await.unwrap().unwrap());
    let stats = layer.stats();
    assert_eq!(
        (stats.admitted, stats.running, stats.ended["dropped"]),
        (1, 0, 1)
    );
}

#[tokio::test]
async fn who_goes_away_while_the_disk_is_slow_is_counted_as_recorded() {
    let world = World::bare(RecordingAudit::strict());
    world.audit.set_held(true);
    let asking = tokio::spawn(world.gate.layer(HandlerProbe::new()).oneshot(request()));
    settle().await;
    asking.abort();
    settle().await;
    let stats = world.handle.stats();
    assert_eq!(
        (stats.admitted, stats.running, stats.ended["dropped"]),
        (1, 0, 1)
    );
    assert_eq!(world.reasons(), ["admitted", "dropped"]);
}

/// The same for an operation that was permitted, and whose record is on its way.
#[tokio::test]
async fn a_call_that_is_dropped_while_the_disk_is_slow_is_counted_as_recorded() {
    let world = World::bare(RecordingAudit::strict());
    let probe = HandlerProbe::new();
    drop(world.gate.layer(probe.clone()).oneshot(request()).await);
    let parts = probe.take_request().unwrap();
    let exchange = Exchange::of(&parts.extensions).unwrap().clone();
    let _ = world.audit.take();
    world.audit.set_held(true);
    let mut asking = tokio_test::task::spawn(exchange.authorize("notes.list", ()));
    tokio_test::assert_pending!(asking.poll());
    drop(asking);
    assert_eq!(world.handle.stats().calls_permitted, 1);
    assert_eq!(world.reasons(), ["permitted"]);
}

/// Nobody has to authenticate for a probe, and it must not look like a caller.
#[tokio::test]
async fn anonymous_requests_are_told_apart() {
    let world = World::new();
    let public = request_without()
        .uri("/public")
        .body(String::new())
        .unwrap();
    assert_eq!(world.ask(public, answer()).await, 200);
    assert_eq!(world.ask(request(), answer()).await, 200);
    let stats = world.handle.stats();
    assert_eq!((stats.admitted, stats.admitted_anonymous), (2, 1));
}
