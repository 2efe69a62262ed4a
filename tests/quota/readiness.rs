//! A refusal by quota leaves the inner service as it was: polled ready, and not called.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::quota::{Quota, QuotaLayer};
use portcullis_testing::http_probe::ReadyProbe;
use portcullis_tests::fixtures::request_with;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer as _, Service as _, ServiceExt, buffer::Buffer, limit::ConcurrencyLimitLayer};
use tower_test::mock;

use crate::Site;

fn one_a_minute() -> portcullis::quota::QuotaBuilder {
    QuotaLayer::builder().with_per_principal(Quota::per_minute(1))
}

#[tokio::test]
async fn back_pressure_passes_and_a_refusal_keeps_the_permit() {
    let site = Site::default();
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<String>, Response<Full<Bytes>>, _>(site.loose(one_a_minute()));
    handle.allow(0);
    assert_pending!(service.poll_ready::<Request<String>>());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<String>>());
    let alice = || request_with("good-alice").body(String::new()).unwrap();
    let mut call = task::spawn(service.call(alice()));
    assert_pending!(call.poll());
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(Response::new(Full::from("done")));
    assert_eq!(assert_ready_ok!(call.poll()).status(), 200);

    handle.allow(1);
    for _ in 0..3 {
        assert_ready_ok!(service.poll_ready::<Request<String>>());
        assert_eq!(service.call(alice()).await.unwrap().status(), 429);
        assert!(task::spawn(handle.next_request()).poll().is_pending());
    }
    site.clock.advance(Duration::from_secs(60));
    assert_ready_ok!(service.poll_ready::<Request<String>>());
    let mut call = task::spawn(service.call(alice()));
    assert_pending!(call.poll());
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(Response::new(Full::from("done")));
    assert_eq!(assert_ready_ok!(call.poll()).status(), 200);
}

#[tokio::test]
async fn the_polled_instance_is_called_and_no_permit_is_lost() {
    let site = Site::default();
    let limited = ConcurrencyLimitLayer::new(1).layer(ReadyProbe::new(site.handler.clone()));
    let mut service = site.loose(one_a_minute()).layer(limited);
    for (token, status) in [
        ("good-alice", 200),
        ("good-alice", 429),
        ("io-good-alice", 429),
        ("io-good-bob", 200),
        ("good-bob", 429),
        ("good-carol", 200),
    ] {
        let mut ready = task::spawn(ServiceExt::<Request<String>>::ready(&mut service));
        let ready = assert_ready_ok!(ready.poll(), "a permit was lost before {token}");
        let request = request_with(token).body(String::new()).unwrap();
        assert_eq!(
            ready.call(request).await.unwrap().status(),
            status,
            "{token}"
        );
    }
    site.handler.assert_called(3);
}

/// Where a worker makes the call the decision waits for the first poll, and is made once.
#[tokio::test]
async fn a_deferred_decision_counts_once() {
    let site = Site::default();
    let quota = one_a_minute()
        .with_clock(site.clock.clone())
        .build()
        .unwrap();
    let inner = quota.layer(ReadyProbe::new(site.handler.clone()));
    let authn = portcullis_tests::fixtures::authn(&site.audit);
    let mut service = authn.layer(Buffer::new(inner, 4));
    for (token, status) in [("good-alice", 200), ("good-alice", 429), ("good-bob", 200)] {
        let request = request_with(token).body(String::new()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), status, "{token}");
    }
    site.handler.assert_called(2);
    site.audit.assert_decisions(3);
}
