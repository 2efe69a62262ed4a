//! What is attacked: the real stack around a handler that counts.
#![expect(
    clippy::panic,
    reason = "a slip in the set-up of an attack ends the run"
)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use portcullis::{
    Authenticator, BodyError, Check, Clock as _, Description, Evidence, Gate, GateHandle,
    PeerAddress, RequestView, Scopes, Secret, Stack, Verdict,
    api_keys::{ApiKeys, Grant, KeyRegistry, KeyRing},
    binding::BindingBuilder,
    forwarded_user::ForwardedUser,
    jwt::{
        AlbUserClaims, BackChannelLogout, Dpop, Introspection, Issuer, Jwt, ProxyAssertion,
        SharedSignals,
    },
    perimeter::{PerimeterBuilder, PerimeterLayer},
    quota::QuotaBuilder,
    revocation::MemoryRevocations,
    session::SessionBuilder,
    signal::MemorySignals,
    step_up::StepUpBuilder,
    tls::ClientCertificates,
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    faulty_signals::FaultySignals,
    faulty_store::FaultyRevocations,
    http_probe::HandlerProbe,
    identity_provider::{IdentityProvider, SigningAlgorithm, Token},
};
use tower::{Layer as _, ServiceExt as _};

pub(crate) const RESOURCE: &str = "https://agent.example/";
pub(crate) const METADATA_URL: &str = "https://agent.example/.well-known/oauth-protected-resource";
pub(crate) const ISSUER: &str = "https://idp.example";

/// A guarded handler, with all that is needed to attack it.
pub(crate) struct Guard {
    pub(crate) gate: Gate,
    pub(crate) handle: GateHandle,
    pub(crate) idp: IdentityProvider,
    pub(crate) clock: VirtualClock,
    pub(crate) keys: KeyRing,
    pub(crate) probe: HandlerProbe,
    pub(crate) audit: RecordingAudit,
    good: String,
}

/// The settings of a guard.
pub(crate) struct Settings {
    pub(crate) idp: IdentityProvider,
    pub(crate) clock: VirtualClock,
    pub(crate) jwt: Jwt,
    pub(crate) perimeter: PerimeterBuilder,
    pub(crate) quota: Option<QuotaBuilder>,
    pub(crate) key_header: Option<&'static str>,
    /// Keys in a store, beside those of the ring.
    pub(crate) registry: Option<KeyRegistry>,
    pub(crate) step_up: Option<StepUpBuilder>,
    /// Who checks proofs of possession.
    pub(crate) dpop: Option<Dpop>,
    pub(crate) requires_sender_constraint: bool,
    /// Who asks about opaque tokens.
    pub(crate) introspection: Option<Introspection>,
    /// Single sign-on in front of the gate.
    pub(crate) assertion: Option<ProxyAssertion>,
    pub(crate) alb: Option<AlbUserClaims>,
    pub(crate) forwarded_user: Option<ForwardedUser>,
    pub(crate) client_certificates: Option<ClientCertificates>,
    /// What somebody's own authenticator says of the credential `plug-in`.
    pub(crate) plug_in: Option<Evidence>,
    pub(crate) session: Option<SessionBuilder>,
    pub(crate) binding: Option<BindingBuilder>,
    /// Where revocations are kept, if not where they are by default.
    pub(crate) revocations: Option<FaultyRevocations<MemoryRevocations>>,
    /// Where they are kept together with another server.
    pub(crate) shared_revocations: Option<Arc<MemoryRevocations>>,
    /// The same, where they have to be asked.
    pub(crate) far_revocations: Option<FaultyRevocations<Arc<MemoryRevocations>>>,
    /// How many answers of stores it keeps.
    pub(crate) kept: Option<usize>,
    /// Where it hears of logouts.
    pub(crate) logout: Option<BackChannelLogout>,
    /// Where it hears of events.
    pub(crate) shared_signals: Option<SharedSignals>,
    /// What it hears of another server.
    pub(crate) signals: Option<FaultySignals<MemorySignals>>,
    pub(crate) audit: RecordingAudit,
}

/// An authenticator that vouches for whatever it likes.
struct PlugIn(Option<Arc<Evidence>>);

impl Authenticator for PlugIn {
    fn describe(&self) -> Description {
        Description::bearer("plug_in")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        Check::Done(match (request.bearer(), &self.0) {
            (None, _) => Verdict::Absent,
            (Some("plug-in"), Some(evidence)) => Verdict::Accept(Arc::clone(evidence)),
            _ => Verdict::NotMine,
        })
    }
}

impl Settings {
    /// One issuer in this process, whose key set is known beforehand.
    pub(crate) fn fixed() -> Self {
        Self::with_algorithms([SigningAlgorithm::Es256, SigningAlgorithm::EdDsa])
    }

    /// The same, with keys for these algorithms. A key for RS256 takes a while to make.
    pub(crate) fn with_algorithms(algorithms: impl IntoIterator<Item = SigningAlgorithm>) -> Self {
        let clock = VirtualClock::new();
        let idp = IdentityProvider::new()
            .with_algorithms(algorithms)
            .with_clock(clock.clone())
            .with_issuer(ISSUER);
        let jwt = Jwt::new(Issuer::new(ISSUER).with_static_keys(idp.jwks().to_string()));
        Self::new(idp, clock, jwt)
    }

    /// An issuer over HTTP on loopback.
    pub(crate) async fn served() -> Self {
        let clock = VirtualClock::new();
        let idp = IdentityProvider::new()
            .with_algorithms([SigningAlgorithm::Es256, SigningAlgorithm::EdDsa])
            .with_clock(clock.clone())
            .serve()
            .await;
        let jwt = Jwt::new(Issuer::new(idp.issuer()).dangerously_allow_local_network());
        Self::new(idp, clock, jwt)
    }

    fn new(idp: IdentityProvider, clock: VirtualClock, jwt: Jwt) -> Self {
        // Attacks are refused by the hundred here; the budget has rows of its own.
        let perimeter = PerimeterLayer::builder().without_refusal_budget();
        Self {
            idp,
            clock,
            jwt,
            perimeter,
            quota: None,
            key_header: None,
            registry: None,
            plug_in: None,
            session: None,
            binding: None,
            revocations: None,
            shared_revocations: None,
            far_revocations: None,
            kept: None,
            logout: None,
            shared_signals: None,
            signals: None,
            step_up: None,
            dpop: None,
            requires_sender_constraint: false,
            introspection: None,
            assertion: None,
            alb: None,
            forwarded_user: None,
            client_certificates: None,
            audit: RecordingAudit::new(),
        }
    }

    pub(crate) fn build(self) -> Guard {
        let audit = self.audit;
        let keys = KeyRing::new("acme", &Secret::new([7; 32]));
        let mut api_keys = ApiKeys::new(keys.clone());
        if let Some(header) = self.key_header {
            api_keys = api_keys.with_header(http::HeaderName::from_static(header));
        }
        let mut stack = Stack::builder()
            .with_resource(RESOURCE)
            .with_clock(self.clock.clone())
            .with_audit(audit.clone())
            .with_perimeter(self.perimeter)
            .with_revocation_key(Secret::new([7; 16]))
            .add_authenticator(self.jwt)
            .add_authenticator(api_keys)
            .add_authenticator(PlugIn(self.plug_in.map(Arc::new)))
            .add_anonymous_route("/public");
        if let Some(assertion) = self.assertion {
            stack = stack.add_authenticator(assertion);
        }
        if let Some(alb) = self.alb {
            stack = stack.add_authenticator(alb);
        }
        if let Some(forwarded_user) = self.forwarded_user {
            stack = stack.add_authenticator(forwarded_user);
        }
        if let Some(certificates) = self.client_certificates {
            stack = stack.add_authenticator(certificates);
        }
        if let Some(introspection) = self.introspection {
            stack = stack.add_authenticator(introspection);
        }
        if let Some(registry) = self.registry {
            stack = stack.add_authenticator(ApiKeys::from_registry(registry));
        }
        if let Some(revocations) = self.revocations {
            stack = stack.with_revocations(revocations);
        }
        if let Some(revocations) = self.shared_revocations {
            stack = stack.with_revocations(revocations);
        }
        if let Some(revocations) = self.far_revocations {
            stack = stack.with_revocations(revocations);
        }
        if let Some(logout) = self.logout {
            stack = stack.add_notice_receiver(logout);
        }
        if let Some(shared_signals) = self.shared_signals {
            stack = stack.add_notice_receiver(shared_signals);
        }
        if let Some(signals) = self.signals {
            stack = stack.with_signals(signals);
        }
        if let Some(entries) = self.kept {
            stack = stack.with_cache(entries);
        }
        if let Some(quota) = self.quota {
            stack = stack.with_quota(quota);
        }
        if let Some(session) = self.session {
            stack = stack.with_session(session);
        }
        if let Some(binding) = self.binding {
            stack = stack.with_binding(binding);
        }
        if let Some(dpop) = self.dpop {
            stack = stack.with_proof_of_possession(dpop);
        }
        if self.requires_sender_constraint {
            stack = stack.require_sender_constraint();
        }
        if let Some(step_up) = self.step_up {
            stack = stack.with_step_up(step_up);
        }
        let (gate, handle) = stack
            .build()
            .unwrap_or_else(|problems| panic!("the stack cannot be built: {problems}"));
        let good = keys
            .issue(Grant::for_application("good"), self.clock.now())
            .unwrap_or_else(|problem| panic!("a key cannot be cut: {problem}"));
        Guard {
            gate,
            handle,
            good: good.expose().to_owned(),
            idp: self.idp,
            clock: self.clock,
            keys,
            probe: HandlerProbe::new(),
            audit,
        }
    }
}

impl Guard {
    pub(crate) fn fixed() -> Self {
        Settings::fixed().build()
    }

    /// A good token, to be made bad.
    pub(crate) fn token(&self) -> Token {
        self.idp
            .token("alice")
            .with_audience(RESOURCE)
            .with_scope("notes.read")
    }

    /// A good request. It carries an API key, which no attack on tokens can spoil.
    pub(crate) fn good(&self) -> Request<Full<Bytes>> {
        self.bearer(&self.good)
    }

    pub(crate) fn good_key(&self) -> &str {
        &self.good
    }

    /// An API key that reads notes.
    pub(crate) fn issue(&self, lifetime: Duration) -> (String, String) {
        let grant = Grant::for_application("reporting")
            .with_scopes(Scopes::parse("notes.read").unwrap_or_default())
            .with_expires_at(self.clock.now() + lifetime);
        let issued = self
            .keys
            .issue(grant, self.clock.now())
            .unwrap_or_else(|problem| panic!("a key cannot be cut: {problem}"));
        (issued.stored().id().to_owned(), issued.expose().to_owned())
    }

    pub(crate) fn request(&self, path: &str) -> http::request::Builder {
        let request = Request::builder().uri(path).header("host", "agent.example");
        // What a server would say of a connection.
        let mut extensions = http::Extensions::new();
        PeerAddress::from(std::net::IpAddr::from([192, 0, 2, 1])).attach(&mut extensions);
        let mut request = request;
        if let Some(own) = request.extensions_mut() {
            own.extend(extensions);
        }
        request
    }

    pub(crate) fn bearer(&self, credential: &str) -> Request<Full<Bytes>> {
        self.authorization(format!("Bearer {credential}").as_bytes())
    }

    pub(crate) fn authorization(&self, value: &[u8]) -> Request<Full<Bytes>> {
        let value =
            HeaderValue::from_bytes(value).unwrap_or(HeaderValue::from_static("unsendable"));
        finish(self.request("/notes").header("authorization", value))
    }

    pub(crate) fn bearer_at(&self, path: &str, credential: &str) -> Request<Full<Bytes>> {
        let value = format!("Bearer {credential}");
        finish(self.request(path).header("authorization", value))
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Response<UnsyncBoxBody<Bytes, BodyError>> {
        let service = self.gate.layer(self.probe.clone());
        match service.oneshot(request).await {
            Ok(response) => response.map(UnsyncBoxBody::new),
            Err(never) => match never {},
        }
    }

    /// The status of a bearer credential, without any oracle.
    pub(crate) async fn status_of(&self, credential: &str) -> u16 {
        self.send(self.bearer(credential)).await.status().as_u16()
    }
}

/// A request without a body.
pub(crate) fn finish(request: http::request::Builder) -> Request<Full<Bytes>> {
    request
        .body(Full::default())
        .unwrap_or_else(|problem| panic!("no such request: {problem}"))
}

/// The body of a response as text.
pub(crate) async fn text(response: Response<UnsyncBoxBody<Bytes, BodyError>>) -> String {
    let body = response
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes());
    String::from_utf8_lossy(&body.unwrap_or_default()).into_owned()
}
