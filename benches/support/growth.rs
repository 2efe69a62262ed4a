//! What is left of sessions that have ended.

use std::time::Duration;

use axum::{Router, routing::post};
use http::StatusCode;
use portcullis::{
    Authenticator, Check, Description, Evidence, EvidenceKind, RequestView, Session, Stack,
    Verdict, session::SessionLayer, stack::GuardedRouter,
};
use portcullis_testing::clock::VirtualClock;

use crate::{
    RESOURCE,
    requests::{bearer, request_from_peer},
    services::answer,
};

/// How much later each comes than the one before: as many in an hour as a large server has.
const APART: Duration = Duration::from_millis(10);

/// A server on which one after another comes for the first time, and logs out.
#[derive(Debug)]
pub struct Leaving {
    clock: VirtualClock,
    guarded: GuardedRouter,
    seen: usize,
}

impl Leaving {
    /// With the store that a gate has if nothing is said.
    ///
    /// # Panics
    ///
    /// The settings do not work.
    #[must_use]
    pub fn new() -> Self {
        let clock = VirtualClock::new();
        let (gate, _) = Stack::builder()
            .with_clock(clock.clone())
            .with_resource(RESOURCE)
            .add_authenticator(Anybody)
            .with_session(SessionLayer::builder())
            .build()
            .expect("the settings work");
        let agent = Router::new().route("/chat", post(leave));
        Self {
            clock,
            guarded: gate.guard(agent),
            seen: 0,
        }
    }

    /// So many more.
    ///
    /// # Panics
    ///
    /// One is refused.
    pub fn come_and_go(&mut self, people: usize) {
        for _ in 0..people {
            self.clock.advance(APART);
            self.seen += 1;
            let credential = bearer(&format!("person-{}", self.seen));
            let left = answer(&mut self.guarded, request_from_peer(&credential));
            assert_eq!(left.status(), StatusCode::NO_CONTENT);
        }
    }
}

impl Default for Leaving {
    fn default() -> Self {
        Self::new()
    }
}

async fn leave(session: Session) -> StatusCode {
    match session.end().await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Takes whatever is in the credential for somebody who has just authenticated.
struct Anybody;

impl Authenticator for Anybody {
    fn describe(&self) -> Description {
        Description::bearer("anybody")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some(name) = request.bearer() else {
            return Check::Done(Verdict::Absent);
        };
        let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", name);
        let evidence = evidence.with_auth_time(request.now());
        Check::Done(Verdict::accept(evidence))
    }
}
