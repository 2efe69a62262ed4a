//! A future that is dropped at any await leaves exactly one record: `abandoned` while a layer
//! was still deciding, an admission once every layer had let the request in. And it leaves
//! nothing behind that the next request could trip over.

use std::{
    convert::Infallible,
    future::{Pending, pending},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::audit::Outcome;
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    echo::Echo,
    fixtures::{authn, authn_and_binding, authn_and_quota, gate, perimeter, request_with},
};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_test::mock::{self, SendResponse};

use crate::layers::{Around, for_each_layer};

/// A handler that never answers.
#[derive(Clone)]
struct Never;

impl<B> Service<Request<B>> for Never {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        pending()
    }
}

for_each_layer!(dropped_while_the_handler_is_pending);

/// Before the first poll, at it and after it; with and without I/O before.
async fn dropped_while_the_handler_is_pending<L: Around<Never>>(
    make: fn(&RecordingAudit) -> L,
    admitted: &str,
) {
    for (token, polls) in [
        ("good-a", 0),
        ("good-a", 1),
        ("good-a", 5),
        ("io-good-a", 5),
    ] {
        let audit = RecordingAudit::new();
        let mut service = make(&audit).layer(Never);
        let request = request_with(token).body(String::new()).unwrap();
        let mut call = task::spawn(service.ready().await.unwrap().call(request));
        for _ in 0..polls {
            assert_pending!(call.poll());
        }
        drop(call);
        let recorded = audit.assert_one_decision();
        assert_eq!(
            recorded.outcome,
            Outcome::Admitted,
            "{token}, {polls} polls"
        );
        assert_eq!(recorded.reason.as_str(), admitted, "{token}, {polls} polls");
    }
}

async fn dropped_while_the_authenticator_is_asked<L: Around<Echo>>(make: fn(&RecordingAudit) -> L) {
    for polls in [0, 1, 5] {
        let audit = RecordingAudit::new();
        let mut service = make(&audit).layer(Echo::new());
        let request = request_with("hang").body(String::new()).unwrap();
        let mut call = task::spawn(service.ready().await.unwrap().call(request));
        for _ in 0..polls {
            assert_pending!(call.poll());
            assert!(audit.is_empty(), "nothing is decided yet");
        }
        drop(call);
        let recorded = audit.assert_one_decision();
        assert_eq!(recorded.outcome, Outcome::Failed, "{polls} polls");
        assert_eq!(recorded.reason.as_str(), "abandoned", "{polls} polls");
        assert_eq!(recorded.layer, "authn");
        assert_eq!(recorded.subject(), None);

        let request = request_with("io-good-a").body(String::new()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        audit.assert_decisions(2);
    }
}

#[tokio::test]
async fn abandoned_while_authn_asks() {
    dropped_while_the_authenticator_is_asked(authn).await;
}

#[tokio::test]
async fn abandoned_while_authn_asks_around_a_binding() {
    dropped_while_the_authenticator_is_asked(authn_and_binding).await;
}

#[tokio::test]
async fn abandoned_while_authn_asks_around_a_quota() {
    dropped_while_the_authenticator_is_asked(authn_and_quota).await;
}

#[tokio::test]
async fn abandoned_while_the_gate_asks() {
    dropped_while_the_authenticator_is_asked(gate).await;
}

/// The outer layer makes the record, and does not mistake an inner one's doubt for its own
/// consent.
#[tokio::test]
async fn abandoned_while_an_inner_loose_layer_asks() {
    let audit = RecordingAudit::new();
    let service = perimeter(&audit).layer(authn(&RecordingAudit::new()).layer(Echo::new()));
    let request = request_with("hang").body(String::new()).unwrap();
    let mut call = task::spawn(service.oneshot(request));
    assert_pending!(call.poll());
    drop(call);
    let recorded = audit.assert_one_decision();
    assert_eq!(recorded.outcome, Outcome::Failed);
    assert_eq!(recorded.reason.as_str(), "abandoned");
}

#[tokio::test]
async fn dropped_while_the_handler_behind_loose_layers_is_pending() {
    let audit = RecordingAudit::new();
    let service = perimeter(&audit).layer(authn(&RecordingAudit::new()).layer(Never));
    let request = request_with("good-a").body(String::new()).unwrap();
    let mut call = task::spawn(service.oneshot(request));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(audit.assert_admitted("a").reason.as_str(), "admitted");
}

/// A worker has called `authn`, and nobody has polled what came back: nothing was decided
/// about the caller, so it must not be recorded as let in.
#[tokio::test]
async fn dropped_before_a_deferred_decision() {
    let audit = RecordingAudit::new();
    let (mut service, mut worker) = mock::spawn_layer(perimeter(&audit));
    worker.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<String>>());
    let request = request_with("good-a").body(String::new()).unwrap();
    let call = service.call(request);
    let (request, respond) = worker.next_request().await.unwrap();
    let _: &SendResponse<Response<Full<Bytes>>> = &respond;
    // Nothing of the request runs on this thread now, as on a worker's.
    let deferred = authn(&RecordingAudit::new())
        .layer(Echo::new())
        .call(request);
    drop(call);
    assert!(audit.is_empty(), "the request is still under way");
    drop(deferred);
    assert_eq!(audit.assert_one_decision().reason.as_str(), "abandoned");
}
