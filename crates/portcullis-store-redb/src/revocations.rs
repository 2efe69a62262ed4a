//! Revocations: a row for each cut-off, and all of them in memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis_core::{AlreadyHashed, Check, RevocationStore, RevokedKey, StoreError, Timestamp};
use redb::{ReadTransaction, ReadableTable as _};

use crate::{
    batch::{Batch, News, hash_of},
    problem::Failure,
    stores::Open,
    tables::{REVOCATIONS, damaged, read_time, split_time, write_time},
};

/// By so much longer than it has to be a cut-off is kept: a clock may be set back by a step.
const LEEWAY: Duration = Duration::from_secs(86_400);
/// How many that need not be kept any longer are removed with one that is added.
const AT_ONCE: usize = 64;

/// A store of revocations. Clones are the same store.
///
/// All of them are in memory as well, so every question is answered at once. A cut-off is kept for
/// a day longer than it has to be, since a clock may be set back; then it is removed when others are
/// added.
///
/// It is had of [`Redb::revocations`](crate::Redb::revocations).
#[derive(Clone)]
pub struct RedbRevocations(pub(crate) Arc<Open>);

impl RevocationStore for RedbRevocations {
    fn is_empty(&self) -> bool {
        self.0.0.revocations.is_empty()
    }

    fn check(&self, keys: &[RevokedKey]) -> Check<Option<Timestamp>> {
        Check::Done(self.0.0.revocations.latest(keys))
    }

    async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.0.0.revocations.latest(keys))
    }

    async fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let revoked = self
            .0
            .0
            .write(move |batch| revoke(batch, key, cut_off, kept_until, now));
        revoked.await
    }
}

impl fmt::Debug for RedbRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedbRevocations").field(&self.0).finish()
    }
}

fn revoke(
    batch: &mut Batch<'_>,
    key: RevokedKey,
    cut_off: Timestamp,
    kept_until: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    let name = key.as_u128().to_be_bytes();
    let kept = match batch.revocations.find(&name)? {
        Some((until, cut_off)) => Some((until, read_cut_off(&cut_off)?)),
        None => None,
    };
    let new = kept.map_or((kept_until, cut_off), |(until, before)| {
        (kept_until.max(until), cut_off.max(before))
    });
    if kept == Some(new) {
        return Ok(());
    }
    if kept.is_none() {
        forget(batch, now)?;
        if batch.revocations.len()? >= batch.limits.revocations.into() {
            return Err(StoreError::new(
                "is full of revocations: give it more room, or keep them for less long",
            )
            .into());
        }
    }
    let (until, cut_off) = new;
    batch.revocations.put(&name, until, &write_time(cut_off))?;
    batch.tell(News::Revocation(key, cut_off));
    Ok(())
}

/// Removes some that need not be kept any longer.
fn forget(batch: &mut Batch<'_>, now: Timestamp) -> Result<(), Failure> {
    for name in batch.revocations.until(now - LEEWAY, AT_ONCE)? {
        let key = RevokedKey::from_u128(hash_of(&name)?);
        batch.revocations.remove(&name)?;
        batch.tell(News::RevocationGone(key));
    }
    Ok(())
}

fn read_cut_off(bytes: &[u8]) -> Result<Timestamp, StoreError> {
    let bytes = bytes.try_into().map_err(|_| damaged("a revocation"))?;
    Ok(read_time(bytes))
}

/// The cut-offs, in memory.
#[derive(Default)]
pub(crate) struct KnownRevocations {
    all: RwLock<CutOffs>,
    /// How many there are: what a request looks at first.
    count: AtomicUsize,
}

type CutOffs = HashMap<RevokedKey, Timestamp, AlreadyHashed>;

impl KnownRevocations {
    pub(crate) fn learn(&self, transaction: &ReadTransaction) -> Result<(), Failure> {
        let mut read = CutOffs::default();
        for row in transaction.open_table(REVOCATIONS)?.iter()? {
            let (key, row) = row?;
            let (_, cut_off) = split_time(row.value()).ok_or_else(|| damaged("a revocation"))?;
            let key = <[u8; 16]>::try_from(key.value()).map_err(|_| damaged("a revocation"))?;
            let key = RevokedKey::from_u128(u128::from_be_bytes(key));
            read.insert(key, read_cut_off(cut_off)?);
        }
        let mut all = self.write();
        self.count.store(read.len(), Ordering::Release);
        *all = read;
        Ok(())
    }

    pub(crate) fn put(&self, key: RevokedKey, cut_off: Timestamp) {
        let mut all = self.write();
        // Counted first, so that the store is never taken for an empty one in between.
        self.count.store(all.len() + 1, Ordering::Release);
        all.insert(key, cut_off);
        self.count.store(all.len(), Ordering::Release);
    }

    pub(crate) fn remove(&self, key: RevokedKey) {
        let mut all = self.write();
        all.remove(&key);
        self.count.store(all.len(), Ordering::Release);
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    fn latest(&self, keys: &[RevokedKey]) -> Option<Timestamp> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter_map(|key| all.get(key)).max().copied()
    }

    fn write(&self) -> RwLockWriteGuard<'_, CutOffs> {
        // What the lock protects is whole between any two statements.
        self.all.write().unwrap_or_else(PoisonError::into_inner)
    }
}
