//! The gate from the operator's side.

use std::{fmt, sync::Arc};

use portcullis_core::{NotReady, SessionId, StoreError};
use tokio::sync::Mutex;

use super::installed::{Deciders, Ground, Installed};

#[cfg(feature = "metrics")]
use crate::audit::Published;
use crate::{
    audit::Stats,
    revocation::{Revocation, RevokeError},
    session::ListedSession,
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
    /// and with anything but one token or key the session itself. See
    /// [`revocation`](crate::revocation) for when it is known on other servers.
    ///
    /// It is done to the end, also when whoever waits for it goes away.
    ///
    /// # Errors
    ///
    /// The revocation would have no effect, or a store cannot say whether it has it: that of
    /// the revocations, or that of the sessions. Try again; what was done already does no harm.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        self.ground.revoker.revoke(revocation).await
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
        self.ground.revoker.end_sessions(issuer, subject).await
    }

    /// The sessions of a principal that live, by what their store has: the one that was opened last
    /// first; none without a `session` layer. What a page shows that says where somebody is
    /// signed in.
    ///
    /// # Errors
    ///
    /// The store cannot say.
    pub async fn sessions(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<ListedSession>, StoreError> {
        self.ground.revoker.sessions(issuer, subject).await
    }

    /// Ends one of the [`sessions`](Self::sessions) of a principal, and what runs in it on this
    /// server at once. Says whether it lived; one of somebody else does not. It is done to the end,
    /// also when whoever waits for it goes away.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did.
    pub async fn end_session(
        &self,
        issuer: &str,
        subject: &str,
        id: SessionId,
    ) -> Result<bool, StoreError> {
        self.ground.revoker.end_session(issuer, subject, id).await
    }

    /// Completes when every authenticator and every receiver of [notices](crate::notices) can
    /// decide: key sets are loaded, backends answer.
    ///
    /// Requests do not wait for this. A server that must not start without its keys awaits
    /// it before it listens.
    ///
    /// # Errors
    ///
    /// The first that cannot decide, and why; or the gate is shut down.
    pub async fn ready(&self) -> Result<(), NotReady> {
        self.ready_with(&self.installed.deciders()).await
    }

    pub(super) async fn ready_with(&self, deciders: &Deciders) -> Result<(), NotReady> {
        let shut_down = || NotReady::new("gate", "it is shut down");
        let doors = &self.ground.shared.doors;
        for authenticator in deciders.authenticators.iter() {
            if !doors.are_open() {
                return Err(shut_down());
            }
            Arc::clone(authenticator).ready().await?;
        }
        match doors.are_open() {
            true => deciders.receivers.ready().await,
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
