//! Opaque tokens of the provider, about which the gate asks it, in each way that it takes.

use std::time::Duration;

use axum::{Router, routing::get};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use portcullis::{
    Clock as _, EvidenceKind, Principal, Secret, Stack, SystemClock,
    jwt::{Algorithm, ClientCredentials, Introspection, Issuer, Jwt},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    oidc_provider::Provider,
    wire::{self, Server},
};

const RESOURCE: &str = "https://agent.example/opaque";
const SECRET: &str = "a secret: of nobody & else";

/// An agent that asks.
struct Guarded {
    clock: VirtualClock,
    server: Server,
}

impl Guarded {
    async fn start(
        introspection: Introspection,
        provider: &Provider,
        audit: &RecordingAudit,
    ) -> Self {
        let clock = VirtualClock::starting_at(SystemClock::new().now());
        let issuer = Issuer::new(provider.issuer()).dangerously_allow_local_network();
        let (gate, handle) = Stack::builder()
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            // Both kinds of token live at one endpoint.
            .add_authenticator(Jwt::new(issuer))
            .add_authenticator(introspection.dangerously_allow_local_network())
            .build()
            .unwrap();
        handle.ready().await.unwrap();
        let router = Router::new().route(
            "/whoami",
            get(async |principal: Principal| principal.subject().to_owned()),
        );
        let server = Server::axum(gate.guard(router)).await.unwrap();
        Self { clock, server }
    }

    async fn call(&self, token: &str) -> (u16, String) {
        let request = Request::builder()
            .uri("/whoami")
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::new().boxed())
            .unwrap();
        let response = wire::http1(self.server.address(), request).await.unwrap();
        let said = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), said)
    }
}

/// Each way in which a resource server can ask.
async fn ways(provider: &Provider) -> Vec<Introspection> {
    let secret = || Secret::from(SECRET);
    let key = Secret::from(provider.resource_key().await);
    let by_key = ClientCredentials::private_key_jwt("resource-key", Algorithm::Es256, key);
    let of = |credentials| Introspection::new(provider.issuer(), credentials);
    vec![
        of(ClientCredentials::client_secret_basic(
            "resource-basic",
            secret(),
        )),
        of(ClientCredentials::client_secret_post(
            "resource-post",
            secret(),
        )),
        of(by_key.clone()),
        of(by_key).with_signed_answers(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_says_whose_a_token_is() {
    let provider = Provider::start().await;
    let machine = provider.machine_token("es256", RESOURCE).await;
    let person = provider.log_in("alice", "es256", RESOURCE).await.access;
    assert!(
        !machine.contains('.') && !person.contains('.'),
        "not opaque"
    );
    for introspection in ways(&provider).await {
        let shown = format!("{introspection:?}");
        let audit = RecordingAudit::new();
        let guarded = Guarded::start(introspection, &provider, &audit).await;
        let expected = (200, "machine-es256".to_owned());
        assert_eq!(guarded.call(&machine).await, expected, "{shown}");
        let evidence = audit.assert_admitted("machine-es256").principal.unwrap();
        assert_eq!(evidence.kind(), EvidenceKind::Client);
        drop(audit.take());

        let expected = (200, "alice".to_owned());
        assert_eq!(guarded.call(&person).await, expected, "{shown}");
        let evidence = audit.assert_admitted("alice").principal.unwrap();
        assert_eq!(evidence.kind(), EvidenceKind::User);
        assert_eq!(evidence.issuer(), provider.issuer());
        assert_eq!(evidence.client(), Some("app-es256"));
        assert!(evidence.scopes().contains("notes.read"));
        drop(audit.take());

        // A token that says it itself goes by the other way.
        let jwt = provider
            .machine_token("es256", "https://agent.example/")
            .await;
        assert_eq!(guarded.call(&jwt).await.0, 401);
        audit.assert_refused("jwt_audience", 401);
        drop(audit.take());

        assert_eq!(guarded.call("of-nobody").await.0, 401);
        audit.assert_refused("introspection_inactive", 401);
        assert_eq!(guarded.call(&person).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_taken_back_is_good_no_longer_than_its_answer() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let credentials =
        ClientCredentials::client_secret_basic("resource-basic", Secret::from(SECRET));
    let introspection =
        Introspection::new(provider.issuer(), credentials).with_cache_for(Duration::from_secs(10));
    let guarded = Guarded::start(introspection, &provider, &audit).await;
    let token = provider.log_in("alice", "es256", RESOURCE).await.access;
    assert_eq!(guarded.call(&token).await.0, 200);
    provider.revoke("app-es256", &token).await;
    assert_eq!(guarded.call(&token).await.0, 200);
    drop(audit.take());
    guarded.clock.advance(Duration::from_secs(10));
    assert_eq!(guarded.call(&token).await.0, 401);
    audit.assert_refused("introspection_inactive", 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_another_resource_is_refused() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let introspection = ways(&provider).await.remove(0);
    let guarded = Guarded::start(introspection, &provider, &audit).await;
    let token = provider
        .machine_token("es256", "https://other.example/opaque")
        .await;
    assert_eq!(guarded.call(&token).await.0, 401);
    audit.assert_refused("jwt_audience", 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_not_ask_says_that_it_is_unavailable() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let credentials = ClientCredentials::client_secret_basic("resource-basic", Secret::from("no"));
    let introspection = Introspection::new(provider.issuer(), credentials);
    let guarded = Guarded::start(introspection, &provider, &audit).await;
    assert_eq!(guarded.call("a-token").await.0, 503);
    audit.assert_failed("introspection_credentials", 503);
}
