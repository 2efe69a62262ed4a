//! Opaque tokens of the provider, about which the gate asks it, in each way that it takes.

use std::time::Duration;

use axum::{Router, routing::get};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use portcullis::{
    Clock as _, EvidenceKind, Principal, Secret, Stack, SystemClock,
    jwt::{Algorithm, ClientCredentials, Introspection, Issuer, Jwt},
    session::SessionLayer,
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    oidc_provider::Provider,
    patience::until,
    streams::{TICK, streaming},
    wire::{self, KeptAlive, Server},
};
use tokio::task::JoinHandle;

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
            .with_session(SessionLayer::builder())
            .build()
            .unwrap();
        handle.ready().await.unwrap();
        let router = Router::new()
            .route(
                "/whoami",
                get(async |principal: Principal| principal.subject().to_owned()),
            )
            .route_service("/feed", streaming(&clock, "text/event-stream", TICK));
        let server = Server::axum(gate.guard(router)).await.unwrap();
        Self { clock, server }
    }

    async fn open(&self, path: &str, token: &str) -> Response<Incoming> {
        let request = Request::builder()
            .uri(path)
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::new().boxed())
            .unwrap();
        let mut connection = KeptAlive::connect(self.server.address()).await.unwrap();
        connection.open(request).await.unwrap()
    }

    async fn call(&self, token: &str) -> (u16, String) {
        let response = wire::read(self.open("/whoami", token).await).await.unwrap();
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

/// A stream is over when its issuer does not stand by its token any more, though nobody comes with it
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_a_token_that_is_taken_back() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let credentials =
        ClientCredentials::client_secret_basic("resource-basic", Secret::from(SECRET));
    let introspection =
        Introspection::new(provider.issuer(), credentials).with_cache_for(Duration::from_secs(10));
    let guarded = Guarded::start(introspection, &provider, &audit).await;
    let (taken, left) = (
        provider.log_in("alice", "es256", RESOURCE).await.access,
        provider.log_in("bob", "es256", RESOURCE).await.access,
    );
    let mut streams = Vec::new();
    for token in [&taken, &left] {
        let response = guarded.open("/feed", token).await;
        assert_eq!(response.status(), 200);
        streams.push(tokio::spawn(wire::read(response)));
    }
    provider.revoke("app-es256", &taken).await;
    let is_over = |streams: &[JoinHandle<_>], index: usize| streams[index].is_finished();
    // The clock goes on once a second, and what asks has its time in between.
    let clock = guarded.clock.clone();
    until("the end of the stream", async || {
        clock.advance(Duration::from_secs(1));
        is_over(&streams, 0)
    })
    .await;
    assert!(!is_over(&streams, 1));
    let said = streams.remove(0).await.unwrap().unwrap();
    let said = String::from_utf8(said.body().to_vec()).unwrap();
    assert!(said.contains("event: session-ended"), "{said}");
    streams.remove(0).abort();
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
