//! Callers who say who they are and where they come from, and a guarded service.

use std::{convert::Infallible, net::IpAddr, time::Duration};

use http::{HeaderName, Request, Response, header};
use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, Gate, PeerAddress, RequestView,
    Stack, Verdict,
    audit::RecordKind,
    binding::{BindingBuilder, BindingLayer},
    session::{SessionBuilder, SessionLayer},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::fixtures::{HOST, RESOURCE};
use tower::{Layer as _, ServiceExt as _};

/// The challenge to a user who has to authenticate again.
pub(crate) const CHALLENGE_ANEW: &str = "Bearer error=\"insufficient_user_authentication\", \
     max_age=\"0\", \
     resource_metadata=\"https://agent.example/.well-known/oauth-protected-resource\"";

/// The header of the device id.
pub(crate) const DEVICE: HeaderName = HeaderName::from_static("x-device-id");

/// Believes everybody: `NAME.kind.authenticated`, where the time is in seconds after the start
/// of the virtual clock, and `-` is nothing.
struct People;

impl Authenticator for People {
    fn describe(&self) -> Description {
        Description::bearer("people").add_authorization_server("https://idp.example")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(token) = request.bearer() else {
            return Check::Done(Verdict::Absent);
        };
        let mut parts = token.split('.');
        let name = parts.next().unwrap();
        let kind = match parts.next() {
            Some("client") => EvidenceKind::Client,
            Some("key") => EvidenceKind::Standing,
            _ => EvidenceKind::User,
        };
        let mut evidence = Evidence::new(kind, "https://idp.example", name);
        if let Some(at) = parts.next().filter(|at| *at != "-") {
            let at = VirtualClock::START + Duration::from_secs(at.parse().unwrap());
            evidence = match kind {
                EvidenceKind::User => evidence.with_auth_time(at),
                _ => evidence.with_issued_at(at),
            };
        }
        Check::Done(Verdict::accept(evidence))
    }
}

/// A request: who sends it, and from where.
#[derive(Clone, Copy)]
pub(crate) struct From {
    token: &'static str,
    address: &'static str,
    agent: Option<&'static str>,
    device: Option<&'static str>,
}

/// With the token of somebody, from the first place that everybody comes from.
pub(crate) const fn from(token: &'static str) -> From {
    From {
        token,
        address: "192.0.2.1",
        agent: Some("assistant/1.0"),
        device: None,
    }
}

impl From {
    pub(crate) const fn at(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    pub(crate) const fn by(self, agent: Option<&'static str>) -> Self {
        Self { agent, ..self }
    }

    pub(crate) const fn on(self, device: Option<&'static str>) -> Self {
        Self { device, ..self }
    }

    fn request(self) -> Request<String> {
        let mut builder = Request::builder().uri("/notes").header(header::HOST, HOST);
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in [(header::USER_AGENT, self.agent), (DEVICE, self.device)] {
            if let Some(value) = value {
                builder = builder.header(name, value);
            }
        }
        let mut request = builder.body(String::new()).unwrap();
        let address: IpAddr = self.address.parse().unwrap();
        PeerAddress::from(address).attach(request.extensions_mut());
        request
    }
}

/// A gate whose sessions are idle after a minute.
pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) audit: RecordingAudit,
    gate: Gate,
}

impl World {
    pub(crate) fn new(binding: impl FnOnce(BindingBuilder) -> BindingBuilder) -> Self {
        Self::with_session(SessionLayer::builder(), binding)
    }

    pub(crate) fn with_session(
        session: SessionBuilder,
        binding: impl FnOnce(BindingBuilder) -> BindingBuilder,
    ) -> Self {
        let (clock, audit) = (VirtualClock::new(), RecordingAudit::new());
        let (gate, _) = Stack::builder()
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .add_anonymous_route("/notes")
            .with_session(session.with_idle(Duration::from_secs(60)))
            .with_binding(binding(BindingLayer::builder()))
            .add_authenticator(People)
            .build()
            .unwrap();
        Self { clock, audit, gate }
    }

    /// The status, and what stands in the challenge. A handler must see no device id.
    pub(crate) async fn answer(&self, from: From) -> (u16, String) {
        self.send(from.request()).await
    }

    pub(crate) async fn send(&self, request: Request<String>) -> (u16, String) {
        let handler =
            tower::service_fn(async |request: Request<portcullis::RequestBody<String>>| {
                assert!(!request.headers().contains_key(DEVICE));
                Ok::<_, Infallible>(Response::new(String::new()))
            });
        let response = self.gate.layer(handler).oneshot(request).await.unwrap();
        let challenge = response.headers().get(header::WWW_AUTHENTICATE);
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge.unwrap_or_default())
    }

    /// The request is let in, and these differences are noted, each once.
    pub(crate) async fn passes(&self, from: From, noted: &[&str]) {
        assert_eq!(self.answer(from).await, (200, String::new()));
        assert_eq!(self.noted(), noted);
    }

    /// The user has to authenticate again, for this reason.
    pub(crate) async fn asks(&self, from: From, reason: &str) {
        assert_eq!(self.answer(from).await, (401, CHALLENGE_ANEW.to_owned()));
        let refused = self.audit.assert_refused(reason, 401);
        assert_eq!(refused.layer, "binding");
        assert_eq!(self.audit.take().len(), 1, "one record for one refusal");
    }

    /// What was noted of the one request since the last look.
    #[track_caller]
    pub(crate) fn noted(&self) -> Vec<&'static str> {
        let decision = self.audit.assert_one_decision();
        let records = self.audit.take();
        let drifts = records
            .iter()
            .filter(|record| record.kind == RecordKind::Drift);
        drifts
            .map(|record| {
                assert_eq!(record.layer, "binding");
                assert_eq!(record.request_id, decision.request_id);
                assert_eq!(record.subject(), decision.subject());
                assert!(record.session.is_some());
                record.reason.as_str()
            })
            .collect()
    }
}
