//! Over real connections.

use std::time::Duration;

use axum::{Router, routing::get};
use http_body_util::{BodyExt as _, Empty};
use portcullis::{
    Principal,
    quota::{Quota, QuotaLayer},
};
use portcullis_tests::{
    fixtures::request_with,
    wire::{Client, Payload, Server, http1},
};

use crate::Site;

fn request(token: &str) -> http::Request<Payload> {
    request_with(token).body(Empty::new().boxed()).unwrap()
}

async fn served(site: &Site, quota: Quota) -> Server {
    let builder = site.stack(QuotaLayer::builder().with_per_principal(quota));
    let (gate, _) = builder.build().unwrap();
    let who = async |principal: Principal| principal.subject().to_owned();
    let router = Router::new().route("/", get(who));
    Server::axum(gate.guard(router)).await.unwrap()
}

/// Axum clones the service for each connection; the quota is one.
#[tokio::test]
async fn a_new_connection_brings_no_new_quota() {
    let site = Site::default();
    let server = served(&site, Quota::per_minute(2)).await;
    let ask = async |token: &str| http1(server.address(), request(token)).await.unwrap();
    for _ in 0..2 {
        let response = ask("good-alice").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.body(), "alice");
    }
    let response = ask("good-alice").await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "30");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(ask("good-bob").await.status(), 200);
    site.clock.advance(Duration::from_secs(30));
    assert_eq!(ask("good-alice").await.status(), 200);
    assert_eq!(ask("good-alice").await.status(), 429);
    site.audit.assert_decisions(6);
}

/// Requests that are under way at the same time do not get in on the same cell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_spend_one_quota() {
    let site = Site::default();
    let server = served(&site, Quota::per_hour(10)).await;
    let client = Client::http2(server.address()).await.unwrap();
    let calls = (0..64).map(|n| {
        let mut client = client.clone();
        let token = if n % 2 == 0 {
            "good-alice"
        } else {
            "io-good-alice"
        };
        tokio::spawn(async move { client.send(request(token)).await.unwrap().status() })
    });
    let statuses = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let admitted = statuses
        .into_iter()
        .filter(|status| *status.as_ref().unwrap() == 200)
        .count();
    assert_eq!(admitted, 10);
    site.audit.assert_decisions(64);
}
