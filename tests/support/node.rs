//! A gate on one of several servers that share their stores.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use portcullis::{
    Authenticator, BoxError, Check, Clock, Description, Evidence, EvidenceKind, Gate, GateHandle,
    RequestBody, RequestView, ResponseBody, Secret, Stack, Timestamp, Verdict,
    revocation::RevocationStore,
    session::{SessionBuilder, SessionLayer, SessionStore},
    signal::SignalBus,
    stack::{Complete, StackBuilder},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use tower::{Layer as _, Service, ServiceExt as _};

use crate::fixtures::RESOURCE;

/// Believes everybody: `name.client.seconds`, who authenticated so long after the start.
struct People;

impl Authenticator for People {
    fn describe(&self) -> Description {
        Description::bearer("people").add_authorization_server("https://idp.example")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(token) = request.bearer() else {
            return Check::Done(Verdict::Absent);
        };
        let parts: Vec<_> = token.split('.').collect();
        let [name, client, seconds] = parts.as_slice() else {
            return Check::Done(Verdict::NotMine);
        };
        let at: Timestamp = VirtualClock::START + Duration::from_secs(seconds.parse().unwrap());
        let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", *name)
            .with_client(*client)
            .with_auth_time(at)
            .with_issued_at(at);
        Check::Done(Verdict::accept(evidence))
    }
}

/// One of the servers.
pub struct Node {
    gate: Gate,
    audit: RecordingAudit,
    /// What an operator has of it.
    pub handle: GateHandle,
}

impl Node {
    /// One with these stores, and the keys that all of them have.
    #[must_use]
    pub fn new(
        clock: impl Clock,
        sessions: impl SessionStore,
        revocations: impl RevocationStore,
        signals: impl SignalBus,
    ) -> Self {
        Self::build(clock, sessions, revocations, signals, |own| own, |own| own)
    }

    /// The same with other settings of its sessions.
    ///
    /// # Panics
    ///
    /// They cannot work.
    #[must_use]
    pub fn with(
        clock: impl Clock,
        sessions: impl SessionStore,
        revocations: impl RevocationStore,
        signals: impl SignalBus,
        settings: impl FnOnce(SessionBuilder) -> SessionBuilder,
    ) -> Self {
        Self::build(clock, sessions, revocations, signals, settings, |own| own)
    }

    /// The same, which keeps so many answers of its stores.
    #[must_use]
    pub fn keeping(
        clock: impl Clock,
        sessions: impl SessionStore,
        revocations: impl RevocationStore,
        signals: impl SignalBus,
        entries: usize,
    ) -> Self {
        let keeping = |stack: StackBuilder<Complete>| stack.with_cache(entries);
        Self::build(clock, sessions, revocations, signals, |own| own, keeping)
    }

    /// The same with other settings of its sessions, and of all of it.
    ///
    /// # Panics
    ///
    /// They cannot work.
    #[must_use]
    pub fn build(
        clock: impl Clock,
        sessions: impl SessionStore,
        revocations: impl RevocationStore,
        signals: impl SignalBus,
        session_settings: impl FnOnce(SessionBuilder) -> SessionBuilder,
        settings: impl FnOnce(StackBuilder<Complete>) -> StackBuilder<Complete>,
    ) -> Self {
        let audit = RecordingAudit::new();
        let session = SessionLayer::builder()
            .with_limit(3)
            .with_key(Secret::new([7; 16]))
            .with_store(sessions);
        let session = session_settings(session);
        let stack = Stack::builder()
            .with_clock(clock)
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .with_session(session)
            .with_revocations(revocations)
            .with_revocation_key(Secret::new([8; 16]))
            .with_signals(signals)
            .add_authenticator(People);
        let (gate, handle) = settings(stack).build().unwrap();
        Self {
            gate,
            audit,
            handle,
        }
    }

    /// Ends it in good order, and with it what it has of its stores.
    ///
    /// # Panics
    ///
    /// Something in it goes on.
    pub async fn end(self) {
        let shutdown = self.handle.shutdown(Duration::from_secs(1)).await;
        assert_eq!((shutdown.ended, shutdown.left), (0, 0));
    }

    /// The reason of the last record.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    pub fn reason(&self) -> String {
        let last = self.audit.take().pop().unwrap();
        last.reason.as_str().to_owned()
    }

    /// Forgets its records so far.
    pub fn forget_records(&self) {
        drop(self.audit.take());
    }

    /// The status of an answer to whoever comes with this token.
    ///
    /// # Panics
    ///
    /// The gate gives none.
    pub async fn ask(&self, token: &str) -> u16 {
        let handler =
            tower::service_fn(async |_| Ok::<_, Infallible>(Response::new("done".to_owned())));
        self.answer(token, handler).await.status().as_u16()
    }

    /// What is answered to whoever comes with this token.
    ///
    /// # Panics
    ///
    /// The gate gives no answer.
    pub async fn answer<S, B>(&self, token: &str, handler: S) -> Response<ResponseBody<B>>
    where
        S: Service<Request<RequestBody<String>>, Response = Response<B>, Error = Infallible>
            + Clone,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        self.answer_at("/notes", token, handler).await
    }

    /// The same at another path.
    ///
    /// # Panics
    ///
    /// The gate gives no answer.
    pub async fn answer_at<S, B>(
        &self,
        path: &str,
        token: &str,
        handler: S,
    ) -> Response<ResponseBody<B>>
    where
        S: Service<Request<RequestBody<String>>, Response = Response<B>, Error = Infallible>
            + Clone,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let request = Request::builder()
            .uri(path)
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {token}"))
            .body(String::new())
            .unwrap();
        self.gate.layer(handler).oneshot(request).await.unwrap()
    }

    /// A stream of somebody, which says nothing. Says whether it is over.
    ///
    /// # Panics
    ///
    /// He is not let in.
    pub async fn stream(&self, token: &str) -> impl FnMut() -> bool + use<> {
        let handler = tower::service_fn(async |_| {
            let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
            let response = Response::builder().header("content-type", "text/event-stream");
            Ok::<_, Infallible>(response.body(StreamBody::new(never)).unwrap())
        });
        let response = self.answer(token, handler).await;
        assert_eq!(response.status(), 200);
        let mut body = Box::pin(response.into_body());
        assert!(body.frame().now_or_never().is_none(), "it streams");
        move || body.frame().now_or_never().is_some()
    }
}
