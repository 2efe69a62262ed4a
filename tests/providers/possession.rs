//! Tokens that are bound to a key, and a client that holds it: `oauth4webapi`, which knows nothing
//! of us, with tokens of the provider, which knows nothing of us either.

use std::{process::Command, time::Duration};

use axum::{Router, routing::get};
use portcullis::{
    Clock as _, Principal, Stack, SystemClock,
    jwt::{Dpop, Issuer, Jwt},
    revocation::MemoryReplays,
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{oidc_provider::Provider, servers, wire::Server};

/// An agent that lets nobody in but who holds the key of his token.
struct Guarded {
    resource: String,
    server: Server,
}

impl Guarded {
    async fn start(provider: &Provider, audit: &RecordingAudit, dpop: Dpop) -> Self {
        let listener = Server::bind().await.unwrap();
        // Clients prove what they call, so the resource has the address that they call.
        let resource = format!("http://{}/", listener.local_addr().unwrap());
        let clock = VirtualClock::starting_at(SystemClock::new().now());
        let issuer = Issuer::new(provider.issuer()).dangerously_allow_local_network();
        let (gate, handle) = Stack::builder()
            .with_clock(clock)
            .with_audit(audit.clone())
            .with_resource(&*resource)
            .add_authenticator(Jwt::new(issuer))
            .with_proof_of_possession(dpop)
            .require_sender_constraint()
            .build()
            .unwrap();
        handle.ready().await.unwrap();
        let router = Router::new().route(
            "/whoami",
            get(async |principal: Principal| {
                format!(
                    "{}:{}",
                    principal.subject(),
                    principal.is_sender_constrained()
                )
            }),
        );
        let server = Server::axum_at(listener, gate.guard(router)).unwrap();
        Self { resource, server }
    }

    /// What a client of others hears that calls so many times.
    async fn heard(&self, provider: &Provider, algorithm: &'static str, count: u32) -> Vec<String> {
        let mut client = Command::new(servers::node());
        client
            .current_dir(servers::oidc_provider_folder())
            .args(["dpop-client.mjs", provider.issuer(), &self.resource])
            .arg(format!("http://{}/whoami", self.server.address()))
            .args([algorithm, &count.to_string()]);
        let running = tokio::task::spawn_blocking(move || client.output());
        let output = running.await.unwrap().unwrap();
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{problem}");
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_key_is_let_in() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let dpop = Dpop::new(MemoryReplays::default());
    let guarded = Guarded::start(&provider, &audit, dpop).await;
    for algorithm in ["ES256", "Ed25519"] {
        let heard = guarded.heard(&provider, algorithm, 3).await;
        assert_eq!(heard, ["200 machine-es256:true false"; 3], "{algorithm}");
        let records = audit.take();
        let evidence = records.iter().find_map(|record| record.principal.as_ref());
        let confirmation = evidence.and_then(|evidence| evidence.confirmation());
        assert!(confirmation.unwrap().jwk_thumbprint().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_does_as_a_nonce_says() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let dpop = Dpop::new(MemoryReplays::default()).with_nonces(Duration::from_secs(300));
    let guarded = Guarded::start(&provider, &audit, dpop).await;
    let heard = guarded.heard(&provider, "ES256", 3).await;
    let told_once = ["true", "false", "false"].map(|told| format!("200 machine-es256:true {told}"));
    assert_eq!(heard, told_once);
    let reasons: Vec<_> = audit
        .take()
        .iter()
        .map(|record| record.reason.as_str())
        .collect();
    let refused = reasons
        .iter()
        .filter(|reason| **reason == "dpop_nonce_missing");
    assert_eq!(refused.count(), 1, "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_a_key_is_refused() {
    let provider = Provider::start().await;
    let audit = RecordingAudit::new();
    let dpop = Dpop::new(MemoryReplays::default());
    let guarded = Guarded::start(&provider, &audit, dpop).await;
    let token = provider.machine_token("es256", &guarded.resource).await;
    let request = http::Request::builder()
        .uri("/whoami")
        .header("host", guarded.server.address().to_string())
        .header("authorization", format!("Bearer {token}"))
        .body(http_body_util::combinators::BoxBody::default())
        .unwrap();
    let answer = portcullis_tests::wire::http1(guarded.server.address(), request)
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    audit.assert_refused("sender_constraint_missing", 401);
}
