//! Revocations: a value for each cut-off.

use std::{fmt, sync::Arc, sync::LazyLock, time::Duration};

use portcullis_core::{RevocationStore, RevokedKey, StoreError, Timestamp};

use crate::{
    bucket::bytes,
    layout::{millis, read_time, write_time},
    link::Repeat,
    script::{Script, script},
    stores::{Question, Shared},
};

static LOOK: LazyLock<Script> = LazyLock::new(|| script!("times", "revocation_look"));
static REVOKE: LazyLock<Script> = LazyLock::new(|| script!("times", "revocation_revoke"));

/// A store of revocations. Clones are the same store.
///
/// All of them are in one bucket, and so in one slot of a cluster: the keys of one credential
/// are looked up by one script, together with whether anything has been lost.
///
/// It is had of [`Redis::revocations`](crate::Redis::revocations).
#[derive(Clone)]
pub struct RedisRevocations(pub(crate) Arc<Shared>);

impl RevocationStore for RedisRevocations {
    async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
        let bucket = &self.0.revocations;
        let question = Question {
            keys: keys.iter().map(|key| bucket.key(key.to_string())).collect(),
            args: Vec::new(),
            repeat: Repeat::Once,
            ahead: Duration::ZERO,
        };
        let answer = self.0.ask(bucket, &LOOK, question).await?;
        let latest = bytes(answer.what)?;
        match latest.is_empty() {
            true => Ok(None),
            false => read_time(&latest).map(Some),
        }
    }

    async fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let bucket = &self.0.revocations;
        let question = Question {
            keys: vec![bucket.key(key.to_string())],
            args: vec![
                write_time(cut_off).to_vec(),
                write_time(kept_until).to_vec(),
                millis(now),
            ],
            // The later of two stays, so twice is as good as once.
            repeat: Repeat::Once,
            ahead: Duration::ZERO,
        };
        self.0.ask(bucket, &REVOKE, question).await?;
        Ok(())
    }

    /// What was lost.
    fn forgotten(&self) -> Option<Timestamp> {
        self.0.revocations.lost()
    }
}

impl fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisRevocations").field(&self.0).finish()
    }
}
