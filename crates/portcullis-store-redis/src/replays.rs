//! One-time credentials that were used: a sorted set for each owner.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};

use crate::{
    bucket::{bytes, strange},
    layout::{millis, text},
    link::Repeat,
    script::{Script, script},
    stores::{Question, Shared},
};

static TAKE: LazyLock<Script> = LazyLock::new(|| script!("replay_take"));

/// By so much longer than it lasts a credential is remembered: authenticators forgive as much,
/// and a clock may be set back by a step.
const LEEWAY: Duration = Duration::from_secs(60);

/// A store of one-time credentials that were used. Clones are the same store.
///
/// Each is remembered until it has been over for a minute. One owner has so many of them at a
/// time as [`with_replays_per_owner`](crate::RedisBuilder::with_replays_per_owner) says.
///
/// Once some may have been lost, it is an error to take one that ends no later than those that
/// were lost can have ended. One that was made after the loss and lasts as long is good at once.
///
/// It is had of [`Redis::replays`](crate::Redis::replays).
#[derive(Clone)]
pub struct RedisReplays(pub(crate) Arc<Shared>);

impl ReplayStore for RedisReplays {
    async fn take(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let bucket = self.0.replays_of(owner.as_u128())?;
        // Also one that is over already, which its authenticator should have noticed.
        let kept_until = until.max(now) + LEEWAY;
        let question = Question {
            keys: vec![bucket.key(format!("o:{owner}"))],
            args: vec![
                key.as_u128().to_be_bytes().to_vec(),
                millis(until),
                millis(kept_until),
                text(&self.0.share),
                millis(now),
            ],
            repeat: Repeat::Never,
            ahead: until.saturating_since(now),
        };
        let answer = self.0.ask(bucket, &TAKE, question).await?;
        match &*bytes(answer.what)? {
            b"fresh" => Ok(Taken::Fresh),
            b"seen" => Ok(Taken::Seen),
            b"full" => Ok(Taken::Full),
            b"lost" => Err(StoreError::new(
                "redis has lost which one-time credentials were used, and this one may have been",
            )),
            _ => Err(strange()),
        }
    }
}

impl fmt::Debug for RedisReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisReplays").field(&self.0).finish()
    }
}
