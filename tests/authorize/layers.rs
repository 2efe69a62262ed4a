//! One `step_up` inside another: inner layers only tighten.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use http_body_util::BodyExt as _;
use portcullis::{
    Exchange,
    audit::Outcome,
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock, http_probe::HandlerProbe};
use portcullis_tests::{
    fixtures::{
        CHALLENGE_SCOPE, PAYMENTS, a_scope, authn, authn_and_step_up, authn_builder, gate,
        request_with, stack_builder, step_up, strength,
    },
    logs::Logs,
};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, layer::util::Stack};
use tracing::Level;

use crate::{let_in, with_token};

fn layer(requirement: Requirement) -> StepUpLayer {
    let builder = StepUpLayer::builder().with_requirement(requirement);
    builder.build().unwrap()
}

/// Around one route, inside a gate that requires nothing for it. The gate has said by then
/// that it let the request in, so what became of it is a second record.
#[tokio::test]
async fn around_a_single_route_inside_a_gate() {
    let audit = RecordingAudit::new();
    let strict = get(async || "strict").layer(layer(a_scope()));
    let router = Router::new()
        .route("/strict", strict)
        .route("/open", get(async || "open"))
        .layer(gate(&audit));
    let send = async |path: &str, token: &str| {
        let request = request_with(token).uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    };
    assert_eq!(send("/open", "good-alice").await.1, "open");
    assert_eq!(send("/strict", "scoped-alice").await.1, "strict");
    audit.assert_decisions(2);
    let _ = audit.take();

    let (parts, _) = send("/strict", "good-alice").await;
    assert_eq!(parts.status, 403);
    assert_eq!(parts.headers["www-authenticate"], CHALLENGE_SCOPE);
    let records = audit.take();
    let [admitted, refused] = records.as_slice() else {
        unreachable!("two records, not {records:?}");
    };
    assert_eq!(admitted.outcome, Outcome::Admitted);
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!(refused.reason.as_str(), "scope_missing");
    assert_eq!(refused.subject(), Some("alice"));
    assert_eq!(refused.request_id, admitted.request_id);
    assert_eq!(send("/strict", "scoped-alice").await.0.status, 200);
}

/// Around a handler behind loose layers: there the outermost writes the one record.
#[tokio::test]
async fn behind_loose_layers_there_is_one_record() {
    let audit = RecordingAudit::new();
    let handler = HandlerProbe::new();
    let service = authn_and_step_up(&audit).layer(layer(strength()).layer(handler.clone()));
    let send = |token| service.clone().oneshot(with_token(token));
    assert_eq!(send("weak-alice").await.unwrap().status(), 401);
    handler.assert_not_called();
    audit.assert_refused("acr_insufficient", 401);
    let _ = audit.take();
    assert_eq!(send("strong-alice").await.unwrap().status(), 200);
    audit.assert_admitted("alice");
}

/// What an outer layer requires holds whatever an inner one says about it.
#[tokio::test]
async fn an_inner_layer_takes_nothing_back() {
    let (audit, handler) = (RecordingAudit::new(), HandlerProbe::new());
    let inner = StepUpLayer::builder()
        .add_route_requirement(PAYMENTS, Requirement::new().with_scopes("other"))
        .require("payments.transfer", Requirement::new())
        .build()
        .unwrap();
    let service = gate(&audit).layer(inner.layer(handler.clone()));
    for token in ["good-alice", "scoped-alice"] {
        let request = request_with(token).uri(PAYMENTS);
        let response = service
            .clone()
            .oneshot(request.body(String::new()).unwrap());
        assert_eq!(response.await.unwrap().status(), 403, "{token}");
    }
    handler.assert_not_called();

    let both = ServiceBuilder::new().layer(gate(&audit)).layer(inner);
    let exchange = let_in(&both, with_token("good-alice")).await;
    assert!(exchange.authorize("payments.transfer", ()).await.is_err());
    let exchange = let_in(&both, with_token("scoped-alice")).await;
    assert!(exchange.authorize("payments.transfer", ()).await.is_ok());
}

/// Every layer that names an operation has its say, and what one requires of everything holds
/// for every call.
#[tokio::test]
async fn an_operation_has_to_meet_what_all_layers_require() {
    let audit = RecordingAudit::new();
    let strict = StepUpLayer::builder()
        .require("payments.transfer", strength())
        .build()
        .unwrap();
    let both = ServiceBuilder::new().layer(gate(&audit)).layer(strict);
    for (token, operation, reason) in [
        (
            "scoped-alice",
            "payments.transfer",
            Some("acr_insufficient"),
        ),
        ("strong-alice", "payments.transfer", None),
        ("scoped-alice", "notes.list", None),
    ] {
        let exchange = let_in(&both, with_token(token)).await;
        let _ = audit.take();
        let called = exchange.authorize(operation, ()).await;
        assert_eq!(called.is_err(), reason.is_some());
        match reason {
            Some(reason) => audit.assert_call_refused(operation, reason),
            None => audit.assert_call_permitted(operation),
        };
    }

    // The inner one requires something of everything, and was met a while ago.
    let audit = RecordingAudit::new();
    let clock = VirtualClock::new();
    let outer = stack_builder(&audit).with_clock(clock.clone());
    let both = ServiceBuilder::new()
        .layer(outer.build().unwrap().0)
        .layer(layer(strength()));
    let exchange = let_in(&both, with_token("strong-alice")).await;
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
    clock.advance(Duration::from_secs(301));
    assert!(exchange.authorize("notes.list", ()).await.is_err());
}

/// An inner layer cannot make an operation known that the outermost does not name.
#[tokio::test]
async fn the_outermost_knows_which_operations_there_are() {
    let (logs, _listening) = Logs::listen();
    let audit = RecordingAudit::new();
    let inner = StepUpLayer::builder()
        .require("reports.run", Requirement::new())
        .build()
        .unwrap();
    let both = ServiceBuilder::new()
        .layer(gate(&audit))
        .layer(inner.clone());
    let exchange = let_in(&both, with_token("strong-alice")).await;
    let _ = audit.take();
    assert!(exchange.authorize("reports.run", ()).await.is_err());
    audit.assert_call_refused("reports.run", "operation_unknown");
    let errors = logs.lines(Level::ERROR);
    assert!(
        matches!(errors.as_slice(), [line] if line.contains("the outermost `step_up`")),
        "{errors:?}"
    );

    // As the only one, it is the outermost.
    let alone = Stack::new(inner, authn(&audit));
    let exchange = let_in(&alone, with_token("good-alice")).await;
    assert!(exchange.authorize("reports.run", ()).await.is_ok());
}

#[tokio::test]
async fn three_layers_are_kept_in_their_order() {
    let audit = RecordingAudit::new();
    let builder = ServiceBuilder::new()
        .layer(gate(&audit))
        .layer(step_up(&audit))
        .layer(layer(a_scope()));
    let exchange = let_in(&builder, with_token("scoped-alice")).await;
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
    assert!(exchange.trail().eq(portcullis::Slot::ALL));
    let _: Exchange = exchange;
}

#[test]
fn a_gate_names_the_mistakes_of_its_step_up_among_the_others() {
    let builder = stack_builder(&RecordingAudit::new())
        .with_resource("http://agent.example/")
        .with_step_up(StepUpLayer::builder().require("", Requirement::new()));
    let errors = builder.build().err().unwrap();
    let settings: Vec<_> = errors.iter().map(|error| error.setting()).collect();
    assert!(settings.contains(&"with_resource") && settings.contains(&"require"));
}

/// A challenge has no parameter for methods. It comes to an end like every other.
#[tokio::test]
async fn a_method_is_asked_for_by_the_class_that_stands_for_it() {
    let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
    let requirement = Requirement::new().add_amr("hwk").add_acr_hint("mfa");
    let authn = authn_builder(&audit).with_clock(clock.clone()).build();
    let service = authn
        .unwrap()
        .layer(layer(requirement).layer(HandlerProbe::new()));
    let send = |token| service.clone().oneshot(with_token(token));
    for _ in 0..3 {
        let refused = send("scoped-alice").await.unwrap();
        assert_eq!(refused.status(), 401);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
        let wanted = "error=\"insufficient_user_authentication\", acr_values=\"mfa\", ";
        assert!(challenge.contains(wanted), "{challenge}");
        clock.advance(Duration::from_secs(1));
    }
    let refused = send("scoped-alice").await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(!refused.headers().contains_key("www-authenticate"));
    assert_eq!(send("strong-alice").await.unwrap().status(), 200);
}
