//! The trace of a request in its records.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis::{Exchange, TraceParent, audit::TracingSink, audit::log::AuditLog};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{authn, perimeter, request, request_with, stack_builder},
    folder::TestFolder,
    forger::Forger,
    spans::Spans,
    wire,
};
use tower::{Layer as _, ServiceExt as _};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Answers with the `traceparent` that the exchange has read.
async fn echo<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let exchange = Exchange::of(request.extensions()).expect("there is an exchange");
    let trace = exchange.trace_parent();
    let text = trace.as_ref().map(TraceParent::to_string);
    Ok(Response::new(Full::from(text.unwrap_or_default())))
}

#[tokio::test]
async fn every_record_of_a_request_names_its_trace() {
    let audit = RecordingAudit::new();
    let (gate, _handle) = stack_builder(&audit).build().unwrap();
    let (inner, outer) = (authn(&RecordingAudit::failing()), perimeter(&audit));
    let gate = gate.layer(tower::service_fn(echo));
    let loose = outer.layer(inner.layer(tower::service_fn(echo)));

    let good = || request_with("good-alice").header("traceparent", SENT);
    let bad = || request_with("bad").header("traceparent", SENT);
    let with = |request: http::request::Builder| request.body(String::new()).unwrap();
    let bodies = [
        wire::read(gate.clone().oneshot(with(good())).await.unwrap()).await,
        wire::read(loose.clone().oneshot(with(good())).await.unwrap()).await,
    ];
    for body in bodies {
        assert_eq!(body.unwrap().into_body(), SENT);
    }
    drop(gate.oneshot(with(bad())).await);
    drop(loose.oneshot(with(bad())).await);

    // Of the gate: a session, a decision, an end; a refusal. Of loose layers: no session.
    let records = audit.take();
    assert_eq!(records.len(), 7, "{records:?}");
    for record in records {
        assert_eq!(record.trace.unwrap().to_string(), SENT);
        assert!(record.to_string().contains(&format!(", in trace {TRACE}")));
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_is_sent_twice_is_no_trace() {
    let audit = RecordingAudit::new();
    let (gate, _handle) = stack_builder(&audit).build().unwrap();
    let gate = gate.layer(tower::service_fn(echo));
    let good = || request_with("good-alice");
    let hidden = format!("00-{TRACE}-{PARENT}-01 x");
    for request in [
        good(),
        good()
            .header("traceparent", SENT)
            .header("traceparent", SENT),
        good().header("traceparent", SENT.to_uppercase()),
        good().header("traceparent", hidden),
    ] {
        let request = request.body(String::new()).unwrap();
        let response = gate.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "a trace decides nothing");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "");
    }
    assert!(audit.take().iter().all(|record| record.trace.is_none()));
}

#[tokio::test]
async fn the_audit_log_names_the_trace_and_the_operation_in_it() {
    let folder = TestFolder::new();
    let log = AuditLog::builder(folder.path()).open().unwrap();
    let builder = stack_builder(&RecordingAudit::new()).with_audit(log.clone());
    let (gate, _handle) = builder.build().unwrap();
    let gate = gate.layer(tower::service_fn(echo));
    let traced = request().header("traceparent", SENT).body(String::new());
    drop(gate.clone().oneshot(traced.unwrap()).await);
    let untraced = request().body(String::new());
    drop(gate.oneshot(untraced.unwrap()).await);
    log.close().unwrap();

    let forger = Forger::of(folder.path());
    let lines: Vec<serde_json::Value> = forger
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["kind"] == "decision")
        .collect();
    assert_eq!(lines.len(), 2);
    let trace = serde_json::json!({ "uid": TRACE, "span": { "parent_uid": PARENT } });
    assert_eq!(lines[0]["trace"], trace);
    assert_eq!(lines[1].get("trace"), None);
}

#[tokio::test]
async fn the_event_of_a_record_names_the_trace() {
    let (spans, _listening) = Spans::listen();
    let builder = stack_builder(&RecordingAudit::new()).with_audit(TracingSink::new());
    let (gate, _handle) = builder.build().unwrap();
    let gate = gate.layer(tower::service_fn(echo));
    for request in [request().header("traceparent", SENT), request()] {
        drop(
            gate.clone()
                .oneshot(request.body(String::new()).unwrap())
                .await,
        );
    }
    let lines: Vec<String> = spans
        .events()
        .into_iter()
        .filter(|event| event.line.starts_with("portcullis::decision "))
        .map(|event| event.line)
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let named = format!(" trace_id={TRACE} parent_id={PARENT} ");
    assert!(lines[0].contains(&named), "{}", lines[0]);
    assert!(!lines[1].contains("trace_id"), "{}", lines[1]);
}
