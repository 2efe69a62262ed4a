//! Which requests cost something, and whom.

use std::{convert::Infallible, future::pending};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::quota::{Quota, QuotaLayer};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{fixtures::request, logs::Logs};
use tokio_test::{assert_pending, task};
use tower::{Layer as _, ServiceExt as _};
use tracing::Level;

use crate::{Site, ask, send, statuses};

/// So many requests at once, and none that comes back while a test runs.
fn at_once(requests: u32) -> Quota {
    Quota::per_hour(1).with_burst(requests)
}

#[tokio::test]
async fn every_service_of_a_layer_counts_together() {
    let site = Site::default();
    let layer = site.loose(QuotaLayer::builder().with_per_principal(at_once(4)));
    let one = layer.layer(site.handler.clone());
    let two = layer.clone().layer(site.handler.clone());
    assert_eq!(
        statuses(&one, &["good-alice", "good-alice"]).await,
        [200, 200]
    );
    let rest = ["good-alice", "io-good-alice", "good-alice", "good-bob"];
    assert_eq!(statuses(&two, &rest).await, [200, 200, 429, 200]);
    assert_eq!(
        statuses(&one, &["good-alice", "good-bob"]).await,
        [429, 200]
    );
}

#[tokio::test]
async fn two_layers_count_each_for_itself() {
    let site = Site::default();
    for _ in 0..2 {
        let layer = site.loose(QuotaLayer::builder().with_per_principal(at_once(1)));
        let service = layer.layer(site.handler.clone());
        let tokens = ["good-alice", "good-alice"];
        assert_eq!(statuses(&service, &tokens).await, [200, 429]);
    }
}

/// The perimeter's budget is for callers who are not known.
#[tokio::test]
async fn anonymous_callers_are_not_counted() {
    let site = Site::default();
    let builder = QuotaLayer::builder()
        .with_per_principal(at_once(1))
        .with_per_client(at_once(1));
    let service = site.loose(builder).layer(site.handler.clone());
    for _ in 0..100 {
        let response = send(&service, request().uri("/public")).await;
        assert_eq!(response.status(), 200);
    }
    // Who is known is counted on the same route.
    let known = || portcullis_tests::fixtures::request_with("good-alice").uri("/public");
    assert_eq!(send(&service, known()).await.status(), 200);
    assert_eq!(send(&service, known()).await.status(), 429);
}

/// What is refused, here or further out, costs nobody anything.
#[tokio::test]
async fn refusals_are_not_counted() {
    let site = Site::default();
    let builder = QuotaLayer::builder()
        .with_per_principal(at_once(2))
        .with_per_client(at_once(3));
    let service = site.loose(builder).layer(site.handler.clone());
    for token in ["bad", "io-bad", "bound-alice", "down", "nameless"] {
        assert!(
            ask(&service, token).await.status().as_u16() >= 400,
            "{token}"
        );
    }
    let alice = "by-app-good-alice";
    assert_eq!(
        statuses(&service, &[alice, alice, alice]).await,
        [200, 200, 429]
    );
    // Alice has been refused, so the client has one request left: Bob's.
    let bob = "by-app-good-bob";
    assert_eq!(
        statuses(&service, &[alice, bob, bob]).await,
        [429, 200, 429]
    );
    // And Bob was refused because of the client, so he has one left with another.
    let tokens = ["by-other-good-bob", "by-other-good-bob"];
    assert_eq!(statuses(&service, &tokens).await, [200, 429]);
}

/// A request costs what it costs when it is let in, and not before.
#[tokio::test]
async fn a_request_that_is_dropped_costs_what_was_let_in() {
    let site = Site::default();
    let layer = site.loose(QuotaLayer::builder().with_per_principal(at_once(2)));
    let never = tower::service_fn(async |_: Request<String>| {
        pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    // While the authenticator is asked nobody knows yet whose request it is.
    for token in ["hang", "hang", "hang", "good-alice"] {
        let request = portcullis_tests::fixtures::request_with(token);
        let call = layer
            .layer(never)
            .oneshot(request.body(String::new()).unwrap());
        assert_pending!(task::spawn(call).poll());
    }
    let service = layer.layer(site.handler.clone());
    let tokens = ["good-alice", "good-alice"];
    assert_eq!(statuses(&service, &tokens).await, [200, 429]);
}

/// Strangers in any number cost nobody who is there anything, and the operator is told once.
#[tokio::test]
async fn a_full_table_forgets_nobody_who_owes() {
    let (logs, _listening) = Logs::listen();
    let site = Site::default();
    let builder = QuotaLayer::builder()
        .with_per_principal(at_once(1))
        .with_capacity(64);
    let service = site.loose(builder).layer(site.handler.clone());
    assert_eq!(ask(&service, "good-alice").await.status(), 200);
    let mut admitted = 0;
    for n in 0..1000 {
        let response = ask(&service, &format!("good-stranger{n}")).await;
        admitted += u32::from(response.status() == 200);
    }
    // One for each place, and one that those without a place share in each shard.
    assert!((64..=128).contains(&admitted), "{admitted}");
    assert_eq!(ask(&service, "good-alice").await.status(), 429);
    let warnings = logs.lines(Level::WARN);
    assert!(
        matches!(warnings.as_slice(), [line] if line.contains("`with_capacity`")),
        "{warnings:?}"
    );
    site.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(ask(&service, "good-alice").await.status(), 200);
}

/// Nothing that the layer keeps, shows or logs names a caller.
#[tokio::test]
async fn a_layer_shows_no_caller() {
    let (logs, _listening) = Logs::listen();
    let site = Site::default();
    let builder = QuotaLayer::builder()
        .with_per_principal(at_once(1))
        .with_audit(RecordingAudit::new());
    let layer = site.loose(builder);
    let service = layer.layer(site.handler.clone());
    let tokens = ["by-c4n4ry-good-c4n4ry", "by-c4n4ry-good-c4n4ry"];
    assert_eq!(statuses(&service, &tokens).await, [200, 429]);
    let shown = format!("{layer:?} {service:?} {:?}", logs.all());
    assert!(!shown.contains("c4n4ry"), "{shown}");
}
