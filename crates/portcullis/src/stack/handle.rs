//! The gate from the operator's side.

use std::{fmt, sync::Arc};

use portcullis_core::{NotReady, StoreError};
use tokio::sync::Mutex;

use super::installed::{Ground, Installed};

#[cfg(feature = "metrics")]
use crate::audit::Published;
use crate::{
    audit::Stats,
    authn::AnyAuthenticator,
    revocation::{Reach, Revocation, RevokeError},
    tasks::Tasks,
};

/// What the operator of a [`Gate`](super::Gate) does with it while it runs.
///
/// Cheap to clone. Dropping it changes nothing about the gate.
#[derive(Clone)]
pub struct GateHandle {
    pub(super) installed: Arc<Installed>,
    pub(super) ground: Arc<Ground>,
    pub(super) tasks: Tasks,
    /// Of those who replace the layers.
    pub(super) turns: Arc<Mutex<()>>,
    #[cfg(feature = "metrics")]
    published: Arc<Published>,
}

impl GateHandle {
    pub(super) fn new(installed: Arc<Installed>, ground: Ground, tasks: Tasks) -> Self {
        Self {
            installed,
            ground: Arc::new(ground),
            tasks,
            turns: Arc::default(),
            #[cfg(feature = "metrics")]
            published: Arc::default(),
        }
    }

    /// Revokes credentials: whoever comes with one is refused, from the next request on, and
    /// permitted nothing more in those that run. What runs with one in sessions here ends at once,
    /// and with a subject, a grant, a client or a session at the issuer the session itself. See
    /// [`revocation`](crate::revocation) for when it is known on other servers.
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
            let now = this.ground.revocations.now();
            let revoked = this.ground.revocations.revoke(&revocation, now).await;
            if let Err(RevokeError::Invalid(_)) = revoked {
                return revoked;
            }
            // At once: what comes now may take a while. And once more when it is done.
            this.ground.revocations.tell_others(&revocation).await;
            let Some(sessions) = &this.ground.sessions else {
                return revoked;
            };
            // Also where the store of revocations is down: what can be ended is ended.
            let cut_off = revocation.cut_off(now);
            let reaches = |evidence: &_| {
                this.ground
                    .revocations
                    .reaches(evidence, &revocation, cut_off)
            };
            let ended = match revocation.sessions() {
                Reach::Owner(issuer, subject, client) => {
                    sessions.revoke(issuer, subject, client, cut_off).await
                }
                Reach::Running => sessions.revoke_running(reaches, cut_off).await,
                Reach::Requests => Ok(()),
            };
            // After it: what is let in until then is in as well.
            sessions.cut(reaches);
            this.ground.revocations.tell_others(&revocation).await;
            revoked.and(ended.map_err(RevokeError::Store))
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
        match &self.ground.sessions {
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
        self.ready_with(&self.installed.authenticators()).await
    }

    pub(super) async fn ready_with(
        &self,
        authenticators: &[Arc<dyn AnyAuthenticator>],
    ) -> Result<(), NotReady> {
        let shut_down = || NotReady::new("gate", "it is shut down");
        let doors = &self.ground.shared.doors;
        for authenticator in authenticators {
            if !doors.are_open() {
                return Err(shut_down());
            }
            Arc::clone(authenticator).ready().await?;
        }
        match doors.are_open() {
            true => Ok(()),
            false => Err(shut_down()),
        }
    }

    /// What has been counted, by reason code.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.installed.steps().load().stats()
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
            .field("steps", self.installed.steps())
            .finish_non_exhaustive()
    }
}
