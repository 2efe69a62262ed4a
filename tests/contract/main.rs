//! What the gate answers in each situation, held line by line against the page of the guide. Every
//! line of the table is rendered from a real answer.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a situation that cannot be brought about fails the test"
)]

mod credentials;
mod failures;
mod metadata;
mod possession;
mod sessions;
mod strength;
mod transport;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Clock as _, Gate, GateHandle, PeerAddress, Secret, Stack,
    api_keys::{ApiKeys, Grant, KeyRing},
    jwt::{Issuer, Jwt},
    perimeter::PerimeterLayer,
    stack::{Complete, StackBuilder},
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    http_probe::HandlerProbe,
    identity_provider::{IdentityProvider, SigningAlgorithm, Token},
};
use tower::{Layer as _, ServiceExt as _};

const PAGE: &str = include_str!("../../crates/portcullis/src/guide/contract.rs");
const RESOURCE: &str = "https://agent.example/";
const ISSUER: &str = "https://idp.example";
/// What the page writes as `…`.
const METADATA: &str = "https://agent.example/.well-known/oauth-protected-resource";

/// An issuer, keys, and the time.
struct Site {
    idp: IdentityProvider,
    clock: VirtualClock,
    audit: RecordingAudit,
    keys: KeyRing,
}

impl Site {
    fn new() -> Self {
        let clock = VirtualClock::new();
        let idp = IdentityProvider::new()
            .with_algorithms([SigningAlgorithm::Es256])
            .with_clock(clock.clone())
            .with_issuer(ISSUER);
        Self {
            idp,
            clock,
            audit: RecordingAudit::new(),
            keys: KeyRing::new("acme", &Secret::new([7; 32])),
        }
    }

    fn jwt(&self) -> Jwt {
        Jwt::new(Issuer::new(ISSUER).with_static_keys(self.idp.jwks().to_string()))
    }

    /// Tokens of an issuer, and API keys.
    fn stack(&self) -> StackBuilder<Complete> {
        self.bare()
            .add_authenticator(self.jwt())
            .add_authenticator(ApiKeys::new(self.keys.clone()))
    }

    /// Without authenticators.
    fn bare(&self) -> StackBuilder<impl Sized + use<>> {
        Stack::builder()
            .with_clock(self.clock.clone())
            .with_audit(self.audit.clone())
            .with_resource(RESOURCE)
            .with_challenge_scopes("notes.read")
            // So many are refused here that the budget would be spent.
            .with_perimeter(PerimeterLayer::builder().without_refusal_budget())
    }

    /// A good token.
    fn token(&self) -> Token {
        self.idp
            .token("alice")
            .with_audience(RESOURCE)
            .with_scope("notes.read")
    }

    /// A good key.
    fn key(&self) -> String {
        let grant = Grant::for_application("reporting");
        let issued = self.keys.issue(grant, self.clock.now()).unwrap();
        issued.expose().to_owned()
    }

    /// The gate, a handler that answers 200, and what is seen of both.
    fn open(self, stack: StackBuilder<Complete>) -> Opened {
        let (gate, handle) = stack.build().unwrap_or_else(|errors| panic!("{errors}"));
        Opened {
            site: self,
            gate,
            handle,
            probe: HandlerProbe::new(),
        }
    }
}

struct Opened {
    site: Site,
    gate: Gate,
    handle: GateHandle,
    probe: HandlerProbe,
}

/// An answer as it is shown.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Opened {
    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let service = self.gate.layer(self.probe.clone());
        let response = service.oneshot(request).await;
        let response = response.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.unwrap_or_default(),
        }
    }

    /// Sends a request, and renders the line of the table for it.
    async fn line(&self, situation: &str, request: Request<Full<Bytes>>) -> String {
        let _ = self.site.audit.take();
        let answer = self.send(request).await;
        self.check(situation, &answer);
        answer.line(situation)
    }

    /// What holds for every refusal: one record of the decision, and a body that says no more than
    /// the status (RFC 9457).
    fn check(&self, situation: &str, answer: &Answer) {
        let records = self.site.audit.take();
        let decisions = records
            .iter()
            .filter(|record| record.kind.as_str() == "decision");
        assert_eq!(decisions.count(), 1, "{situation}");
        let is_problem = answer.headers.get(header::CONTENT_TYPE)
            == Some(&header::HeaderValue::from_static(
                "application/problem+json",
            ));
        if is_problem {
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let members: Vec<_> = problem.as_object().unwrap().keys().collect();
            assert_eq!(
                members,
                ["instance", "status", "title", "type"],
                "{situation}"
            );
            assert_eq!(
                problem.get("status"),
                Some(&answer.status.into()),
                "{situation}"
            );
        }
    }

    fn bearer(&self, credential: &str) -> Request<Full<Bytes>> {
        self.with(&[("authorization", &format!("Bearer {credential}"))])
    }

    /// A request for `/notes` with these headers.
    fn with(&self, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
        finish(self.to("/notes", headers))
    }

    /// A request for another place.
    fn to(&self, uri: &str, headers: &[(&str, &str)]) -> http::request::Builder {
        let mut request = Request::builder().uri(uri).header("host", "agent.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    }
}

/// A request without a body, from somewhere.
fn finish(request: http::request::Builder) -> Request<Full<Bytes>> {
    let mut request = request.body(Full::default()).unwrap();
    let address = std::net::IpAddr::from([192, 0, 2, 1]);
    PeerAddress::from(address).attach(request.extensions_mut());
    request
}

impl Answer {
    fn line(&self, situation: &str) -> String {
        let mut shown = Vec::new();
        for line in self.headers.get_all(header::WWW_AUTHENTICATE) {
            let line = line.to_str().unwrap().replace(METADATA, "…");
            shown.push(format!("`{line}`"));
        }
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ALLOW,
            header::CACHE_CONTROL,
        ] {
            if let Some(value) = self.headers.get(&name) {
                shown.push(format!("`{name}: {}`", value.to_str().unwrap()));
            }
        }
        if let Some(value) = self.headers.get(header::RETRY_AFTER) {
            let seconds: u64 = value.to_str().unwrap().parse().unwrap();
            assert!(seconds >= 1, "{situation}: an immediate retry");
            shown.push("`retry-after: n`".to_owned());
        }
        if self.headers.contains_key("dpop-nonce") {
            shown.push("`dpop-nonce: <nonce>`".to_owned());
        }
        let shown = if shown.is_empty() {
            "–".to_owned()
        } else {
            shown.join("<br>")
        };
        format!("| {situation} | {} | {shown} |", self.status)
    }
}

/// Compares the lines of a table of the page with those that were rendered.
fn hold(heading: &str, rendered: &[String]) {
    let section = PAGE
        .split("//! # ")
        .find(|section| section.starts_with(heading))
        .and_then(|section| section.split("//! ## ").next())
        .unwrap_or_default();
    let lines: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with("| "))
        // The head of the table.
        .skip(1)
        .collect();
    let expected: Vec<_> = rendered.iter().map(|line| format!("//! {line}")).collect();
    assert!(
        lines == rendered,
        "the page says something else than the gate does; it would be:\n{}",
        expected.join("\n")
    );
}
