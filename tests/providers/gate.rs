//! An agent behind a gate that accepts the tokens of the provider.

use axum::{Router, routing::get};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use portcullis::{
    Clock as _, Principal, Site, Stack, SystemClock,
    jwt::{Issuer, Jwt, JwtAuthenticator},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    oidc_provider::Provider,
    wire::{self, Server},
};

pub(crate) const RESOURCE: &str = "https://agent.example/";

/// The agent, as it is served.
pub(crate) struct Guarded {
    pub(crate) clock: VirtualClock,
    server: Server,
    authenticator: JwtAuthenticator,
}

impl Guarded {
    pub(crate) async fn start(provider: &Provider, audit: &RecordingAudit) -> Self {
        Self::of(Issuer::new(provider.issuer()), audit).await
    }

    /// One that accepts the tokens of an issuer on this machine.
    pub(crate) async fn of(issuer: Issuer, audit: &RecordingAudit) -> Self {
        // The provider lives in real time, so ours starts there; it moves only when told.
        let clock = VirtualClock::starting_at(SystemClock::new().now());
        let site = Site::new(std::sync::Arc::new(clock.clone())).with_resource(RESOURCE);
        let issuer = issuer.dangerously_allow_local_network();
        let authenticator = Jwt::new(issuer).build(&site).unwrap();
        let (gate, handle) = Stack::builder()
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .add_authenticator(authenticator.clone())
            .build()
            .unwrap();
        handle.ready().await.unwrap();
        let router = Router::new().route(
            "/whoami",
            get(async |principal: Principal| principal.subject().to_owned()),
        );
        let server = Server::axum(gate.guard(router)).await.unwrap();
        Self {
            clock,
            server,
            authenticator,
        }
    }

    /// The status, and what the handler said.
    pub(crate) async fn call(&self, token: Option<&str>) -> (u16, String) {
        let mut request = Request::builder()
            .uri("/whoami")
            .header("host", "agent.example");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Empty::new().boxed()).unwrap();
        let response = wire::http1(self.server.address(), request).await.unwrap();
        let said = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), said)
    }

    pub(crate) fn key_retrievals(&self) -> u64 {
        self.authenticator.stats().key_retrievals()
    }
}
