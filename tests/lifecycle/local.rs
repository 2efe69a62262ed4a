//! A thread-per-core server: bodies and handler futures that are tied to their thread, on a
//! runtime that stays on it.

use std::{convert::Infallible, rc::Rc};

use http::{Request, Response};
use portcullis::Exchange;
use portcullis_testing::{audit::RecordingAudit, http_probe::LocalBody};
use portcullis_tests::fixtures::{
    authn, authn_and_binding, authn_and_quota, authn_and_session, authn_and_step_up, gate,
    perimeter, request_with,
};
use tower::{Layer as _, ServiceExt as _};

/// With an `Rc` in the handler and in its future across an await, and a body that is neither
/// `Send` nor `Default` and has chunks of its own kind, in both directions.
macro_rules! serves_on_one_thread {
    ($make:ident, $caller:literal) => {{
        let audit = RecordingAudit::new();
        let served = Rc::new(std::cell::Cell::new(0));
        let count = Rc::clone(&served);
        let handler = tower::service_fn(move |request: Request<_>| {
            let served = Rc::clone(&count);
            let exchange = Exchange::of(request.extensions()).unwrap().clone();
            async move {
                tokio::task::yield_now().await;
                served.set(served.get() + 1);
                assert_eq!(exchange.principal().map_or("", |p| p.subject()), $caller);
                drop(request);
                Ok::<_, Infallible>(Response::new(LocalBody::new("local")))
            }
        });
        let service = $make(&audit).layer(handler);
        for (n, token) in ["good-a", "io-good-a"].into_iter().enumerate() {
            let request = request_with(token).body(LocalBody::new("local")).unwrap();
            let response = service.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(served.get(), n + 1);
            audit.assert_decisions(n + 1);
        }
    }};
}

#[tokio::test(flavor = "current_thread")]
async fn authn_serves_on_one_thread() {
    serves_on_one_thread!(authn, "a");
}

#[tokio::test(flavor = "current_thread")]
async fn the_perimeter_serves_on_one_thread() {
    serves_on_one_thread!(perimeter, "");
}

#[tokio::test(flavor = "current_thread")]
async fn a_session_serves_on_one_thread() {
    serves_on_one_thread!(authn_and_session, "a");
}

#[tokio::test(flavor = "current_thread")]
async fn a_binding_serves_on_one_thread() {
    serves_on_one_thread!(authn_and_binding, "a");
}

#[tokio::test(flavor = "current_thread")]
async fn a_quota_serves_on_one_thread() {
    serves_on_one_thread!(authn_and_quota, "a");
}

#[tokio::test(flavor = "current_thread")]
async fn step_up_serves_on_one_thread() {
    serves_on_one_thread!(authn_and_step_up, "a");
}

#[tokio::test(flavor = "current_thread")]
async fn the_gate_serves_on_one_thread() {
    serves_on_one_thread!(gate, "a");
}
