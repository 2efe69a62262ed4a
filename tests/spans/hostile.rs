//! What strangers write, in what an operator reads.

use std::{convert::Infallible, future::ready};

use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use portcullis::{Exchange, audit::TracingSink};
use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{request_with, stack_builder},
    spans::Spans,
};
use tower::{Layer as _, ServiceExt as _};

async fn handler<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    tracing::info!("handled");
    ready(Ok(Response::default())).await
}

/// Every line is one of ours: it begins with the time, and hides nothing.
#[track_caller]
fn assert_harmless(text: &str) {
    assert!(!text.is_empty());
    for line in text.lines() {
        assert!(line.starts_with("20"), "{line:?}");
        assert!(line.len() < 4000, "{}", line.len());
        let harmful = |char: char| {
            char.is_control()
                || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{e0000}'..='\u{e0fff}')
        };
        assert!(!line.contains(harmful), "{line:?}");
    }
}

#[tokio::test]
async fn a_path_or_method_of_a_stranger_forges_no_line() {
    let long = format!("/{}", "x".repeat(60_000));
    let paths = [
        "/\u{202e}evil",
        "/a\u{2028}2026-01-01T00:00:00Z INFO forged",
        "/a\u{85}b\u{9b}31m",
        "/\u{e0041}\u{e0042}",
        "/%0d%0a2026",
        &long,
    ];
    let (mut sent, (spans, _listening)) = (0, Spans::listen());
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    let layer = portcullis::authn::AuthnLayer::builder()
        .add_authenticator(portcullis_tests::table_auth::TableAuth::new())
        .build()
        .unwrap();
    for path in paths {
        // What the server's parser does not take comes from no network.
        let Ok(uri) = Uri::try_from(path) else {
            continue;
        };
        for method in [Method::GET, Method::from_bytes(&[b'X'; 5000]).unwrap()] {
            let request = |uri: &Uri| {
                let builder = request_with("good-alice").uri(uri.clone());
                builder.method(method.clone()).body(String::new()).unwrap()
            };
            drop(
                gate.layer(tower::service_fn(handler))
                    .oneshot(request(&uri))
                    .await,
            );
            // A loose layer lets every path through to the handler.
            drop(
                layer
                    .layer(tower::service_fn(handler))
                    .oneshot(request(&uri))
                    .await,
            );
            sent += 1;
        }
    }
    assert!(sent >= 6, "{sent}");
    assert_eq!(spans.all().len(), 2 * sent);
    assert!(spans.all().iter().all(|span| span.is_closed));
    assert!(spans.text().contains("handled"));
    assert_harmless(&spans.text());
}

#[tokio::test]
async fn a_route_is_escaped_as_well() {
    let (spans, _listening) = Spans::listen();
    let gate = stack_builder(&RecordingAudit::new()).build().unwrap().0;
    let router = Router::new().route("/{\u{202e}di}", any(async || "note"));
    let request = request_with("good-alice").uri("/x").body(Body::empty());
    let response = gate.guard(router).oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    let (_, span) = spans.request();
    assert_eq!(span.get("http.route"), Some(r"/{\u{202e}di}"));
    assert_eq!(span.get("otel.name"), Some(r"GET /{\u{202e}di}"));
    assert_harmless(&spans.text());
}

/// A model names an operation. In a line of text, what it wrote must not stand there as fields of
/// ours.
#[tokio::test]
async fn an_operation_forges_no_field_of_a_record() {
    let (spans, _listening) = Spans::listen();
    let (gate, _handle) = stack_builder(&RecordingAudit::new())
        .with_audit(TracingSink::new())
        .build()
        .unwrap();
    let probe = HandlerProbe::new();
    let request: Request<String> = request_with("good-alice").body(String::new()).unwrap();
    drop(gate.layer(probe.clone()).oneshot(request).await);
    let parts = probe.take_request().unwrap();
    let exchange = Exchange::of(&parts.extensions).unwrap().clone();
    for operation in [
        r#"notes.list outcome="admitted" reason="permitted" subject=bob"#,
        r#"x" outcome="admitted" y="z"#,
        "x\u{3000}outcome=\"admitted\"",
    ] {
        assert!(exchange.authorize(operation, ()).await.is_err());
    }
    let text = spans.text();
    let calls = text.lines().filter(|line| line.contains(r#"kind="call""#));
    assert_eq!(calls.clone().count(), 3);
    for line in calls {
        // What stands in quotes is one value.
        let outside: String = line.replace("\\\"", "").split('"').step_by(2).collect();
        assert_eq!(outside.matches("outcome=").count(), 1, "{line}");
        assert_eq!(outside.matches("subject=").count(), 1, "{line}");
    }
}
