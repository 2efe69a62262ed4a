//! The life of a store, as this process has seen it: whether what was kept is still all there.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use portcullis_core::{StoreError, Timestamp};
use tokio_postgres::{Client, Row, types::Type};

use crate::{
    problem::{Problem, describe},
    schema::Schema,
};

/// Nothing has been lost.
const NEVER: i64 = i64::MIN;

/// What this process knows of it.
pub(crate) struct Life {
    asked: Box<str>,
    trusts_failovers: bool,
    seen: Mutex<Seen>,
    lost: AtomicI64,
    /// Whether API keys may have been lost, and nobody has accepted that.
    keys_are_lost: AtomicBool,
}

/// What this process has seen last.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Another one after each loss.
    name: Option<Arc<[u8]>>,
    epoch: i64,
    longest: i64,
    place: Arc<str>,
    /// Up to where the log of the server was on its disk.
    flushed: i64,
}

impl Life {
    pub(crate) fn new(schema: &Schema, trusts_failovers: bool) -> Self {
        let asked = schema.fill(
            "SELECT name, epoch, lost, longest, place, flushed \
             FROM {schema}.visit($1, $2, $3, $4, $5, $6, $7)",
        );
        Self {
            asked: asked.into(),
            trusts_failovers,
            seen: Mutex::default(),
            lost: AtomicI64::new(NEVER),
            keys_are_lost: AtomicBool::new(false),
        }
    }

    /// The name that every question says.
    pub(crate) fn name(&self) -> Option<Arc<[u8]>> {
        self.seen().name.clone()
    }

    /// Looks whether something was lost. Says where the server is.
    pub(crate) async fn visit(&self, client: &Client, now: Timestamp) -> Result<Arc<str>, Problem> {
        let seen = self.seen().clone();
        let (name, now) = (seen.name.as_deref(), now.unix_millis());
        let row = client
            .query_typed_one(
                &self.asked,
                &[
                    (&name, Type::BYTEA),
                    (&seen.epoch, Type::INT8),
                    (&seen.longest, Type::INT8),
                    (&&*seen.place, Type::TEXT),
                    (&seen.flushed, Type::INT8),
                    (&now, Type::INT8),
                    (&self.trusts_failovers, Type::BOOL),
                ],
            )
            .await;
        let told = row.and_then(|row| read(&row));
        let (told, lost) = told.map_err(|error| describe(&error))?;
        let place = Arc::clone(&told.place);
        self.take_over(&seen, told);
        self.note_loss(lost);
        Ok(place)
    }

    /// Takes note of how far a server at that place was.
    pub(crate) fn note(&self, place: &str, flushed: i64) {
        let mut seen = self.seen();
        if *seen.place == *place {
            // Answers may come in another order than they were given.
            seen.flushed = seen.flushed.max(flushed);
        }
    }

    /// Takes note of how long a one-time credential lasts that is about to be used.
    pub(crate) fn note_longest(&self, millis: i64) {
        let mut seen = self.seen();
        seen.longest = seen.longest.max(millis);
    }

    /// Up to when what was kept may be gone.
    pub(crate) fn lost(&self) -> Option<Timestamp> {
        match self.lost.load(Ordering::Acquire) {
            NEVER => None,
            millis => Some(Timestamp::from_unix_millis(millis)),
        }
    }

    /// An error for as long as API keys may be gone.
    pub(crate) fn check_keys(&self) -> Result<(), StoreError> {
        match self.keys_are_lost.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(StoreError::new(
                "postgres may have lost api keys, or changes of them: look whether they are all \
                 there, and accept the loss",
            )),
        }
    }

    pub(crate) fn accept_loss(&self) {
        self.keys_are_lost.store(false, Ordering::Release);
    }

    fn take_over(&self, before: &Seen, told: Seen) {
        if before.name.is_some() && before.name != told.name {
            self.keys_are_lost.store(true, Ordering::Release);
        }
        let mut seen = self.seen();
        let is_same = seen.name == told.name && seen.place == told.place;
        *seen = Seen {
            epoch: seen.epoch.max(told.epoch),
            longest: seen.longest.max(told.longest),
            flushed: if is_same {
                seen.flushed.max(told.flushed)
            } else {
                told.flushed
            },
            ..told
        };
    }

    fn note_loss(&self, lost: Option<i64>) {
        let Some(lost) = lost else { return };
        if self.lost.fetch_max(lost, Ordering::AcqRel) < lost {
            tracing::error!(
                target: "portcullis",
                "postgres may have lost what was kept: sessions and revocations no longer count \
                 as they were before {}, and api keys may be older",
                Timestamp::from_unix_millis(lost),
            );
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What the lock protects is whole between any two statements.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

fn read(row: &Row) -> Result<(Seen, Option<i64>), tokio_postgres::Error> {
    let told = Seen {
        name: Some(row.try_get::<_, &[u8]>("name")?.into()),
        epoch: row.try_get("epoch")?,
        longest: row.try_get("longest")?,
        place: row.try_get::<_, &str>("place")?.into(),
        flushed: row.try_get("flushed")?,
    };
    Ok((told, row.try_get("lost")?))
}
