//! Sessions in the memory of this process.

mod loss;
mod row;
mod shard;

use std::{
    fmt,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use portcullis_core::{
    Change, Check, Commit, OwnerKey, Revision, SessionId, SessionKey, SessionRecord, SessionStore,
    Sessions, StoreError, Timestamp,
};

use self::{row::Row, shard::Shard};
use crate::parts::part_of;

/// Stores with room for more than this are split, so that requests seldom meet.
const SPLIT_ABOVE: usize = 1024;
const SHARDS: usize = 64;

/// Sessions in the memory of this process, at most so many.
///
/// A restart forgets them: whoever was in is in again, with a new session, if the credential
/// is still good; and a session that had ended can be opened again by the credential that
/// opened it. Two servers do not see each other's sessions.
///
/// All sessions of one principal are in one of 64 parts, each with its share of the room. What
/// is over is kept there for as long as there is room, one for each client of a principal.
///
/// A principal takes a sixteenth of its part with sessions that are over, at least one. Of more
/// than that the oldest are forgotten, and so are those of a principal that opens a session
/// where its part is full. From then on *this principal* cannot open a session by an
/// authentication that was no later than those: an account with thousands of clients shuts out
/// itself. What a standing credential has left behind that was ended is kept until a key that was
/// issued later opens it again; a principal with more than a sixteenth of those opens no further
/// session.
///
/// Where that makes no room, sessions of others that are over are forgotten. From then on,
/// whoever has his sessions in the same part and authenticated no later than the users of those
/// cannot open a session without authenticating again: one of them may have been his. A session
/// that lives is never forgotten; if there is nothing else, new ones are refused.
///
/// # Example
///
/// ```
/// use portcullis::session::MemorySessions;
///
/// let sessions = MemorySessions::with_capacity(100_000);
/// assert_eq!(sessions.capacity(), 100_000);
/// ```
pub struct MemorySessions {
    shards: Box<[RwLock<Shard>]>,
    per_shard: usize,
    capacity: usize,
}

impl MemorySessions {
    /// A store with room for so many sessions, those that are over included.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let shards = if capacity > SPLIT_ABOVE { SHARDS } else { 1 };
        Self {
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            per_shard: capacity.div_ceil(shards),
            capacity,
        }
    }

    /// For how many sessions there is room.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many sessions are kept, those that are over included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    /// Whether no session is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, owner: OwnerKey) -> Result<&RwLock<Shard>, StoreError> {
        self.shards
            .get(part_of(owner.as_u128(), self.shards.len()))
            .ok_or_else(|| StoreError::new("has no shards"))
    }

    /// Runs on the row of a session, if it is there.
    fn with_row<R>(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        run: impl FnOnce(&Row) -> R,
    ) -> Option<R> {
        let shard = read(self.shard(owner).ok()?);
        shard.row(owner, key).map(run)
    }
}

impl Default for MemorySessions {
    /// Room for 100 000 sessions.
    fn default() -> Self {
        Self::with_capacity(100_000)
    }
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessions")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl SessionStore for MemorySessions {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        Check::Done(self.with_row(owner, key, Row::to_record))
    }

    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        Ok(read(self.shard(owner)?).sessions(owner))
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let mut shard = write(self.shard(owner)?);
        let mut sessions = shard.sessions(owner);
        if sessions.revision != expected {
            return Ok(Commit::Conflict);
        }
        let before = sessions.records.len();
        sessions.apply(changes);
        if sessions.records.len() > before
            && !shard.make_room(owner, &mut sessions, self.per_shard, now)
        {
            return Ok(Commit::Full);
        }
        shard.replace(owner, sessions);
        Ok(Commit::Done)
    }

    fn touch_now(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Check<bool> {
        let begins = self.with_row(owner, key, |row| row.touch(id, at));
        Check::Done(begins.unwrap_or(false))
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let begins = self.with_row(owner, key, |row| row.touch(id, at));
        Ok(begins.unwrap_or(false))
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        read(self.shard(owner).ok()?).forgotten(owner)
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    // What the lock protects is whole between any two statements.
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
