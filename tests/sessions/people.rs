//! Callers who say themselves who they are, and a guarded service.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis::{
    Authenticator, BoxError, Check, Description, Evidence, EvidenceKind, Gate, GateHandle,
    RequestBody, RequestView, Scopes, Stack, Timestamp, Verdict, session::SessionBuilder,
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    answers::is_documented,
    fixtures::{RESOURCE, short_sessions},
};
use tower::{Layer as _, Service, ServiceExt as _};

/// Believes everybody: `NAME.kind.authenticated.ends.sid.scopes.client`, where the times are
/// seconds after the start of the virtual clock, and `-` is nothing.
pub(crate) struct People;

impl Authenticator for People {
    fn describe(&self) -> Description {
        Description::bearer("people").add_authorization_server("https://idp.example")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(token) = request.bearer() else {
            return Check::Done(Verdict::Absent);
        };
        let mut parts = token.split('.');
        let mut next = || parts.next().filter(|part| *part != "-");
        let name = next().unwrap();
        let kind = match next() {
            Some("client") => EvidenceKind::Client,
            Some("key") => EvidenceKind::Standing,
            _ => EvidenceKind::User,
        };
        let mut evidence = Evidence::new(kind, "https://idp.example", name);
        if let Some(at) = next().map(at) {
            evidence = match kind {
                EvidenceKind::User => evidence.with_auth_time(at),
                _ => evidence.with_issued_at(at),
            };
        }
        if let Some(at) = next().map(at) {
            evidence = evidence.with_not_after(at);
        }
        if let Some(sid) = next() {
            evidence = evidence.with_session_id(sid);
        }
        if let Some(scopes) = next() {
            evidence = evidence.with_scopes(Scopes::parse(&scopes.replace('+', " ")).unwrap());
        }
        if let Some(client) = next() {
            evidence = evidence.with_client(client);
        }
        Check::Done(Verdict::accept(evidence))
    }
}

fn at(seconds: &str) -> Timestamp {
    VirtualClock::START + Duration::from_secs(seconds.parse().unwrap())
}

/// A gate for these people, whose sessions are idle after a minute and end after ten.
pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) audit: RecordingAudit,
    pub(crate) gate: Gate,
    pub(crate) handle: GateHandle,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|session| session)
    }

    pub(crate) fn with(settings: impl FnOnce(SessionBuilder) -> SessionBuilder) -> Self {
        Self::with_session(settings(short_sessions()))
    }

    pub(crate) fn with_session(session: SessionBuilder) -> Self {
        let (clock, audit) = (VirtualClock::new(), RecordingAudit::new());
        let (gate, handle) = Stack::builder()
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .add_anonymous_route("/public")
            .with_session(session)
            .add_authenticator(People)
            .build()
            .unwrap();
        Self {
            clock,
            audit,
            gate,
            handle,
        }
    }

    /// The status, and what stands in the challenge.
    pub(crate) async fn ask(&self, token: &str) -> (u16, String) {
        self.ask_with(request(token), answer()).await
    }

    pub(crate) async fn ask_with<S, B>(&self, request: Request<String>, handler: S) -> (u16, String)
    where
        S: Service<Request<RequestBody<String>>, Response = Response<B>> + Clone,
        S::Error: std::fmt::Debug,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let response = self.gate.layer(handler).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        // A response is read to its end, as a client does.
        let _ = response.into_body().collect().await;
        (status, challenge.unwrap_or_default())
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Since the start of the clock.
    pub(crate) fn clock_seconds(&self) -> u64 {
        let now = portcullis::Clock::now(&self.clock);
        now.saturating_since(VirtualClock::START).as_secs()
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, reason: &str, status: u16) {
        let refused = self.audit.take().pop().unwrap();
        assert_eq!(refused.reason.as_str(), reason);
        assert_eq!(refused.status.map(|status| status.as_u16()), Some(status));
        assert!(
            is_documented(reason, status),
            "{reason} {status} is not in the guide"
        );
    }
}

pub(crate) fn request(token: &str) -> Request<String> {
    request_for("/notes", token)
}

pub(crate) fn request_for(path: &str, token: &str) -> Request<String> {
    Request::builder()
        .uri(path)
        .header("host", "agent.example")
        .header("authorization", format!("Bearer {token}"))
        .body(String::new())
        .unwrap()
}

/// A handler that answers at once.
pub(crate) fn answer() -> impl Service<
    Request<RequestBody<String>>,
    Response = Response<String>,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ Send
+ Sync {
    tower::service_fn(async |_| Ok(Response::new("done".to_owned())))
}
