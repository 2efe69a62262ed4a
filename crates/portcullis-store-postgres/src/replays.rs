//! One-time credentials that were used: a row for each.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};
use tokio_postgres::types::Type;

use crate::{
    problem::strange,
    stores::{Shared, column, first},
};

/// By so much longer than it lasts a credential is remembered: authenticators forgive as much,
/// and a clock may be set back by a step.
const LEEWAY: Duration = Duration::from_secs(60);
/// How long credentials last is noted in whole minutes: each change of it is one of a row that
/// all share.
const MINUTE: i64 = 60_000;

/// A store of one-time credentials that were used. Clones are the same store.
///
/// Each is remembered until it has been over for a minute. One owner has so many of them at a
/// time as [`with_replays_per_owner`](crate::PostgresBuilder::with_replays_per_owner) says.
///
/// Once some may have been lost, it is an error to take one that ends no later than those that
/// were lost can have ended. One that was made after the loss and lasts as long is good within a
/// minute.
///
/// It is had of [`Postgres::replays`](crate::Postgres::replays).
#[derive(Clone)]
pub struct PostgresReplays(pub(crate) Arc<Shared>);

impl ReplayStore for PostgresReplays {
    async fn take(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let span = until.saturating_since(now).as_millis();
        let span = i64::try_from(span).unwrap_or(i64::MAX);
        let span = span.saturating_add(MINUTE - 1) / MINUTE * MINUTE;
        self.0.link.life().note_longest(span);
        // Also one that is over already, which its authenticator should have noticed.
        let kept_until = until.max(now) + LEEWAY;
        let whose = owner.as_u128();
        let (owner, key) = (whose.to_be_bytes(), key.as_u128().to_be_bytes());
        let times = [until, kept_until, now].map(Timestamp::unix_millis);
        let [until, kept_until, now] = &times;
        let share = i64::from(self.0.share);
        let params = [
            (&owner.as_slice() as _, Type::BYTEA),
            (&key.as_slice() as _, Type::BYTEA),
            (until as _, Type::INT8),
            (kept_until as _, Type::INT8),
            (&share as _, Type::INT8),
            (&span as _, Type::INT8),
            (now as _, Type::INT8),
        ];
        let question = &self.0.questions.replay_take;
        let rows = self.0.ask_in_turn(whose, question, &params).await?;
        match column(first(&rows)?, "outcome")? {
            "fresh" => Ok(Taken::Fresh),
            "seen" => Ok(Taken::Seen),
            "full" => Ok(Taken::Full),
            "lost" => Err(StoreError::new(
                "postgres may have lost which one-time credentials were used, and this one may \
                 have been",
            )),
            _ => Err(strange()),
        }
    }
}

impl fmt::Debug for PostgresReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresReplays").field(&self.0).finish()
    }
}
