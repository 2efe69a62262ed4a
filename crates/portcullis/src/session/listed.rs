//! The sessions of somebody, for whoever looks after them.

use portcullis_core::{
    Change, EndReason, EvidenceKind, SessionId, SessionRecord, SessionState, StoreError, Timestamp,
};

use super::decide::AllSessions;

/// A session that lives, as its store has it: one row of a page "where you are signed in". Nothing in
/// it opens the session.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListedSession {
    /// Its name in records, by which it can be [ended](crate::GateHandle::end_session).
    pub id: SessionId,
    /// The kind of credential that opened it.
    pub kind: EvidenceKind,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last active, as far as the store was told: activity is written down a few times
    /// in an idle timeout.
    pub active_at: Timestamp,
    /// The latest authentication that it has seen, by the issuer's clock.
    pub authenticated_at: Option<Timestamp>,
    /// When it ends at the latest, however active it is.
    pub ends_at: Timestamp,
}

impl AllSessions {
    /// Those that live, the one that was opened last first.
    pub(crate) async fn list(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<ListedSession>, StoreError> {
        let owner = self.0.keying.owner(issuer, subject);
        let sessions = self.0.store.load(owner).await?;
        let now = self.0.time.now();
        let living = sessions.records.iter().filter(|record| {
            record.over(now).is_none() && matches!(record.state, SessionState::Live)
        });
        let mut listed: Vec<_> = living.map(ListedSession::from).collect();
        listed.sort_by_key(|session| std::cmp::Reverse(session.opened_at));
        Ok(listed)
    }

    /// Ends one of them. Says whether it lived.
    pub(crate) async fn end_one(
        &self,
        issuer: &str,
        subject: &str,
        id: SessionId,
    ) -> Result<bool, StoreError> {
        let owner = self.0.keying.owner(issuer, subject);
        let shared = std::sync::Arc::clone(&self.0);
        let ending = async move {
            let at = shared.time.steady();
            let ended = shared.end_those(owner, |record| {
                let mut ended = record.clone();
                ended.state = SessionState::Ended(at, EndReason::Revoked);
                (record.id == id).then_some(Change::Put(ended))
            });
            ended.await.map(|ended| ended > 0)
        };
        self.0.tasks.to_the_end(ending).await
    }
}

impl From<&SessionRecord> for ListedSession {
    fn from(record: &SessionRecord) -> Self {
        Self {
            id: record.id,
            kind: record.kind,
            opened_at: record.opened_at,
            active_at: record.active_at,
            authenticated_at: record.authenticated_at,
            ends_at: record.ends_at,
        }
    }
}
