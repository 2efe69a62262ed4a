//! Revocations: a row for each cut-off.

use std::{fmt, sync::Arc};

use portcullis_core::{RevocationStore, RevokedKey, StoreError, Timestamp};
use tokio_postgres::types::Type;

use crate::{
    link::Repeat,
    stores::{Shared, column, first, time_of},
};

/// A store of revocations. Clones are the same store.
///
/// It is had of [`Postgres::revocations`](crate::Postgres::revocations).
#[derive(Clone)]
pub struct PostgresRevocations(pub(crate) Arc<Shared>);

impl RevocationStore for PostgresRevocations {
    async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
        let keys = keys.iter().map(|key| key.as_u128().to_be_bytes().to_vec());
        let keys: Vec<Vec<u8>> = keys.collect();
        let question = &self.0.questions.revocation_look;
        let params = [(&keys as _, Type::BYTEA_ARRAY)];
        let rows = self.0.ask(question, &params, Repeat::Once).await?;
        let latest: Option<i64> = column(first(&rows)?, "latest")?;
        Ok(latest.map(time_of))
    }

    async fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = key.as_u128().to_be_bytes();
        let times = [cut_off, kept_until, now].map(Timestamp::unix_millis);
        let [cut_off, kept_until, now] = &times;
        let params = [
            (&key.as_slice() as _, Type::BYTEA),
            (cut_off as _, Type::INT8),
            (kept_until as _, Type::INT8),
            (now as _, Type::INT8),
        ];
        // The later of two stays, so twice is as good as once.
        let question = &self.0.questions.revocation_revoke;
        self.0.ask(question, &params, Repeat::Once).await?;
        Ok(())
    }

    /// What was lost.
    fn forgotten(&self) -> Option<Timestamp> {
        self.0.link.life().lost()
    }
}

impl fmt::Debug for PostgresRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresRevocations").field(&self.0).finish()
    }
}
