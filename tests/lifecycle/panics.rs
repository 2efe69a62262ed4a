//! A panic, of the handler or of an authenticator, is not swallowed, leaves exactly one
//! record, and leaves the thread fit for the next request.

use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::audit::Outcome;
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    echo::Echo,
    fixtures::{authn, authn_and_binding, authn_and_quota, gate, request_with},
};
use tokio_test::task;
use tower::{Service, ServiceExt as _};

use crate::layers::{Around, for_each_layer};

/// A handler that panics at the call, or when its future is polled.
#[derive(Clone)]
struct Panics {
    at_the_call: bool,
}

impl<B> Service<Request<B>> for Panics {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(!self.at_the_call, "on purpose");
        Box::pin(async { unreachable!("on purpose") })
    }
}

for_each_layer!(a_handler_panics);

async fn a_handler_panics<L: Around<Panics>>(make: fn(&RecordingAudit) -> L, admitted: &str) {
    for at_the_call in [true, false] {
        for token in ["good-a", "io-good-a"] {
            let audit = RecordingAudit::new();
            let mut service = make(&audit).layer(Panics { at_the_call });
            let request = request_with(token).body(String::new()).unwrap();
            service.ready().await.unwrap();
            assert!(panics(|| {
                let mut call = task::spawn(service.call(request));
                while call.poll().is_pending() {}
            }));
            let recorded = audit.assert_one_decision();
            assert_eq!(recorded.outcome, Outcome::Admitted);
            assert_eq!(recorded.reason.as_str(), admitted);
        }
    }
}

async fn an_authenticator_panics<L: Around<Echo>>(make: fn(&RecordingAudit) -> L) {
    for token in ["panic", "io-panic"] {
        let audit = RecordingAudit::new();
        let mut service = make(&audit).layer(Echo::new());
        let request = request_with(token).body(String::new()).unwrap();
        service.ready().await.unwrap();
        assert!(panics(|| {
            let mut call = task::spawn(service.call(request));
            while call.poll().is_pending() {}
        }));
        let recorded = audit.assert_one_decision();
        assert_eq!(recorded.outcome, Outcome::Failed, "{token}");
        assert_eq!(recorded.reason.as_str(), "abandoned", "{token}");

        // Nothing is poisoned, and the thread is not marked with a request that is over.
        let _ = audit.take();
        let request = request_with("io-good-a").body(String::new()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        audit.assert_admitted("a");
    }
}

#[tokio::test]
async fn an_authenticator_panics_in_authn() {
    an_authenticator_panics(authn).await;
}

#[tokio::test]
async fn an_authenticator_panics_around_a_binding() {
    an_authenticator_panics(authn_and_binding).await;
}

#[tokio::test]
async fn an_authenticator_panics_around_a_quota() {
    an_authenticator_panics(authn_and_quota).await;
}

#[tokio::test]
async fn an_authenticator_panics_in_the_gate() {
    an_authenticator_panics(gate).await;
}

fn panics(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}
