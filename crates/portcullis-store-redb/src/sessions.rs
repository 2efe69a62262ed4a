//! Sessions: a row for each owner.

use std::{fmt, sync::Arc};

use portcullis_core::{
    Change, Check, Commit, EvidenceKind, OwnerKey, Revision, SessionId, SessionKey, SessionRecord,
    SessionState, SessionStore, Sessions, StoreError, Timestamp,
};
use redb::ReadTransaction;

use crate::{
    batch::{Batch, News, hash_of},
    problem::Failure,
    stores::Open,
    tables::{COUNT, EVER, FORGOTTEN, META, NOBODY, SESSIONS, damaged, number, split_time},
};

/// How many owners are forgotten, if that is due, with one who opens a session.
const AT_ONCE: usize = 16;

/// A store of sessions. Clones are the same store.
///
/// Who has been asked for lately is in memory as well, and answered at once. What is changed waits
/// for the disk, activity too: the layers tell of it a few times in an idle time.
///
/// It is had of [`Redb::sessions`](crate::Redb::sessions).
#[derive(Clone)]
pub struct RedbSessions(pub(crate) Arc<Open>);

impl SessionStore for RedbSessions {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        match self.0.0.sessions.find(owner) {
            Some(found) => Check::Done(found.get(key).cloned()),
            None => Check::NeedsIo,
        }
    }

    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let shared = &self.0.0;
        if let Some(found) = shared.sessions.find(owner) {
            return Ok(Sessions::clone(&found));
        }
        let begun = shared.sessions.moment();
        let read = shared.read(move |transaction| load(transaction, owner));
        match read.await? {
            Ok(found) => {
                let found = Arc::new(found);
                shared.sessions.note(owner, Arc::clone(&found), begun);
                Ok(Sessions::clone(&found))
            }
            Err(of_nobody) => Ok(of_nobody),
        }
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let done = self
            .0
            .0
            .write(move |batch| commit(batch, owner, expected, changes, now));
        done.await
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let touched = self
            .0
            .0
            .write(move |batch| touch(batch, owner, key, id, at));
        touched.await
    }

    /// Up to when the sessions have been forgotten that were over for longer than the
    /// [retention](crate::RedbBuilder::with_retention).
    fn forgotten(&self, _: OwnerKey) -> Option<Timestamp> {
        self.0.0.forgotten()
    }
}

impl fmt::Debug for RedbSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedbSessions").field(&self.0).finish()
    }
}

/// Up to when sessions have been forgotten.
pub(crate) fn forgotten(transaction: &ReadTransaction) -> Result<Option<Timestamp>, Failure> {
    let meta = transaction.open_table(META)?;
    let Some(found) = meta.get(FORGOTTEN)? else {
        return Ok(None);
    };
    let (time, _) = split_time(found.value()).ok_or_else(|| damaged("a time"))?;
    Ok(Some(time))
}

/// What an owner has; if he is not known, what nobody has.
fn load(
    transaction: &ReadTransaction,
    owner: OwnerKey,
) -> Result<Result<Sessions, Sessions>, Failure> {
    let rows = transaction.open_table(SESSIONS)?;
    let Some(row) = rows.get(&owner.as_u128().to_be_bytes()[..])? else {
        return Ok(Err(of_nobody(number(
            &transaction.open_table(META)?,
            NOBODY,
        )?)));
    };
    let (_, bytes) = split_time(row.value()).ok_or_else(|| damaged("what an owner has"))?;
    Ok(Ok(Sessions::from_bytes(bytes).map_err(StoreError::from)?))
}

fn of_nobody(revision: u64) -> Sessions {
    Sessions {
        revision: Revision::from_u64(revision),
        records: Vec::new(),
    }
}

/// The same from within a transaction, and whether he is known.
fn find(batch: &Batch<'_>, owner: OwnerKey) -> Result<Option<Sessions>, Failure> {
    let row = batch.sessions.find(&owner.as_u128().to_be_bytes())?;
    match row {
        Some((_, bytes)) => Ok(Some(
            Sessions::from_bytes(&bytes).map_err(StoreError::from)?,
        )),
        None => Ok(None),
    }
}

fn commit(
    batch: &mut Batch<'_>,
    owner: OwnerKey,
    expected: Revision,
    changes: Vec<Change>,
    now: Timestamp,
) -> Result<Commit, Failure> {
    let mut sessions = match find(batch, owner)? {
        Some(found) => found,
        None => of_nobody(batch.number(NOBODY)?),
    };
    let before = sessions.records.len();
    if sessions.commit(expected, changes) != Commit::Done {
        return Ok(Commit::Conflict);
    }
    if sessions.records.len() > before {
        forget(batch, owner, now)?;
        if !has_room(batch, &mut sessions, before, now)? {
            return Ok(Commit::Full);
        }
    }
    let count = batch.number(COUNT)?;
    batch.set_number(COUNT, count_with(count, before, &sessions))?;
    if sessions.records.is_empty() {
        remove(batch, owner, sessions.revision)?;
    } else {
        write(batch, owner, sessions)?;
    }
    Ok(Commit::Done)
}

fn touch(
    batch: &mut Batch<'_>,
    owner: OwnerKey,
    key: SessionKey,
    id: SessionId,
    at: Timestamp,
) -> Result<bool, Failure> {
    let Some(mut sessions) = find(batch, owner)? else {
        return Ok(false);
    };
    let Some(record) = sessions.get_mut(key) else {
        return Ok(false);
    };
    let before = (record.state, record.active_at);
    let begins = record.touch(id, at);
    if before != (record.state, record.active_at) {
        write(batch, owner, sessions)?;
    }
    Ok(begins)
}

fn write(batch: &mut Batch<'_>, owner: OwnerKey, sessions: Sessions) -> Result<(), Failure> {
    let over_at = sessions.records.iter().map(of_use_until).max();
    batch.sessions.put(
        &owner.as_u128().to_be_bytes(),
        over_at.unwrap_or(EVER),
        &sessions.to_bytes(),
    )?;
    batch.tell(News::Sessions(owner, Arc::new(sessions)));
    Ok(())
}

/// Forgets an owner. If he comes again, he has a revision that he has not had before, and so has
/// everybody whom nobody knows: who was loaded before he came and went is another.
fn remove(batch: &mut Batch<'_>, owner: OwnerKey, last: Revision) -> Result<(), Failure> {
    let next = batch.number(NOBODY)?.max(last.as_u64()).saturating_add(1);
    batch.set_number(NOBODY, next)?;
    batch.sessions.remove(&owner.as_u128().to_be_bytes())?;
    batch.tell(News::SessionsGone(owner));
    Ok(())
}

/// Forgets some owners whose sessions have been over for long enough, but for the one who is asking.
fn forget(batch: &mut Batch<'_>, asking: OwnerKey, now: Timestamp) -> Result<(), Failure> {
    let end = now - batch.limits.retention;
    for name in batch.sessions.until(end, AT_ONCE)? {
        let owner = OwnerKey::from_u128(hash_of(&name)?);
        // What is damaged is no matter of who is asking.
        let sessions = match find(batch, owner) {
            Err(Failure::Question(_)) => None,
            found => found?,
        };
        let Some(sessions) = sessions.filter(|_| owner != asking) else {
            continue;
        };
        let until = sessions.records.iter().map(of_use_until).max();
        note_forgotten(batch, until)?;
        let count = batch.number(COUNT)?;
        batch.set_number(COUNT, count.saturating_sub(sessions.records.len() as u64))?;
        remove(batch, owner, sessions.revision)?;
    }
    Ok(())
}

/// Whether there is room for the sessions of an owner who had fewer before. Beyond his share, those
/// of his make room that have been over for long enough.
fn has_room(
    batch: &mut Batch<'_>,
    sessions: &mut Sessions,
    before: usize,
    now: Timestamp,
) -> Result<bool, Failure> {
    let share = usize::try_from(batch.limits.sessions_per_owner).unwrap_or(usize::MAX);
    let mut forgotten = None;
    if sessions.records.len() > share {
        let end = now - batch.limits.retention;
        let is_of_use = |record: &SessionRecord| of_use_until(record) > end;
        let (kept, over): (Vec<_>, Vec<_>) = sessions.records.drain(..).partition(is_of_use);
        if kept.len() > share {
            return Ok(false);
        }
        forgotten = over.iter().map(of_use_until).max();
        sessions.records = kept;
    }
    let count = count_with(batch.number(COUNT)?, before, sessions);
    if count > batch.limits.sessions.into() {
        return Ok(false);
    }
    note_forgotten(batch, forgotten)?;
    Ok(true)
}

/// How many there are, if an owner has these where he had so many before.
fn count_with(count: u64, before: usize, sessions: &Sessions) -> u64 {
    (count + sessions.records.len() as u64).saturating_sub(before as u64)
}

fn note_forgotten(batch: &mut Batch<'_>, until: Option<Timestamp>) -> Result<(), Failure> {
    let before = batch.time(FORGOTTEN)?;
    if let Some(until) = until.filter(|until| Some(*until) > before) {
        batch.set_time(FORGOTTEN, until)?;
    }
    Ok(())
}

/// Until when a session is of use: as long as it lasts it lets somebody in, and then it keeps him
/// out. What is later than the latest authentication in it is another matter.
fn of_use_until(record: &SessionRecord) -> Timestamp {
    let is_ended = matches!(record.state, SessionState::Ended(..));
    // No time keeps such a one out again, so it must not be forgotten.
    if record.kind == EvidenceKind::Standing && (is_ended || record.barred_until.is_some()) {
        return EVER;
    }
    let known = [record.authenticated_at, record.barred_until];
    known
        .into_iter()
        .flatten()
        .fold(record.ends_at, Timestamp::max)
}
