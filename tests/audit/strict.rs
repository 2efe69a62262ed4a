//! Nothing is let in before its record is durable, where the sink is strict.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use portcullis::{
    Exchange, Gate, GateHandle,
    audit::{AuditSink, Durable, Outcome, Record, RecordKind, SinkError},
};
use portcullis_testing::{audit::RecordingAudit, http_probe::HandlerProbe};
use portcullis_tests::fixtures::{
    authn_builder, binding_builder, perimeter_builder, quota_builder, request, request_with,
    session_builder, stack_builder, step_up_builder,
};
use tokio_test::{assert_pending, assert_ready};
use tower::{Layer as _, ServiceExt as _, service_fn};

fn gate(audit: &RecordingAudit) -> (Gate, GateHandle) {
    stack_builder(audit).build().unwrap()
}

fn with_token(token: &str) -> Request<String> {
    request_with(token).body(String::new()).unwrap()
}

/// What was decided about requests, and how they ended.
fn story(audit: &RecordingAudit) -> Vec<(RecordKind, Outcome, &'static str)> {
    audit
        .records()
        .iter()
        .filter(|record| record.kind != RecordKind::SessionStart)
        .map(|record| (record.kind, record.outcome, record.reason.as_str()))
        .collect()
}

#[tokio::test]
async fn the_handler_is_called_when_the_record_is_durable_and_not_before() {
    for token in ["good-alice", "io-good-alice"] {
        let audit = RecordingAudit::strict();
        let (gate, handle) = gate(&audit);
        let probe = HandlerProbe::new();
        audit.set_held(true);
        let answer = gate.layer(probe.clone()).oneshot(with_token(token));
        let mut answer = tokio_test::task::spawn(answer);
        assert_pending!(answer.poll());
        // The authenticator that does I/O takes a turn.
        assert_pending!(answer.poll());
        probe.assert_not_called();
        let admitted = (RecordKind::Decision, Outcome::Admitted, "admitted");
        assert_eq!(story(&audit), [admitted], "{token}");
        assert_eq!(handle.stats().admitted, 0);

        audit.set_held(false);
        assert!(answer.is_woken());
        let response = assert_ready!(answer.poll()).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        probe.assert_called(1);
        assert_eq!(handle.stats().admitted, 1);
        response.into_body().collect().await.unwrap();
        drop(answer);
        let end = (RecordKind::End, Outcome::Admitted, "completed");
        assert_eq!(story(&audit), [admitted, end], "{token}");
    }
}

#[tokio::test]
async fn without_a_durable_record_the_answer_is_503_and_the_handler_is_not_called() {
    // Failing at once, and failing after a while.
    for is_held in [false, true] {
        let audit = RecordingAudit::strict();
        let (gate, handle) = gate(&audit);
        let probe = HandlerProbe::new();
        audit.set_held(is_held);
        audit.set_failing(!is_held);
        let answer = gate.layer(probe.clone()).oneshot(with_token("good-alice"));
        let mut answer = tokio_test::task::spawn(answer);
        if is_held {
            assert_pending!(answer.poll());
            audit.set_failing(true);
            audit.set_held(false);
        }
        let response = assert_ready!(answer.poll()).unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(!response.headers().contains_key("www-authenticate"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\"instance\":\"urn:uuid:0"), "{body}");
        assert!(!body.contains("audit"), "{body}");
        probe.assert_not_called();
        drop(answer);
        let stats = handle.stats();
        assert_eq!(stats.admitted, 0);
        assert_eq!(stats.not_admitted["audit_unavailable"], 1);

        // Whoever comes next is let in, once there is a record.
        audit.set_failing(false);
        let _ = audit.take();
        let answer = gate.layer(probe.clone()).oneshot(with_token("good-alice"));
        assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
        probe.assert_called(1);
    }
}

/// Takes each record, and cannot say that it is durable.
struct Forgetful(RecordingAudit);

impl AuditSink for Forgetful {
    fn record(&self, record: &Record<'_>) -> Result<(), SinkError> {
        self.0.record(record)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn commit(&self, record: &Record<'_>) -> Durable {
        let _ = self.0.record(record);
        Durable::ready(Err(SinkError::new("lost it")))
    }
}

#[tokio::test]
async fn what_failed_after_it_was_taken_is_recorded_as_failed_and_has_no_end() {
    let audit = RecordingAudit::new();
    let stack = stack_builder(&audit).with_audit(Forgetful(audit.clone()));
    let (gate, _handle) = stack.build().unwrap();
    let answer = gate
        .layer(HandlerProbe::new())
        .oneshot(with_token("good-alice"));
    assert_eq!(answer.await.unwrap().status(), 503);
    assert_eq!(
        story(&audit),
        [
            (RecordKind::Decision, Outcome::Admitted, "admitted"),
            (RecordKind::Decision, Outcome::Failed, "audit_unavailable"),
        ]
    );
    let records = audit.records();
    let last = records.last().unwrap();
    assert_eq!(last.layer, "audit");
    assert_eq!(last.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(last.subject(), Some("alice"));
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_leaves_a_decision_and_an_end() {
    let audit = RecordingAudit::strict();
    let (gate, _handle) = gate(&audit);
    audit.set_held(true);
    let probe = HandlerProbe::new();
    let answer = gate.layer(probe.clone()).oneshot(with_token("good-alice"));
    let mut answer = tokio_test::task::spawn(answer);
    assert_pending!(answer.poll());
    drop(answer);
    probe.assert_not_called();
    assert_eq!(
        story(&audit),
        [
            (RecordKind::Decision, Outcome::Admitted, "admitted"),
            (RecordKind::End, Outcome::Admitted, "dropped"),
        ]
    );
}

#[tokio::test]
async fn to_refuse_waits_for_nobody() {
    let audit = RecordingAudit::strict();
    let (gate, _handle) = gate(&audit);
    audit.set_held(true);
    for is_failing in [false, true] {
        audit.set_failing(is_failing);
        let request = request().body(String::new()).unwrap();
        let answer = gate.layer(HandlerProbe::new()).oneshot(request);
        let mut answer = tokio_test::task::spawn(answer);
        let response = assert_ready!(answer.poll()).unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_session_that_ended_while_the_disk_took_its_time_lets_nobody_in() {
    let audit = RecordingAudit::strict();
    let (gate, handle) = gate(&audit);
    let probe = HandlerProbe::new();
    audit.set_held(true);
    let answer = gate.layer(probe.clone()).oneshot(with_token("good-alice"));
    let mut answer = tokio_test::task::spawn(answer);
    assert_pending!(answer.poll());
    let ended = handle.end_sessions("https://idp.example", "alice").await;
    assert_eq!(ended.unwrap(), 1);
    audit.set_held(false);
    let response = assert_ready!(answer.poll()).unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    probe.assert_not_called();
}

/// The exchange of a request that was let in, as its handler has it.
async fn exchange(gate: &Gate) -> Exchange {
    let probe = HandlerProbe::new();
    let request = with_token("scoped-alice");
    assert!(gate.layer(probe.clone()).oneshot(request).await.is_ok());
    let parts = probe.take_request().unwrap();
    Exchange::of(&parts.extensions).unwrap().clone()
}

#[tokio::test]
async fn a_permit_waits_for_its_record() {
    let audit = RecordingAudit::strict();
    let (gate, handle) = gate(&audit);
    let exchange = exchange(&gate).await;
    let _ = audit.take();
    audit.set_held(true);
    let mut call = tokio_test::task::spawn(exchange.authorize("payments.transfer", 7));
    assert_pending!(call.poll());
    audit.assert_call_permitted("payments.transfer");
    assert_eq!(handle.stats().calls_permitted, 0);
    audit.set_held(false);
    assert!(call.is_woken());
    assert_eq!(assert_ready!(call.poll()).unwrap().spend(), 7);
    assert_eq!(handle.stats().calls_permitted, 1);
    assert_eq!(audit.len(), 1);

    // A refusal does not wait.
    audit.set_held(true);
    let mut call = tokio_test::task::spawn(exchange.authorize("vault.open", ()));
    assert!(assert_ready!(call.poll()).is_err());
}

#[tokio::test]
async fn without_a_durable_record_there_is_no_permit() {
    let audit = RecordingAudit::strict();
    let (gate, handle) = gate(&audit);
    let exchange = exchange(&gate).await;
    audit.set_failing(true);
    let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
    assert_eq!(denial.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(denial.for_model().contains("cannot decide"), "{denial}");
    assert_eq!(handle.stats().calls_refused["audit_unavailable"], 1);
    audit.set_failing(false);
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
}

#[test]
fn a_layer_that_stands_alone_refuses_a_strict_sink() {
    let audit = RecordingAudit::strict();
    let problems = [
        authn_builder(&audit).build().err(),
        binding_builder(&audit).build().err(),
        perimeter_builder(&audit).build().err(),
        quota_builder(&audit).build().err(),
        session_builder(&audit).build().err(),
        step_up_builder().with_audit(audit.clone()).build().err(),
    ];
    for problem in problems {
        let problem = problem.unwrap().to_string();
        assert!(problem.starts_with("`with_audit`: "), "{problem}");
        assert!(problem.contains("`Stack`"), "{problem}");
    }
}

#[tokio::test]
async fn behind_a_worker_it_waits_as_well() {
    let audit = RecordingAudit::strict();
    let (gate, _handle) = gate(&audit);
    let handler = service_fn(async |_: Request<portcullis::RequestBody<String>>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let service = tower::ServiceBuilder::new()
        .buffer(4)
        .layer(gate)
        .service(handler);
    audit.set_failing(true);
    let request = with_token("good-alice");
    assert_eq!(
        service.clone().oneshot(request).await.unwrap().status(),
        503
    );
    audit.set_failing(false);
    let request = with_token("good-alice");
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
}
