//! A gate, and what can be done to it.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis::{
    BoxError, Gate, GateHandle, RequestBody,
    stack::{Complete, Shutdown, Stack, StackBuilder},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    fixtures::{RESOURCE, request_with, short_sessions, stack_builder, step_up_builder},
    patience::settle,
    table_auth::TableAuth,
};
use tokio::task::JoinHandle;
use tower::{Layer as _, Service, ServiceExt as _};

/// How long what runs has to complete, in these tests.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) audit: RecordingAudit,
    pub(crate) gate: Gate,
    pub(crate) handle: GateHandle,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|stack| stack.with_session(short_sessions()))
    }

    pub(crate) fn with(
        settings: impl FnOnce(StackBuilder<Complete>) -> StackBuilder<Complete>,
    ) -> Self {
        Self::recording(RecordingAudit::new(), settings)
    }

    pub(crate) fn recording(
        audit: RecordingAudit,
        settings: impl FnOnce(StackBuilder<Complete>) -> StackBuilder<Complete>,
    ) -> Self {
        let stack = settings(stack_builder(&audit));
        Self::build(audit, stack)
    }

    /// Without sessions.
    pub(crate) fn bare(audit: RecordingAudit) -> Self {
        let stack = Stack::builder()
            .with_audit(audit.clone())
            .with_resource(RESOURCE)
            .with_step_up(step_up_builder())
            .add_authenticator(TableAuth::new());
        Self::build(audit, stack)
    }

    fn build(audit: RecordingAudit, stack: StackBuilder<Complete>) -> Self {
        let clock = VirtualClock::new();
        let stack = stack.with_clock(clock.clone());
        let (gate, handle) = stack.add_anonymous_route("/public").build().unwrap();
        Self {
            clock,
            audit,
            gate,
            handle,
        }
    }

    /// Begins to shut the gate down.
    pub(crate) async fn shut(&self) -> JoinHandle<Shutdown> {
        let handle = self.handle.clone();
        let shutting = tokio::spawn(async move { handle.shutdown(GRACE).await });
        settle().await;
        shutting
    }

    /// Lets so many seconds go by, in which everybody gets on.
    pub(crate) async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            settle().await;
        }
    }

    /// The status of the answer, which is read to its end.
    pub(crate) async fn ask<S, B>(&self, request: Request<String>, handler: S) -> u16
    where
        S: Service<Request<RequestBody<String>>, Response = Response<B>> + Clone,
        S::Error: std::fmt::Debug,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let response = self.gate.layer(handler).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let _ = response.into_body().collect().await;
        status
    }

    /// The reasons of all records since the last time.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        let records = self.audit.take();
        records
            .iter()
            .map(|record| record.reason.as_str())
            .collect()
    }
}

pub(crate) fn request() -> Request<String> {
    request_as("good-alice")
}

pub(crate) fn request_as(token: &str) -> Request<String> {
    request_with(token).body(String::new()).unwrap()
}

/// A handler that answers at once.
pub(crate) fn answer() -> impl Service<
    Request<RequestBody<String>>,
    Response = Response<String>,
    Error = Infallible,
    Future: Send,
> + Clone
+ use<> {
    tower::service_fn(async |_| Ok(Response::new("done".to_owned())))
}

/// A handler that answers when this is dropped.
pub(crate) fn answer_after(
    signal: &tokio::sync::watch::Sender<()>,
) -> impl Service<
    Request<RequestBody<String>>,
    Response = Response<String>,
    Error = Infallible,
    Future: Send,
> + Clone
+ use<> {
    let signal = signal.subscribe();
    tower::service_fn(move |_| {
        let mut signal = signal.clone();
        async move {
            while signal.changed().await.is_ok() {}
            Ok(Response::new("done".to_owned()))
        }
    })
}
