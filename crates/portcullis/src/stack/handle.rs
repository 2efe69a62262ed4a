//! The gate from the operator's side.

use std::{fmt, sync::Arc};

use portcullis_core::{NotReady, StoreError};

use crate::{audit::Stats, authn::AnyAuthenticator, frame::Steps, session::AllSessions};

/// What the operator of a [`Gate`](super::Gate) does with it while it runs.
///
/// Cheap to clone. Dropping it changes nothing about the gate.
#[derive(Clone)]
pub struct GateHandle {
    steps: Arc<Steps>,
    authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
    sessions: Option<AllSessions>,
}

impl GateHandle {
    pub(super) fn new(
        steps: Arc<Steps>,
        authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
        sessions: Option<AllSessions>,
    ) -> Self {
        Self {
            steps,
            authenticators,
            sessions,
        }
    }

    /// Ends all sessions of a principal, and what runs in them on this server at once. Says
    /// how many lived; none without a `session` layer. Whoever authenticates anew is in again:
    /// to keep somebody out, take the credential away.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did.
    pub async fn end_sessions(&self, issuer: &str, subject: &str) -> Result<usize, StoreError> {
        match &self.sessions {
            Some(sessions) => sessions.end(issuer, subject).await,
            None => Ok(0),
        }
    }

    /// Completes when every authenticator can decide: key sets are loaded, backends answer.
    ///
    /// Requests do not wait for this. A server that must not start without its keys awaits
    /// it before it listens.
    ///
    /// # Errors
    ///
    /// The first authenticator that cannot decide, and why.
    pub async fn ready(&self) -> Result<(), NotReady> {
        for authenticator in self.authenticators.iter() {
            Arc::clone(authenticator).ready().await?;
        }
        Ok(())
    }

    /// How many decisions there were, by reason code.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.shared().recorder.counters().snapshot()
    }
}

impl fmt::Debug for GateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateHandle")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
