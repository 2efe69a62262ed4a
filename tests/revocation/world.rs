//! A gate, and callers of every kind before it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::WWW_AUTHENTICATE};
use http_body_util::{BodyExt as _, Full};
use portcullis::{
    Authenticator, BoxError, Check, Description, Evidence, EvidenceKind, Gate, GateHandle,
    RequestBody, RequestView, RevocationKey, Stack, Timestamp, Verdict,
    revocation::{Revocation, RevokeError},
    stack::{Complete, StackBuilder},
    step_up::{Requirement, StepUpLayer},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use tower::{Layer as _, Service, ServiceExt as _};

pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const RESOURCE: &str = "https://agent.example/";
pub(crate) const START: Timestamp = VirtualClock::START;

/// Vouches for callers by name. Who is asked for as `far~name` needs I/O.
#[derive(Clone, Default)]
pub(crate) struct Callers {
    pub(crate) checked: Arc<AtomicU64>,
    pub(crate) verified: Arc<AtomicU64>,
}

impl Callers {
    /// `name.seconds`: one who authenticated so long after the start, with a token that is as
    /// old.
    fn judge(token: &str) -> Verdict {
        let (name, seconds) = token.split_once('.').unwrap_or((token, "0"));
        let at = START + Duration::from_secs(seconds.parse().unwrap_or(0));
        let evidence = |kind, issuer: &str| Evidence::new(kind, issuer, name).with_issued_at(at);
        Verdict::accept(match name {
            "nobody" => return Verdict::NotMine,
            "robot" => evidence(EvidenceKind::Standing, "keys").add_revocation_key(
                RevocationKey::Credential("keys".into(), format!("id-{seconds}").into()),
            ),
            "machine" => evidence(EvidenceKind::Client, ISSUER).with_client("machine"),
            "timeless" => Evidence::new(EvidenceKind::User, ISSUER, name),
            "dreamer" => Evidence::new(EvidenceKind::User, ISSUER, name)
                .with_issued_at(START)
                .with_auth_time(at),
            _ => evidence(EvidenceKind::User, ISSUER)
                .with_auth_time(at)
                .with_client("app")
                .with_token_id(format!("id-{token}"))
                .with_session_id(format!("sid-{name}")),
        })
    }
}

impl Authenticator for Callers {
    fn describe(&self) -> Description {
        Description::bearer("callers")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        self.checked.fetch_add(1, Ordering::Relaxed);
        match request.bearer() {
            None => Check::Done(Verdict::Absent),
            Some(token) if token.starts_with("far~") => Check::NeedsIo,
            Some(token) => Check::Done(Self::judge(token)),
        }
    }

    async fn verify(&self, request: &RequestView<'_>) -> Verdict {
        self.verified.fetch_add(1, Ordering::Relaxed);
        let token = request.bearer().unwrap_or_default();
        Self::judge(token.trim_start_matches("far~"))
    }
}

pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) audit: RecordingAudit,
    pub(crate) callers: Callers,
    pub(crate) gate: Gate,
    pub(crate) handle: GateHandle,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|stack| stack)
    }

    pub(crate) fn with(
        settings: impl FnOnce(StackBuilder<Complete>) -> StackBuilder<Complete>,
    ) -> Self {
        let (clock, audit) = (VirtualClock::new(), RecordingAudit::new());
        let callers = Callers::default();
        let stack = Stack::builder()
            .with_clock(clock.clone())
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .add_anonymous_route("/public")
            .with_step_up(StepUpLayer::builder().require("notes.write", Requirement::new()))
            .add_authenticator(callers.clone());
        let (gate, handle) = settings(stack).build().unwrap();
        Self {
            clock,
            audit,
            callers,
            gate,
            handle,
        }
    }

    pub(crate) async fn revoke(&self, revocation: Revocation) {
        self.handle.revoke(revocation).await.unwrap();
    }

    pub(crate) async fn try_revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        self.handle.revoke(revocation).await
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
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        // A response is read to its end, as a client does.
        let _ = response.into_body().collect().await;
        (status, challenge.unwrap_or_default())
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, reason: &str, status: u16) {
        let records = self.audit.take();
        let [refused] = records.as_slice() else {
            panic!("one record: {records:?}");
        };
        let found = (refused.reason.as_str(), refused.status.map(|s| s.as_u16()));
        assert_eq!(found, (reason, Some(status)));
        assert_eq!(refused.layer, "authn");
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub(crate) fn request(token: &str) -> Request<String> {
    let builder = Request::builder()
        .uri("/notes")
        .header("host", "agent.example")
        .header("authorization", format!("Bearer {token}"));
    builder.body(String::new()).unwrap()
}

/// A handler that answers at once.
pub(crate) fn answer() -> impl Service<
    Request<RequestBody<String>>,
    Response = Response<Full<Bytes>>,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    tower::service_fn(|_| std::future::ready(Ok(Response::new(Full::from("handled")))))
}
