//! What is decided, and what is written down.

use std::{cell::Cell, rc::Rc, time::Duration};

use portcullis::{Clock as _, Evidence, EvidenceKind, Exchange, audit::Outcome, stack::Stack};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock, mock_auth::MockAuth};
use portcullis_tests::fixtures::{gate, stack_builder, step_up_builder};

use crate::{let_in, with_token};

async fn admitted(token: &str) -> (Exchange, RecordingAudit) {
    let audit = RecordingAudit::new();
    let exchange = let_in(&gate(&audit), with_token(token)).await;
    let _ = audit.take();
    (exchange, audit)
}

#[tokio::test]
async fn who_meets_the_requirement_has_a_permit_for_these_arguments() {
    let (exchange, audit) = admitted("scoped-alice").await;
    let permit = exchange
        .authorize("payments.transfer", vec![5, 0, 0])
        .await
        .unwrap();
    assert_eq!(permit.operation(), "payments.transfer");
    assert_eq!(permit.actor().unwrap().name(), "alice");
    assert_eq!(permit.spend(), [5, 0, 0]);

    let record = audit.assert_call_permitted("payments.transfer");
    assert_eq!(record.outcome, Outcome::Admitted);
    assert_eq!(record.reason.as_str(), "permitted");
    assert_eq!(record.layer, "step_up");
    assert_eq!(record.subject(), Some("alice"));
    assert_eq!(record.authenticator, Some("table"));
    assert_eq!(record.request_id, exchange.id());
    assert_eq!(record.status, None);
    assert_eq!(audit.len(), 1);
}

#[tokio::test]
async fn who_does_not_is_refused_for_the_reason_that_a_request_would_be() {
    for (token, operation, reason, status) in [
        ("good-alice", "payments.transfer", "scope_missing", 403),
        ("weak-alice", "vault.open", "acr_insufficient", 401),
        ("stale-alice", "vault.open", "auth_too_old", 401),
        ("good-alice", "vault.open", "acr_insufficient", 401),
        ("machine-app", "vault.open", "acr_insufficient", 403),
        ("strong-alice", "vault.shut", "operation_unknown", 403),
    ] {
        let (exchange, audit) = admitted(token).await;
        let denial = exchange.authorize(operation, ()).await.unwrap_err();
        assert_eq!(denial.operation(), operation);
        assert_eq!(denial.status(), status, "{token}");
        assert_eq!(denial.request_id(), exchange.id());
        let record = audit.assert_call_refused(operation, reason);
        assert_eq!(record.outcome, Outcome::Refused);
        assert_eq!(record.status.unwrap(), status);
        assert_eq!(audit.len(), 1);
    }
}

#[tokio::test]
async fn each_call_is_judged_by_itself_and_has_a_record() {
    let (exchange, audit) = admitted("scoped-alice").await;
    for _ in 0..3 {
        assert!(exchange.authorize("payments.transfer", ()).await.is_ok());
        assert!(exchange.authorize("notes.list", ()).await.is_ok());
        assert!(exchange.authorize("vault.open", ()).await.is_err());
    }
    let records = audit.take();
    let outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
    let once = [Outcome::Admitted, Outcome::Admitted, Outcome::Refused];
    assert_eq!(outcomes, once.repeat(3));
    assert!(
        records
            .iter()
            .all(|record| record.request_id == exchange.id())
    );
}

/// The time that counts is that of the call, not that of the request.
#[tokio::test]
async fn a_recent_authentication_grows_old_in_mid_stream() {
    let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
    let builder = stack_builder(&audit).with_clock(clock.clone());
    let gate = builder.build().unwrap().0;
    let exchange = let_in(&gate, with_token("strong-alice")).await;
    clock.advance(Duration::from_secs(300));
    assert!(exchange.authorize("vault.open", ()).await.is_ok());
    clock.advance(Duration::from_secs(1));
    let _ = audit.take();
    assert!(exchange.authorize("vault.open", ()).await.is_err());
    let record = audit.assert_call_refused("vault.open", "auth_too_old");
    assert_eq!(record.at, clock.now());
    // What asks for no age is not affected.
    assert!(exchange.authorize("payments.transfer", ()).await.is_ok());
}

#[tokio::test]
async fn a_credential_that_has_expired_permits_nothing() {
    let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
    let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
    let until = clock.now() + Duration::from_secs(60);
    let (gate, _handle) = Stack::builder()
        .with_audit(audit.clone())
        .with_clock(clock.clone())
        .with_resource("https://agent.example/")
        .with_step_up(step_up_builder())
        .add_authenticator(MockAuth::evidence(alice.with_not_after(until)))
        .build()
        .unwrap();
    let exchange = let_in(&gate, with_token("any")).await;
    clock.advance(Duration::from_secs(59));
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
    clock.advance(Duration::from_secs(1));
    let _ = audit.take();
    let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
    assert_eq!(denial.status(), 401);
    assert!(
        denial
            .www_authenticate()
            .all(|line| line.contains("error=\"invalid_token\""))
    );
    audit.assert_call_refused("notes.list", "credential_expired");
}

#[tokio::test]
async fn an_anonymous_caller_may_do_what_requires_nothing() {
    let audit = RecordingAudit::new();
    let builder = stack_builder(&audit).add_anonymous_route("/");
    let gate = builder.build().unwrap().0;
    let request = portcullis_tests::fixtures::request();
    let exchange = let_in(&gate, request.body(String::new()).unwrap()).await;
    assert!(exchange.is_anonymous());
    let _ = audit.take();

    let permit = exchange.authorize("notes.list", 1).await.unwrap();
    assert!(permit.actor().is_none());
    assert_eq!(permit.spend(), 1);
    audit.assert_call_permitted("notes.list");
    let _ = audit.take();

    let denial = exchange
        .authorize("payments.transfer", 1)
        .await
        .unwrap_err();
    assert_eq!(denial.status(), 401);
    assert_eq!(
        denial.www_authenticate().collect::<Vec<_>>(),
        [portcullis_tests::fixtures::CHALLENGE_MISSING]
    );
    audit.assert_call_refused("payments.transfer", "credentials_missing");
}

/// Nothing was asked, so nothing was decided.
#[tokio::test]
async fn a_call_that_is_dropped_before_it_is_polled_was_never_made() {
    let (exchange, audit) = admitted("scoped-alice").await;
    drop(exchange.authorize("payments.transfer", ()));
    assert!(audit.is_empty());
}

#[tokio::test]
async fn calls_and_requests_are_counted_apart() {
    let audit = RecordingAudit::new();
    let (gate, handle) = stack_builder(&audit).build().unwrap();
    let exchange = let_in(&gate, with_token("scoped-alice")).await;
    for operation in ["payments.transfer", "notes.list", "vault.open", "lost"] {
        let _ = exchange.authorize(operation, ()).await;
    }
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.calls_permitted), (1, 2));
    assert!(stats.not_admitted.is_empty());
    let refused = [("acr_insufficient", 1), ("operation_unknown", 1)];
    assert!(stats.calls_refused.into_iter().eq(refused));
}

/// The future borrows nothing and can be spawned; its arguments need not be shared, and on one
/// thread not even be sent.
#[tokio::test]
async fn a_call_goes_where_its_arguments_go() {
    let (exchange, _audit) = admitted("scoped-alice").await;
    let call = {
        let name = String::from("payments.transfer");
        exchange.authorize(&name, Cell::new(5))
    };
    drop(exchange);
    let permit = tokio::spawn(call).await.unwrap().unwrap();
    assert_eq!(permit.spend().get(), 5);

    let (exchange, _audit) = admitted("scoped-alice").await;
    let tied = Rc::new(5);
    let permit = exchange.authorize("payments.transfer", Rc::clone(&tied));
    assert!(Rc::ptr_eq(&permit.await.unwrap().spend(), &tied));
}

/// A failing sink loses the record, and nothing else: it is counted.
#[tokio::test]
async fn a_record_that_is_lost_is_counted() {
    let audit = RecordingAudit::new();
    let (gate, handle) = stack_builder(&audit).build().unwrap();
    let exchange = let_in(&gate, with_token("scoped-alice")).await;
    audit.set_failing(true);
    assert!(exchange.authorize("payments.transfer", ()).await.is_ok());
    assert_eq!(handle.stats().records_lost, 1);
}
