//! API keys: a row for each.

use std::{fmt, sync::Arc};

use portcullis_core::{
    Commit, Revision, StoreError, Timestamp,
    api_keys::{ApiKeyStore, StoredKey},
};
use tokio_postgres::{Row, types::Type};

use crate::{
    link::Repeat,
    problem::damaged,
    stores::{Shared, column, first, time_of},
};

/// A store of API keys. Clones are the same store.
///
/// Keys do not age, so none may be lost: once the server may have lost some that this process has
/// seen there, or changes of them, every question is an error until
/// [`accept_loss`](Self::accept_loss) is called, or the process is started anew.
///
/// It is had of [`Postgres::api_keys`](crate::Postgres::api_keys).
#[derive(Clone)]
pub struct PostgresApiKeys(pub(crate) Arc<Shared>);

impl PostgresApiKeys {
    /// Goes on with what the server has now, as a process does that is started anew. Keys that
    /// were revoked after the state that it has gone back to are good again: revoke them first of
    /// all.
    pub fn accept_loss(&self) {
        self.0.link.life().accept_loss();
    }
}

impl ApiKeyStore for PostgresApiKeys {
    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        let params = [(&id.as_bytes() as _, Type::BYTEA)];
        let question = &self.0.questions.api_key_load;
        let rows = self.0.ask_of_keys(question, &params, Repeat::Once).await?;
        let found = read(first(&rows)?)?;
        match found {
            Some(key) if key.id() != id => Err(damaged("an api key")),
            found => Ok(found.map(Arc::new)),
        }
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let after = after.unwrap_or_default().as_bytes();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = [
            (&owner.as_bytes() as _, Type::BYTEA),
            (&after as _, Type::BYTEA),
            (&limit as _, Type::INT8),
        ];
        let question = &self.0.questions.api_key_list;
        let rows = self.0.ask_of_keys(question, &params, Repeat::Once).await?;
        let keys = rows.iter().skip(1).map(|row| match read(row)? {
            Some(key) if key.grant().subject() == owner => Ok(key),
            _ => Err(damaged("an api key")),
        });
        keys.collect()
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        let expected = key.revision();
        let key = key.with_revision(expected.next());
        let revisions = [expected, key.revision()].map(|number| number.as_u64().cast_signed());
        let [expected, next] = &revisions;
        let used_at = key.last_used_at().map(Timestamp::unix_millis);
        let (owner, bytes) = (key.grant().subject(), key.to_bytes());
        let params = [
            (&key.id().as_bytes() as _, Type::BYTEA),
            (&owner.as_bytes() as _, Type::BYTEA),
            (expected as _, Type::INT8),
            (next as _, Type::INT8),
            (&used_at as _, Type::INT8),
            (&bytes as _, Type::BYTEA),
        ];
        let question = &self.0.questions.api_key_put;
        outcome(&self.0.ask_of_keys(question, &params, Repeat::Never).await?)
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        let expected = expected.as_u64().cast_signed();
        let params = [
            (&id.as_bytes() as _, Type::BYTEA),
            (&expected as _, Type::INT8),
        ];
        let question = &self.0.questions.api_key_remove;
        outcome(&self.0.ask_of_keys(question, &params, Repeat::Never).await?)
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let at = at.unix_millis();
        let params = [(&id.as_bytes() as _, Type::BYTEA), (&at as _, Type::INT8)];
        let question = &self.0.questions.api_key_touch;
        self.0.ask_of_keys(question, &params, Repeat::Once).await?;
        Ok(())
    }
}

impl fmt::Debug for PostgresApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresApiKeys").field(&self.0).finish()
    }
}

fn read(row: &Row) -> Result<Option<StoredKey>, StoreError> {
    let Some(bytes) = column::<Option<&[u8]>>(row, "key")? else {
        return Ok(None);
    };
    let key = StoredKey::from_bytes(bytes)?;
    let revision: i64 = column(row, "revision")?;
    if key.revision().as_u64() != revision.cast_unsigned() {
        return Err(damaged("an api key"));
    }
    Ok(Some(match column::<Option<i64>>(row, "used_at")? {
        Some(at) => key.with_last_used_at(time_of(at)),
        None => key,
    }))
}

fn outcome(rows: &[Row]) -> Result<Commit, StoreError> {
    match column(first(rows)?, "is_done")? {
        true => Ok(Commit::Done),
        false => Ok(Commit::Conflict),
    }
}
