//! Calls inside a session: it has to be there still.

use std::time::Duration;

use http::{Request, Response};
use portcullis::{
    Exchange, GateHandle, RequestBody,
    jwt::{Issuer, Jwt},
    session::SessionLayer,
    stack::{Gate, Stack},
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    http_probe::body_text,
    identity_provider::{IdentityProvider, SigningAlgorithm},
};
use portcullis_tests::fixtures::{RESOURCE, step_up_builder};
use tower::{Layer as _, ServiceExt as _};

use crate::{let_in, with_token};

const ISSUER: &str = "https://idp.example";

struct Agent {
    gate: Gate,
    handle: GateHandle,
    idp: IdentityProvider,
    clock: VirtualClock,
    audit: RecordingAudit,
}

impl Agent {
    fn new() -> Self {
        let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
        let idp = IdentityProvider::new()
            .with_algorithms([SigningAlgorithm::EdDsa])
            .with_clock(clock.clone())
            .with_issuer(ISSUER);
        let issuer = Issuer::new(ISSUER).with_static_keys(idp.jwks().to_string());
        let (gate, handle) = Stack::builder()
            .with_audit(audit.clone())
            .with_clock(clock.clone())
            .with_resource(RESOURCE)
            .add_authenticator(Jwt::new(issuer))
            .with_session(SessionLayer::builder().with_absolute(Duration::from_secs(3600)))
            .with_step_up(step_up_builder())
            .build()
            .unwrap();
        Self {
            gate,
            handle,
            idp,
            clock,
            audit,
        }
    }

    fn token(&self, lifetime: u64) -> String {
        let token = self.idp.token("alice").with_audience(RESOURCE);
        token
            .with_scope("notes.read")
            .with_lifetime(Duration::from_secs(lifetime))
            .mint()
    }

    async fn let_in(&self, lifetime: u64) -> Exchange {
        let exchange = let_in(&self.gate, with_token(&self.token(lifetime))).await;
        let _ = self.audit.take();
        exchange
    }
}

/// Nobody has answered in it yet, and it is a session all the same.
#[tokio::test]
async fn the_first_request_of_a_session_may_ask() {
    let agent = Agent::new();
    let handler = tower::service_fn(async |request: Request<RequestBody<String>>| {
        let exchange = Exchange::of(request.extensions()).unwrap();
        let called = exchange.authorize("notes.list", ()).await;
        let ended = exchange.session().unwrap().end().await;
        let after = exchange.authorize("notes.list", ()).await;
        let said = format!("{} {} {}", called.is_ok(), ended.is_ok(), after.is_ok());
        Ok::<_, std::convert::Infallible>(Response::new(said))
    });
    let request = with_token(&agent.token(300));
    let response = agent.gate.layer(handler).oneshot(request).await.unwrap();
    assert_eq!(body_text(response.into_body()).await, "true true false");
}

/// Ended from outside, while something runs that the handler has left behind.
#[tokio::test]
async fn a_session_that_was_ended_permits_nothing() {
    let agent = Agent::new();
    let exchange = agent.let_in(300).await;
    let call = tokio::spawn(exchange.authorize("notes.list", ()))
        .await
        .unwrap();
    assert!(call.is_ok());
    let _ = agent.audit.take();
    assert_eq!(agent.handle.end_sessions(ISSUER, "alice").await.unwrap(), 1);
    let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
    assert_eq!(denial.status(), 401);
    assert!(
        denial
            .www_authenticate()
            .all(|line| line.contains("error=\"invalid_token\""))
    );
    let record = agent.audit.records().pop().unwrap();
    assert_eq!(record.operation.as_deref(), Some("notes.list"));
    assert_eq!(record.layer, "session");
}

#[tokio::test]
async fn a_session_that_is_too_old_has_its_user_authenticate_again() {
    let agent = Agent::new();
    let exchange = agent.let_in(7200).await;
    agent.clock.advance(Duration::from_secs(3600));
    let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
    assert_eq!(denial.status(), 401);
    let challenge: Vec<_> = denial.www_authenticate().collect();
    let wanted = "error=\"insufficient_user_authentication\", max_age=";
    assert!(
        matches!(challenge.as_slice(), [line] if line.contains(wanted)),
        "{challenge:?}"
    );
    assert!(denial.for_model().contains("has to authenticate again"));
}

/// A client that refreshes its token in time keeps what it has begun, with what the token
/// grants.
#[tokio::test]
async fn a_later_credential_of_the_session_counts() {
    for refreshes in [true, false] {
        let agent = Agent::new();
        let exchange = agent.let_in(60).await;
        assert!(exchange.authorize("notes.list", ()).await.is_ok());
        agent.clock.advance(Duration::from_secs(50));
        if refreshes {
            let later = agent.let_in(600).await;
            assert_eq!(
                later.session().unwrap().id(),
                exchange.session().unwrap().id()
            );
        }
        agent.clock.advance(Duration::from_secs(100));
        let _ = agent.audit.take();
        let called = exchange.authorize("notes.list", ()).await;
        assert_eq!(called.is_ok(), refreshes);
        match refreshes {
            true => agent.audit.assert_call_permitted("notes.list"),
            false => agent
                .audit
                .assert_call_refused("notes.list", "session_credential_expired"),
        };
    }
}
