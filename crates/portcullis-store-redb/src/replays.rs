//! One-time credentials that were used: a row for each.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};

use crate::{
    batch::{Batch, hash_of},
    problem::Failure,
    replay_counts::Count,
    stores::Open,
};

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
    let [of_owner, of_key] = [owner.as_u128(), key.as_u128()].map(u128::to_be_bytes);
    let name = [of_owner, of_key].concat();
    if batch.replays.find(&name)?.is_some() {
        return Ok(Taken::Seen);
    }
    let share = batch.limits.replays_per_owner;
    if !has_room(batch, owner, share, now)? {
        return Ok(Taken::Full);
    }
    let over = batch.replays.until(now, AT_ONCE)?;
    remove(batch, &over)?;
    if batch.replays.len()? >= batch.limits.replays.into() {
        return Ok(Taken::Full);
    }
    // Also one that is over already, which its authenticator should have noticed.
    let until = until.max(now) + LEEWAY;
    batch.replays.put(&name, until, &[])?;
    batch.replay_counts.note_taken(owner, until);
    batch.note_change();
    Ok(Taken::Fresh)
}

/// Whether an owner has less than his share, once those of his are removed that are over. His rows are
/// read only if it is not known how many there are, or if some of a full share are over.
fn has_room(
    batch: &mut Batch<'_>,
    owner: ReplayOwner,
    share: u32,
    now: Timestamp,
) -> Result<bool, Failure> {
    let share = usize::try_from(share).unwrap_or(usize::MAX);
    if let Some(count) = batch.replay_counts.find(owner) {
        if count.taken < share {
            return Ok(true);
        }
        if count.first_until.is_some_and(|first| now < first) {
            return Ok(false);
        }
    }
    let rows = batch.replays.of(&owner.as_u128().to_be_bytes())?;
    let mut count = Count {
        taken: rows.len(),
        first_until: rows.iter().map(|(_, until)| *until).min(),
    };
    if count.taken >= share {
        let (over, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, until)| *until <= now);
        let over: Vec<_> = over.into_iter().map(|(name, _)| name).collect();
        remove(batch, &over)?;
        count = Count {
            taken: left.len(),
            first_until: left.iter().map(|(_, until)| *until).min(),
        };
    }
    batch.replay_counts.note(owner, count);
    Ok(count.taken < share)
}

fn remove(batch: &mut Batch<'_>, names: &[Vec<u8>]) -> Result<(), Failure> {
    for name in names {
        let owner = ReplayOwner::from_u128(hash_of(name)?);
        batch.replays.remove(name)?;
        batch.replay_counts.note_removed(owner);
        batch.note_change();
    }
    Ok(())
}
