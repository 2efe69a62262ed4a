//! Sessions: a row for each, and one for each owner.

mod row;

use std::{fmt, sync::Arc};

use portcullis_core::{
    Change, Commit, EvidenceKind, OwnerKey, Revision, SessionId, SessionKey, SessionState,
    SessionStore, Sessions, StoreError, Timestamp,
};
use tokio_postgres::types::Type;

use crate::{
    link::Repeat,
    problem::damaged,
    sessions::row::Rows,
    stores::{Shared, column, first},
};

/// A store of sessions. Clones are the same store.
///
/// It is had of [`Postgres::sessions`](crate::Postgres::sessions).
#[derive(Clone)]
pub struct PostgresSessions(pub(crate) Arc<Shared>);

impl SessionStore for PostgresSessions {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let owner = owner.as_u128().to_be_bytes();
        let now = self.0.link.now().unix_millis();
        let params = [
            (&owner.as_slice() as _, Type::BYTEA),
            (&now as _, Type::INT8),
        ];
        let question = &self.0.questions.session_load;
        let rows = self.0.ask(question, &params, Repeat::Once).await?;
        let revision: Option<i64> = column(first(&rows)?, "revision")?;
        let revision = revision.ok_or_else(|| damaged("the revision of an owner"))?;
        let records = rows.iter().skip(1).map(row::read);
        let mut sessions = Sessions {
            revision: Revision::from_u64(revision.cast_unsigned()),
            records: records.collect::<Result<_, _>>()?,
        };
        sessions.doubt(self.0.link.life().lost());
        Ok(sessions)
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let owner = owner.as_u128().to_be_bytes();
        let expected = expected.as_u64().cast_signed();
        let kept_until = self.is_of_use(&changes, now).map(Timestamp::unix_millis);
        let now = now.unix_millis();
        let rows = Rows::new(&changes)?;
        let params = [
            (&owner.as_slice() as _, Type::BYTEA),
            (&expected as _, Type::INT8),
            (&kept_until as _, Type::INT8),
            (&now as _, Type::INT8),
            (&rows.keys as _, Type::BYTEA_ARRAY),
            (&rows.ids as _, Type::BYTEA_ARRAY),
            (&rows.states as _, Type::INT2_ARRAY),
            (&rows.state_ats as _, Type::INT8_ARRAY),
            (&rows.active_ats as _, Type::INT8_ARRAY),
            (&rows.ends_ats as _, Type::INT8_ARRAY),
            (&rows.idles as _, Type::INT8_ARRAY),
            (&rows.records as _, Type::BYTEA_ARRAY),
        ];
        let question = &self.0.questions.session_commit;
        let rows = self.0.ask(question, &params, Repeat::Never).await?;
        match column(first(&rows)?, "is_done")? {
            true => Ok(Commit::Done),
            false => Ok(Commit::Conflict),
        }
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let names = [owner.as_u128(), key.as_u128(), id.as_u128()].map(u128::to_be_bytes);
        let [owner, key, id] = names.each_ref().map(<[u8; 16]>::as_slice);
        let at = at.unix_millis();
        let params = [
            (&owner as _, Type::BYTEA),
            (&key as _, Type::BYTEA),
            (&id as _, Type::BYTEA),
            (&at as _, Type::INT8),
        ];
        let question = &self.0.questions.session_touch;
        let rows = self.0.ask(question, &params, Repeat::Never).await?;
        column(first(&rows)?, "begins")
    }

    /// What is older than the [retention](crate::PostgresBuilder::with_retention), and what was
    /// lost.
    fn forgotten(&self, _: OwnerKey) -> Option<Timestamp> {
        let lost = self.0.link.life().lost();
        lost.max(Some(self.0.latest_now() - self.0.retention))
    }
}

impl PostgresSessions {
    /// Until when the sessions of an owner are of use that are changed so; `None` for ever.
    fn is_of_use(&self, changes: &[Change], now: Timestamp) -> Option<Timestamp> {
        let mut latest = now;
        for change in changes {
            if let Change::Put(record) = change {
                // No time keeps such a one out again, so it must not be forgotten.
                let is_ended = matches!(record.state, SessionState::Ended(..));
                if record.kind == EvidenceKind::Standing
                    && (is_ended || record.barred_until.is_some())
                {
                    return None;
                }
                latest = latest.max(record.ends_at);
            }
        }
        Some(latest + self.0.retention)
    }
}

impl fmt::Debug for PostgresSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresSessions").field(&self.0).finish()
    }
}
