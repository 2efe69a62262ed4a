//! The instance that was polled ready is the one that is called, and back-pressure passes
//! through.
//!
//! A layer that calls a fresh clone works with most services, and breaks concurrency limits
//! and buffers; [`ReadyProbe`] panics at it.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::{BoxError, RequestBody};
use portcullis_testing::{
    audit::RecordingAudit,
    http_probe::{HandlerProbe, ReadyProbe},
};
use portcullis_tests::{
    echo::Echo,
    fixtures::{
        authn, authn_and_binding, authn_and_quota, authn_and_session, authn_and_step_up, gate,
        perimeter, request_with,
    },
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{
    Layer, Service, ServiceExt as _,
    buffer::Buffer,
    limit::{ConcurrencyLimit, ConcurrencyLimitLayer},
};
use tower_test::mock::{self, Mock};

use crate::layers::{Around, for_each_layer};

for_each_layer!(calls_the_polled_instance, keeps_a_concurrency_limit);

/// On the path without I/O, with I/O (`authn` and the gate), and after a refusal, for which
/// an instance was polled and not called; several requests under way at once.
async fn calls_the_polled_instance<L: Around<ReadyProbe<HandlerProbe>>>(
    make: fn(&RecordingAudit) -> L,
    _admitted: &str,
) {
    let handler = HandlerProbe::new();
    let mut service = make(&RecordingAudit::new()).layer(ReadyProbe::new(handler.clone()));
    let mut calls = Vec::new();
    for token in ["good-a", "io-good-b", "good-c", "io-good-d", "io-good-e"] {
        let request = request_with(token).body(String::new()).unwrap();
        calls.push(service.ready().await.unwrap().call(request));
        let refused = Request::builder().header("host", "evil.example");
        let refused = refused.header("authorization", "Bearer bad");
        let refused = refused.body(String::new()).unwrap();
        let response = service.ready().await.unwrap().call(refused).await.unwrap();
        assert!(response.status().is_client_error());
    }
    for call in calls {
        assert_eq!(call.await.unwrap().status(), 200);
    }
    handler.assert_called(5);
}

/// A layer that loses a permit, by a refusal or by a request that is dropped while it waits,
/// would stop this service for good.
async fn keeps_a_concurrency_limit<L: Around<ConcurrencyLimit<Echo>>>(
    make: fn(&RecordingAudit) -> L,
    _admitted: &str,
) {
    let layer = make(&RecordingAudit::new());
    let mut service = layer.layer(ConcurrencyLimitLayer::new(1).layer(Echo::new()));
    for token in ["bad", "hang", "good-a", "io-good-a", "io-bad", "good-a"] {
        let mut ready = task::spawn(service.ready());
        let service = assert_ready_ok!(ready.poll(), "a permit was lost before {token}");
        let request = request_with(token).body(String::new()).unwrap();
        let mut call = task::spawn(service.call(request));
        match token {
            "hang" => drop(call.poll()),
            _ => drop(call.await.unwrap()),
        }
    }
}

/// A buffer's worker calls the layer where no request is marked, so the layer waits for the
/// first poll to decide: with the instance that the worker polled.
#[tokio::test]
async fn a_deferred_decision_keeps_the_polled_instance() {
    let audit = RecordingAudit::new();
    let handler = HandlerProbe::new();
    let inner = authn(&audit).layer(ReadyProbe::new(handler.clone()));
    let mut service = perimeter(&audit).layer(Buffer::new(inner, 4));
    for (n, token) in ["good-a", "io-good-b", "good-c"].into_iter().enumerate() {
        let request = request_with(token).body(String::new()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        handler.assert_called(n + 1);
        audit.assert_decisions(n + 1);
    }
    let request = request_with("bad").body(String::new()).unwrap();
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(response.status(), 401);
    handler.assert_called(3);
}

#[tokio::test]
async fn authn_passes_back_pressure_on() {
    back_pressure_passes::<Request<String>, _, _>(authn(&RecordingAudit::new())).await;
}

#[tokio::test]
async fn perimeter_passes_back_pressure_on() {
    back_pressure_passes::<Request<RequestBody<String>>, _, _>(perimeter(&RecordingAudit::new()))
        .await;
}

#[tokio::test]
async fn the_layers_inside_authn_pass_back_pressure_on() {
    back_pressure_passes::<Request<String>, _, _>(authn_and_quota(&RecordingAudit::new())).await;
    back_pressure_passes::<Request<String>, _, _>(authn_and_binding(&RecordingAudit::new())).await;
    back_pressure_passes::<Request<String>, _, _>(authn_and_session(&RecordingAudit::new())).await;
}

#[tokio::test]
async fn step_up_passes_back_pressure_on() {
    back_pressure_passes::<Request<String>, _, _>(authn_and_step_up(&RecordingAudit::new())).await;
}

#[tokio::test]
async fn the_gate_passes_back_pressure_on() {
    back_pressure_passes::<Request<RequestBody<String>>, _, _>(gate(&RecordingAudit::new())).await;
}

type Handler<T> = Mock<T, Response<Full<Bytes>>>;

async fn back_pressure_passes<T, L, B>(layer: L)
where
    T: Send + 'static,
    L: Layer<Handler<T>>,
    L::Service: Service<Request<String>, Response = Response<B>, Error = BoxError>,
    B: std::fmt::Debug,
{
    let (mut service, mut handle) = mock::spawn_layer(layer);
    handle.allow(0);
    assert_pending!(service.poll_ready::<Request<String>>());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready::<Request<String>>());

    // A refusal calls nobody, and leaves the one permit where it is.
    let mut refused = Request::builder().header("host", "evil.example");
    refused = refused.header("authorization", "Bearer bad");
    let refused = service.call(refused.body(String::new()).unwrap());
    assert!(refused.await.unwrap().status().is_client_error());
    assert!(task::spawn(handle.next_request()).poll().is_pending());
    assert_ready_ok!(service.poll_ready::<Request<String>>());

    let request = request_with("good-a").body(String::new()).unwrap();
    let mut call = task::spawn(service.call(request));
    assert_pending!(call.poll());
    let (_, respond) = handle.next_request().await.unwrap();
    assert_pending!(service.poll_ready::<Request<String>>());
    respond.send_response(Response::new(Full::from("done")));
    assert_eq!(assert_ready_ok!(call.poll()).status(), 200);

    // What the handler fails with comes out as it is, from a call and from readiness.
    handle.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<String>>());
    let request = request_with("good-a").body(String::new()).unwrap();
    let call = service.call(request);
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_error("the handler broke");
    assert_eq!(call.await.unwrap_err().to_string(), "the handler broke");
    handle.send_error("the handler is gone");
    let error = assert_ready_err!(service.poll_ready::<Request<String>>());
    assert_eq!(error.to_string(), "the handler is gone");
}
