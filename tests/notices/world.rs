//! A gate that hears notices, and callers who come before and after them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Clock as _, Gate, GateHandle, Secret, Stack,
    jwt::{Issuer, Jwt},
    revocation::MemoryRevocations,
    session::SessionLayer,
    stack::{Complete, StackBuilder},
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    faulty_store::FaultyRevocations,
    http_probe::HandlerProbe,
    identity_provider::{IdentityProvider, SigningAlgorithm, Token},
};
use tower::{Layer as _, Service, ServiceExt as _};

pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const RESOURCE: &str = "https://agent.example/";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) audit: RecordingAudit,
    pub(crate) idp: IdentityProvider,
    pub(crate) store: FaultyRevocations<Arc<MemoryRevocations>>,
    pub(crate) kept: Arc<MemoryRevocations>,
    pub(crate) gate: Gate,
    pub(crate) handle: GateHandle,
}

/// An issuer of its own for each test, whose keys are given.
pub(crate) fn idp(clock: &VirtualClock) -> IdentityProvider {
    IdentityProvider::new()
        .with_issuer(ISSUER)
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(clock.clone())
}

pub(crate) fn issuer(idp: &IdentityProvider) -> Issuer {
    Issuer::new(idp.issuer()).with_static_keys(idp.jwks().to_string())
}

impl World {
    pub(crate) fn new(
        settings: impl FnOnce(StackBuilder<Complete>, &IdentityProvider) -> StackBuilder<Complete>,
    ) -> Self {
        let clock = VirtualClock::new();
        let idp = idp(&clock);
        Self::of(clock, idp, settings)
    }

    pub(crate) fn of(
        clock: VirtualClock,
        idp: IdentityProvider,
        settings: impl FnOnce(StackBuilder<Complete>, &IdentityProvider) -> StackBuilder<Complete>,
    ) -> Self {
        let audit = RecordingAudit::new();
        let kept = Arc::new(MemoryRevocations::default());
        let store = FaultyRevocations::new(Arc::clone(&kept));
        let stack = Stack::builder()
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .with_session(SessionLayer::builder())
            .with_revocations(store.clone())
            .with_revocation_key(Secret::new([7; 16]))
            .add_authenticator(Jwt::new(issuer(&idp)));
        let (gate, handle) = settings(stack, &idp)
            .build()
            .unwrap_or_else(|problems| panic!("the stack cannot be built: {problems}"));
        Self {
            clock,
            audit,
            idp,
            store,
            kept,
            gate,
            handle,
        }
    }

    /// A token of a login that was now, in this session at the issuer.
    pub(crate) fn login(&self, subject: &str, session: &str) -> String {
        self.token(subject, session).mint()
    }

    pub(crate) fn token(&self, subject: &str, session: &str) -> Token {
        self.idp
            .token(subject)
            .with_audience(RESOURCE)
            .with_lifetime(Duration::from_secs(7200))
            .with_claim("auth_time", self.clock.now().unix_seconds())
            .with_claim("sid", session)
    }

    /// How a caller with this token is answered.
    pub(crate) async fn call(&self, token: &str) -> StatusCode {
        let request = Request::builder()
            .uri("/notes")
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::default());
        let status = self.send(request.unwrap()).await.status();
        let _ = self.audit.take();
        status
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<String> {
        let service = self.gate.layer(HandlerProbe::new());
        read(service, request).await
    }

    /// What the one record says that was written since the last look: its layer and its reason.
    pub(crate) fn one_record(&self) -> (&'static str, String) {
        let records = self.audit.take();
        assert_eq!(records.len(), 1, "{records:?}");
        (records[0].layer, records[0].reason.as_str().to_owned())
    }
}

pub(crate) async fn read<S, B>(service: S, request: Request<Full<Bytes>>) -> Response<String>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Response::from_parts(parts, body)
}

pub(crate) fn post(path: &str, media_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(path)
        .header("host", "agent.example")
        .header("content-type", media_type);
    request.body(Full::new(body.into())).unwrap()
}
