//! Calls inside a session: it has to be there still.

use std::time::Duration;

use http::{Request, Response};
use portcullis::{
    Clock as _, Exchange, GateHandle, RequestBody, Secret,
    jwt::{Issuer, Jwt},
    session::{AtExpiry, MemorySessions, SessionBuilder, SessionLayer},
    stack::{Gate, Stack},
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    faulty_store::FaultyStore,
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
        Self::with(|session| session)
    }

    fn with(settings: impl FnOnce(SessionBuilder) -> SessionBuilder) -> Self {
        let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
        let idp = IdentityProvider::new()
            .with_algorithms([SigningAlgorithm::EdDsa])
            .with_clock(clock.clone())
            .with_issuer(ISSUER);
        let session = SessionLayer::builder().with_absolute(Duration::from_secs(3600));
        let issuer = Issuer::new(ISSUER).with_static_keys(idp.jwks().to_string());
        let (gate, handle) = Stack::builder()
            .with_audit(audit.clone())
            .with_clock(clock.clone())
            .with_resource(RESOURCE)
            .add_authenticator(Jwt::new(issuer))
            .with_session(settings(session))
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

type Store = FaultyStore<MemorySessions>;

/// One of several servers that ask one store.
fn server(store: &Store) -> Agent {
    let store = store.clone();
    Agent::with(|session| session.with_store(store).with_key(Secret::new([7; 16])))
}

#[tokio::test]
async fn a_session_that_another_server_has_ended_permits_nothing() {
    let store = Store::default();
    let (here, there) = (server(&store), server(&store));
    let exchange = here.let_in(300).await;
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
    assert_eq!(there.handle.end_sessions(ISSUER, "alice").await.unwrap(), 1);
    let _ = here.audit.take();
    // No time has gone by: nobody has looked in between.
    let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
    assert_eq!(denial.status(), 401);
    here.audit
        .assert_call_refused("notes.list", "session_revoked");
    let ended = exchange.session().unwrap().ended();
    let ended = tokio_test::task::spawn(ended).poll();
    assert!(ended.is_ready(), "what runs here has ended as well");
}

#[tokio::test]
async fn a_store_that_cannot_say_permits_nothing() {
    let store = Store::default();
    let agent = server(&store);
    let exchange = agent.let_in(300).await;
    store.set_failing(true);
    let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
    assert_eq!(denial.status(), 503);
    assert_eq!(denial.www_authenticate().count(), 0);
    agent
        .audit
        .assert_call_refused("notes.list", "session_store_unavailable");
    assert!(denial.for_model().contains("the server cannot decide"));
    store.set_failing(false);
    let _ = agent.audit.take();
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
    agent.audit.assert_call_permitted("notes.list");
}

/// What a model makes up costs the store nothing.
#[tokio::test]
async fn a_store_is_asked_once_and_only_for_what_would_be_permitted() {
    let store = Store::default();
    let agent = server(&store);
    let exchange = agent.let_in(300).await;
    let asked = async |operation| {
        let before = store.asked();
        let permit = exchange.authorize(operation, ()).await;
        (permit.is_ok(), store.asked() - before)
    };
    tokio::task::yield_now().await;
    assert_eq!(asked("notes.list").await, (true, 1));
    assert_eq!(asked("notes.burn").await, (false, 0));
    assert_eq!(exchange.session().unwrap().end().await.ok(), Some(()));
    assert_eq!(asked("notes.list").await, (false, 0), "it is known here");
}

/// What is there may finish; nothing more is begun.
#[tokio::test]
async fn a_grace_is_for_what_runs_and_permits_nothing() {
    for asks in [false, true] {
        let settings = |session: SessionBuilder| {
            let session = session
                .with_grace(Duration::from_secs(600))
                .with_credential_expiry(AtExpiry::AllowFinish);
            match asks {
                true => session.with_store(FaultyStore::new(MemorySessions::default())),
                false => session,
            }
        };
        // Too old, and let in with a token that has expired since.
        for (lifetime, seconds) in [(7200, 3601), (100, 200)] {
            let agent = Agent::with(settings);
            let exchange = agent.let_in(lifetime).await;
            let call = exchange.authorize("notes.list", ()).await;
            assert!(call.is_ok());
            agent.clock.advance(Duration::from_secs(seconds));
            let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
            assert_eq!(denial.status(), 401, "{lifetime} {asks}");
        }
    }
}

#[tokio::test]
async fn a_login_that_is_too_long_ago_permits_nothing_until_there_is_a_later_one() {
    let agent = Agent::with(|session| session.with_reauthentication(Duration::from_secs(300)));
    let token = || {
        let token = agent.idp.token("alice").with_audience(RESOURCE);
        token
            .with_scope("notes.read")
            .with_lifetime(Duration::from_secs(3000))
            .with_claim("auth_time", agent.clock.now().unix_seconds())
            .mint()
    };
    let exchange = let_in(&agent.gate, with_token(&token())).await;
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
    agent.clock.advance(Duration::from_secs(300));
    let _ = agent.audit.take();
    let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
    let challenge: Vec<_> = denial.www_authenticate().collect();
    assert!(
        matches!(challenge.as_slice(), [line] if line.contains("max_age=\"300\"")),
        "{challenge:?}"
    );
    let record = agent.audit.records().pop().unwrap();
    assert_eq!(record.reason.as_str(), "session_reauthentication");
    let _ = let_in(&agent.gate, with_token(&token())).await;
    assert!(exchange.authorize("notes.list", ()).await.is_ok());
}
