//! One-time credentials that were used: a row for each.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};

use crate::{batch::Batch, problem::Failure, stores::Open};

/// By so much longer than it lasts a credential is remembered: authenticators forgive as much,
/// and a clock may be set back by a step.
const LEEWAY: Duration = Duration::from_secs(60);
/// How many that need not be remembered any longer are removed with one that is taken.
const AT_ONCE: usize = 16;

/// A store of one-time credentials that were used. Clones are the same store.
///
/// Each is remembered until it has been over for a minute. One owner has so many of them at a
/// time as [`with_replays_per_owner`](crate::RedbBuilder::with_replays_per_owner) says.
///
/// Each that is taken waits for the disk, together with all others that are taken meanwhile.
///
/// It is had of [`Redb::replays`](crate::Redb::replays).
#[derive(Clone)]
pub struct RedbReplays(pub(crate) Arc<Open>);

impl ReplayStore for RedbReplays {
    async fn take(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let taken = self
            .0
            .0
            .write(move |batch| take(batch, owner, key, until, now));
        taken.await
    }
}

impl fmt::Debug for RedbReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedbReplays").field(&self.0).finish()
    }
}

fn take(
    batch: &mut Batch<'_>,
    owner: ReplayOwner,
    key: ReplayKey,
    until: Timestamp,
    now: Timestamp,
) -> Result<Taken, Failure> {
    let owner = owner.as_u128().to_be_bytes();
    let name = [owner, key.as_u128().to_be_bytes()].concat();
    if batch.replays.find(&name)?.is_some() {
        return Ok(Taken::Seen);
    }
    let share = batch.limits.replays_per_owner;
    if !has_room(batch, &owner, share, now)? {
        return Ok(Taken::Full);
    }
    let over = batch.replays.until(now, AT_ONCE)?;
    remove(batch, &over)?;
    if batch.replays.len()? >= batch.limits.replays.into() {
        return Ok(Taken::Full);
    }
    // Also one that is over already, which its authenticator should have noticed.
    batch.replays.put(&name, until.max(now) + LEEWAY, &[])?;
    batch.note_change();
    Ok(Taken::Fresh)
}

/// Whether an owner has less than his share, once those of his are removed that are over.
fn has_room(
    batch: &mut Batch<'_>,
    owner: &[u8],
    share: u32,
    now: Timestamp,
) -> Result<bool, Failure> {
    let share = usize::try_from(share).unwrap_or(usize::MAX);
    let taken = batch.replays.of(owner, share)?;
    if taken.len() < share {
        return Ok(true);
    }
    let over = taken.into_iter().filter(|(_, until)| *until <= now);
    let over: Vec<_> = over.map(|(name, _)| name).collect();
    remove(batch, &over)?;
    Ok(!over.is_empty())
}

fn remove(batch: &mut Batch<'_>, names: &[Vec<u8>]) -> Result<(), Failure> {
    for name in names {
        batch.replays.remove(name)?;
        batch.note_change();
    }
    Ok(())
}
