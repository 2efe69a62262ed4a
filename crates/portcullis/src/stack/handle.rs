//! The gate from the operator's side.

use std::{fmt, sync::Arc};

use portcullis_core::{NotReady, StoreError};

#[cfg(feature = "metrics")]
use crate::audit::Published;
use crate::{
    audit::Stats,
    authn::AnyAuthenticator,
    frame::Steps,
    revocation::{Revocation, Revocations, RevokeError},
    session::AllSessions,
    tasks::Tasks,
};

/// What the operator of a [`Gate`](super::Gate) does with it while it runs.
///
/// Cheap to clone. Dropping it changes nothing about the gate.
#[derive(Clone)]
pub struct GateHandle {
    pub(super) steps: Arc<Steps>,
    pub(super) authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
    revocations: Arc<Revocations>,
    pub(super) sessions: Option<AllSessions>,
    pub(super) tasks: Tasks,
    #[cfg(feature = "metrics")]
    published: Arc<Published>,
}

impl GateHandle {
    pub(super) fn new(
        steps: Arc<Steps>,
        authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
        revocations: Arc<Revocations>,
        sessions: Option<AllSessions>,
        tasks: Tasks,
    ) -> Self {
        Self {
            steps,
            authenticators,
            revocations,
            sessions,
            tasks,
            #[cfg(feature = "metrics")]
            published: Arc::default(),
        }
    }

    /// Revokes credentials: whoever comes with one is refused, from the next request on, and
    /// permitted nothing more in those that run. Sessions of a subject or a grant that is
    /// revoked end, and with them what runs in them. See [`revocation`](crate::revocation) for
    /// what else it reaches, and what not.
    ///
    /// It is done to the end, also when whoever waits for it goes away.
    ///
    /// # Errors
    ///
    /// The revocation would have no effect, or a store cannot say whether it has it: that of
    /// the revocations, or that of the sessions. Try again; what was done already does no harm.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        let this = self.clone();
        let revoke = async move {
            let now = this.revocations.now();
            let revoked = this.revocations.revoke(&revocation, now).await;
            if let Err(RevokeError::Invalid(_)) = revoked {
                return revoked;
            }
            // Also where the store of revocations is down: what can be ended is ended.
            if let (Some(sessions), Some((issuer, subject, client))) =
                (&this.sessions, revocation.sessions())
            {
                let cut_off = revocation.cut_off(now);
                let ended = sessions.revoke(issuer, subject, client, cut_off).await;
                return revoked.and(ended.map_err(RevokeError::Store));
            }
            revoked
        };
        self.tasks.to_the_end(revoke).await
    }

    /// Ends all sessions of a principal, and what runs in them on this server at once. Says
    /// how many lived; none without a `session` layer. Whoever authenticates anew is in again,
    /// and so is a key that is issued after this, which says so: one that says no time of its
    /// issue stays out for as long as the store remembers. What credentials of other clients
    /// or kinds may open is theirs: to keep all out, [`revoke`](Self::revoke) them.
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
    /// The first authenticator that cannot decide, and why; or the gate is shut down.
    pub async fn ready(&self) -> Result<(), NotReady> {
        if !self.steps.doors().are_open() {
            return Err(NotReady::new("gate", "it is shut down"));
        }
        for authenticator in self.authenticators.iter() {
            Arc::clone(authenticator).ready().await?;
        }
        Ok(())
    }

    /// What has been counted, by reason code.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.stats()
    }

    /// Hands what has been counted since the last time to the recorder of the crate `metrics`
    /// that is installed. Call it whenever metrics are asked for, or from time to time: nothing
    /// is done for them on the way of a request. See [`audit`](crate::audit#metrics) for the
    /// names.
    #[cfg(feature = "metrics")]
    pub fn publish_metrics(&self) {
        self.published.publish(|| self.stats());
    }
}

impl fmt::Debug for GateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateHandle")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
