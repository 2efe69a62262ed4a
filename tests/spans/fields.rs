//! What the span of a request says.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use portcullis::{BoxError, Gate, PeerAddress, session::SessionLayer};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{authn, perimeter, request, request_with, stack_builder},
    spans::{SeenSpan, Spans},
    wire,
};
use tower::{Layer, Service, ServiceExt as _};
use tracing::Level;

fn gate(audit: &RecordingAudit) -> Gate {
    stack_builder(audit).build().unwrap().0
}

fn with_status<B>(status: u16) -> impl Fn(Request<B>) -> Ready<Answer> + Clone {
    move |_| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        ready(Ok(response))
    }
}

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// Sends one request to a service of ours, reads the answer, and returns the span.
async fn span_of<S, B>(service: S, request: Request<String>) -> SeenSpan
where
    S: Service<Request<String>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let (spans, _listening) = Spans::listen();
    if let Ok(response) = service.oneshot(request).await {
        drop(wire::read(response).await);
    }
    let (_, span) = spans.request();
    assert!(span.is_closed, "{span:?}");
    span
}

fn plain(builder: http::request::Builder) -> Request<String> {
    builder.body(String::new()).unwrap()
}

#[tokio::test]
async fn a_request_on_a_route() {
    let (spans, _listening) = Spans::listen();
    let audit = RecordingAudit::new();
    let inner = Router::new().route("/{id}", get(async || "note"));
    let router = Router::new().nest("/notes", inner);
    let guarded = gate(&audit).guard(router);
    let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = request_with("good-alice").header("traceparent", sent);
    let mut request = request
        .uri("/notes/7?secret=yes")
        .body(Body::empty())
        .unwrap();
    let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 5000));
    PeerAddress::from(peer).attach(request.extensions_mut());
    let response = guarded.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(wire::read(response).await.unwrap());

    let (_, span) = spans.request();
    let decision = audit.assert_admitted("alice");
    assert_eq!((span.name, span.level), ("request", Level::INFO));
    let session = decision.session.unwrap().to_string();
    let id = decision.request_id.to_string();
    let expected = [
        ("otel.name", "GET /notes/{id}"),
        ("otel.kind", "server"),
        ("http.request.method", "GET"),
        ("url.path", "/notes/7"),
        ("http.route", "/notes/{id}"),
        ("request_id", &id),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("parent_id", "00f067aa0ba902b7"),
        ("client.address", "192.0.2.1"),
        ("session.id", &session),
        ("http.response.status_code", "200"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    assert_eq!(span.fields, expected);
    assert!(!spans.text().contains("alice"), "{}", spans.text());
    assert!(!spans.text().contains("secret"), "{}", spans.text());
}

/// The page for operators is right.
#[tokio::test]
async fn the_span_has_the_fields_of_the_documented_table() {
    let page = include_str!("../../crates/portcullis/src/guide/spans.rs");
    let documented: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("//! | field |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("//! | `")?.split('`').next())
        .collect();
    let handler = tower::service_fn(with_status(200));
    let service = gate(&RecordingAudit::new()).layer(handler);
    let span = span_of(service, plain(request_with("good-alice"))).await;
    assert_eq!(documented, span.names);
    assert!(page.contains(&format!("//! | `{}` |", span.target)));
    assert!(page.contains(&format!("called `{}`", span.name)));
}

#[tokio::test]
async fn what_is_not_known_is_not_said() {
    let span = span_of(
        gate(&RecordingAudit::new()).layer(tower::service_fn(with_status(200))),
        plain(request_with("good-alice").uri("/notes/7")),
    )
    .await;
    for absent in [
        "http.route",
        "client.address",
        "error.type",
        "otel.status_code",
        "user.id",
        "trace_id",
        "parent_id",
        "http.request.method_original",
    ] {
        assert_eq!(span.get(absent), None, "{absent}");
    }
    // Without a route the name is the method: paths are too many.
    assert_eq!(span.get("otel.name"), Some("GET"));
    assert_eq!(span.get("url.path"), Some("/notes/7"));
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_no_name() {
    for (method, known, name, original) in [
        ("QUERY", "QUERY", "QUERY", None),
        ("DELETE", "DELETE", "DELETE", None),
        ("get", "_OTHER", "HTTP", Some("get")),
        ("BREW", "_OTHER", "HTTP", Some("BREW")),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let gate = gate(&RecordingAudit::new());
        let span = span_of(
            gate.layer(tower::service_fn(with_status(200))),
            plain(request_with("good-alice").method(method)),
        )
        .await;
        assert_eq!(span.get("http.request.method"), Some(known));
        assert_eq!(span.get("otel.name"), Some(name));
        assert_eq!(span.get("http.request.method_original"), original);
    }
}

#[tokio::test]
async fn what_the_gate_answers_by_itself() {
    for (token, status, error) in [
        ("bad", "401", None),
        ("io-bad", "401", None),
        ("garbled", "400", None),
        ("down", "503", Some("table_down")),
        ("io-down", "503", Some("table_down")),
    ] {
        let gate = gate(&RecordingAudit::new());
        let span = span_of(
            gate.layer(tower::service_fn(with_status(200))),
            plain(request_with(token)),
        )
        .await;
        assert_eq!(
            span.get("http.response.status_code"),
            Some(status),
            "{token}"
        );
        assert_eq!(span.get("error.type"), error, "{token}");
        assert_eq!(span.get("otel.status_code"), error.map(|_| "ERROR"));
        assert_eq!(span.get("session.id"), None);
    }
}

#[tokio::test]
async fn a_record_that_is_not_durable_is_a_failure() {
    let audit = RecordingAudit::strict();
    audit.set_failing(true);
    let span = span_of(
        gate(&audit).layer(tower::service_fn(with_status(200))),
        plain(request_with("good-alice")),
    )
    .await;
    assert_eq!(span.get("http.response.status_code"), Some("503"));
    assert_eq!(span.get("error.type"), Some("audit_unavailable"));
}

#[tokio::test]
async fn what_a_handler_answers() {
    for (status, error) in [
        (204, None),
        (404, None),
        (500, Some("500")),
        (599, Some("599")),
    ] {
        let gate = gate(&RecordingAudit::new());
        let handler = tower::service_fn(with_status(status));
        let span = span_of(gate.layer(handler), plain(request_with("good-alice"))).await;
        let text = status.to_string();
        assert_eq!(span.get("http.response.status_code"), Some(&*text));
        assert_eq!(span.get("error.type"), error);
        assert_eq!(span.get("otel.status_code"), error.map(|_| "ERROR"));
    }
}

#[tokio::test]
async fn a_service_or_a_body_that_fails() {
    let fails = tower::service_fn(|_| ready(Err::<Response<Full<Bytes>>, _>("no")));
    let span = span_of(
        gate(&RecordingAudit::new()).layer(fails),
        plain(request_with("good-alice")),
    )
    .await;
    assert_eq!(span.get("http.response.status_code"), None);
    assert_eq!(span.get("error.type"), Some("failed"));

    for (status, error) in [(200, "failed"), (502, "502")] {
        let breaks = tower::service_fn(move |_| {
            let frames = [Ok(Frame::data(Bytes::from("half"))), Err("broken")];
            let body = StreamBody::new(futures_util::stream::iter(frames));
            let mut response = Response::new(BodyExt::boxed_unsync(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            ready(Ok::<_, Infallible>(response))
        });
        let span = span_of(
            gate(&RecordingAudit::new()).layer(breaks),
            plain(request_with("good-alice")),
        )
        .await;
        // The first of two ways in which it failed.
        assert_eq!(span.get("error.type"), Some(error), "{status}");
    }
}

/// One span, made by whoever is outermost, which says what left the outermost layer.
#[tokio::test]
async fn loose_layers_have_one_span_together() {
    let inner = authn(&RecordingAudit::failing());
    let outer = perimeter(&RecordingAudit::new());
    for (token, status, error) in [
        ("good-alice", "200", None),
        ("io-good-alice", "200", None),
        ("bad", "401", None),
        ("down", "503", Some("503")),
    ] {
        let handler = tower::service_fn(with_status(200));
        let service = outer.layer(inner.layer(handler));
        let span = span_of(service, plain(request_with(token))).await;
        assert_eq!(span.get("http.response.status_code"), Some(status));
        assert_eq!(span.get("error.type"), error, "{token}");
    }
    // What stands between them has the last word.
    let hides = tower::util::MapResponseLayer::new(|mut response: Response<_>| {
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    });
    let service = outer.layer(hides.layer(inner.layer(tower::service_fn(with_status(200)))));
    let span = span_of(service, plain(request_with("bad"))).await;
    assert_eq!(span.get("http.response.status_code"), Some("404"));
}

#[tokio::test]
async fn layers_that_stand_wrong_are_a_failure() {
    let (outer, inner) = (
        authn(&RecordingAudit::new()),
        perimeter(&RecordingAudit::new()),
    );
    let service = outer.layer(inner.layer(tower::service_fn(with_status(200))));
    let span = span_of(service, plain(request_with("good-alice"))).await;
    assert_eq!(span.get("http.response.status_code"), Some("500"));
    let session = SessionLayer::builder().build().unwrap();
    let service = session.layer(tower::service_fn(with_status(200)));
    let span = span_of(service, plain(request())).await;
    assert_eq!(span.get("http.response.status_code"), Some("500"));
    assert_eq!(span.get("error.type"), Some("stack_misordered"));
}
