//! The one way in which a revocation is carried out, whoever asks for it.

use std::{fmt, sync::Arc};

use portcullis_core::{Notice, SessionId, StoreError};

use super::{Reach, Revocation, Revocations, RevokeError};
use crate::{
    session::{AllSessions, ListedSession},
    tasks::Tasks,
};

/// Carries out revocations: those of the operator, and those that an issuer gives notice of.
#[derive(Clone)]
pub(crate) struct Revoker {
    revocations: Arc<Revocations>,
    sessions: Option<AllSessions>,
    tasks: Tasks,
}

impl Revoker {
    pub(crate) fn new(
        revocations: Arc<Revocations>,
        sessions: Option<AllSessions>,
        tasks: Tasks,
    ) -> Self {
        Self {
            revocations,
            sessions,
            tasks,
        }
    }

    /// See [`GateHandle::revoke`](crate::GateHandle::revoke).
    pub(crate) async fn revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        let this = self.clone();
        let revoke = async move {
            let now = this.revocations.now();
            let revoked = this.revocations.revoke(&revocation, now).await;
            if let Err(RevokeError::Invalid(_)) = revoked {
                return revoked;
            }
            // At once: what comes now may take a while. And once more when it is done.
            this.revocations.tell_others(&revocation).await;
            let Some(sessions) = &this.sessions else {
                return revoked;
            };
            // Also where the store of revocations is down: what can be ended is ended.
            let cut_off = revocation.cut_off(now);
            let reaches = |evidence: &_| this.revocations.reaches(evidence, &revocation, cut_off);
            let ended = match revocation.sessions() {
                Reach::Owner(issuer, subject, client) => {
                    sessions.revoke(issuer, subject, client, cut_off).await
                }
                Reach::Running => sessions.revoke_running(reaches, cut_off).await,
                Reach::Requests => Ok(()),
            };
            // After it: what is let in until then is in as well.
            sessions.cut(reaches);
            this.revocations.tell_others(&revocation).await;
            revoked.and(ended.map_err(RevokeError::Store))
        };
        self.tasks.to_the_end(revoke).await
    }

    /// Carries out what an issuer gives notice of: all of it, in its order, or none counts as done.
    /// Each of them may be carried out again.
    pub(crate) async fn carry_out(&self, notices: &[Notice]) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        for notice in notices {
            match self.revoke(Revocation::from(notice)).await {
                Ok(()) => {}
                Err(RevokeError::Invalid(problem)) => {
                    tracing::warn!(
                        target: "portcullis",
                        kind = notice.key().kind(),
                        "a notice of an issuer has no effect: {problem}",
                    );
                }
                // One that fails keeps none of the others.
                Err(RevokeError::Store(error)) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    /// See [`GateHandle::end_sessions`](crate::GateHandle::end_sessions).
    pub(crate) async fn end_sessions(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<usize, StoreError> {
        match &self.sessions {
            Some(sessions) => sessions.end(issuer, subject).await,
            None => Ok(0),
        }
    }

    /// See [`GateHandle::sessions`](crate::GateHandle::sessions).
    pub(crate) async fn sessions(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<ListedSession>, StoreError> {
        match &self.sessions {
            Some(sessions) => sessions.list(issuer, subject).await,
            None => Ok(Vec::new()),
        }
    }

    /// See [`GateHandle::end_session`](crate::GateHandle::end_session).
    pub(crate) async fn end_session(
        &self,
        issuer: &str,
        subject: &str,
        id: SessionId,
    ) -> Result<bool, StoreError> {
        match &self.sessions {
            Some(sessions) => sessions.end_one(issuer, subject, id).await,
            None => Ok(false),
        }
    }

    /// Has what runs in sessions stop, and nobody looks after them any more. They go on.
    pub(crate) fn stop_sessions(&self) {
        if let Some(sessions) = &self.sessions {
            sessions.stop();
        }
    }
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revoker").finish_non_exhaustive()
    }
}
