//! What a session store owes.

use std::{collections::BTreeMap, fmt, future::Future, mem, sync::Arc};

use super::{OwnerKey, SessionId, SessionKey, SessionRecord, SessionState};
use crate::{Check, EvidenceKind, Timestamp};

/// So many changes are many.
const MANY: usize = 16;

/// Keeps the records of sessions, by owner.
///
/// All sessions of one owner are changed together, by [`commit`](Self::commit), which takes
/// effect only if nobody else has changed them since they were loaded. That is what makes a
/// limit of sessions hold under a hundred logins at once. The rest is reading, and
/// [`touch`](Self::touch), which comes with every request and must not wait for anybody.
///
/// A store that keeps its records in memory answers [`check`](Self::check) and
/// [`touch_now`](Self::touch_now) at once. One that asks a server leaves them as they are.
///
/// An error is answered with 503: a store that cannot say is never taken for one that holds
/// nothing. After an error, a commit may have happened or not; it has not happened by half.
///
/// A touch that gets lost costs a session its last activity, no more: a store may write them
/// down later than it answers. The one by which a session begins is kept when it is answered.
/// The methods that answer at once are independent of each other.
///
/// A touch and a commit of the same owner exclude each other, or a touch that has read the
/// sessions before a commit and writes them after it takes back what was committed: perhaps the
/// end of a session. Only other owners never wait for them.
///
/// The futures are dropped when nobody waits for them any more. Whatever must not stop halfway
/// goes on elsewhere, such as in `tokio::task::spawn_blocking`.
///
/// The keys are hashes with the key of the layer that asks. What is kept is of use to another
/// layer, after a restart or on another server, only if both have the same one: `with_key` of
/// the layer's settings, without which only a [volatile](Self::is_volatile) one can be used.
///
/// A store of keys and values keeps all that an owner has as one value
/// ([`Sessions::to_bytes`]). Whatever it cannot read again is an error, never nothing.
///
/// The macro `session_store_contract!` of `portcullis-testing` proves a store. One that keeps
/// its records elsewhere is proved twice more: opened anew for each question (`Reopened`), and as
/// two that are asked by turns, as two servers would (`ByTurns`).
///
/// # Example
///
/// One that is correct, and keeps everything for ever:
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
/// use portcullis_core::{
///     Change, Commit, OwnerKey, Revision, SessionId, SessionKey, SessionStore, Sessions,
///     StoreError, Timestamp,
/// };
///
/// #[derive(Default)]
/// struct Plain(Mutex<HashMap<OwnerKey, Sessions>>);
///
/// impl SessionStore for Plain {
///     async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
///         let all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         Ok(all.get(&owner).cloned().unwrap_or_default())
///     }
///
///     async fn commit(
///         &self, owner: OwnerKey, expected: Revision, changes: Vec<Change>, _now: Timestamp,
///     ) -> Result<Commit, StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         Ok(all.entry(owner).or_default().commit(expected, changes))
///     }
///
///     async fn touch(
///         &self, owner: OwnerKey, key: SessionKey, id: SessionId, at: Timestamp,
///     ) -> Result<bool, StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         let found = all.get_mut(&owner);
///         Ok(found.is_some_and(|sessions| sessions.touch(key, id, at)))
///     }
///
///     fn is_volatile(&self) -> bool {
///         true
///     }
/// }
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// One session of an owner, if that can be said at once.
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        let _ = (owner, key);
        Check::NeedsIo
    }

    /// All sessions of an owner, those that are over included. Of an owner that is not known:
    /// none, and the default revision; once the store has forgotten an owner, one that no owner
    /// who is forgotten has had, and none who is unknown before that.
    ///
    /// # Errors
    ///
    /// The store cannot say.
    fn load(&self, owner: OwnerKey) -> impl Future<Output = Result<Sessions, StoreError>> + Send;

    /// Makes all the changes, if the revision of the owner's sessions is `expected`, as
    /// [`Sessions::commit`] does it; otherwise none. The revision then is the next one, or any
    /// that these sessions have not had before. A store may forget an owner who has no sessions
    /// left; if he has some again, their revision is one that he has not had before either.
    ///
    /// `now` is the time by which a store that has to make room tells what is over.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did.
    fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Commit, StoreError>> + Send;

    /// Notes activity at once, if that can be done: what [`touch`](Self::touch) does.
    fn touch_now(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Check<bool> {
        let _ = (owner, key, id, at);
        Check::NeedsIo
    }

    /// Notes activity, as [`SessionRecord::touch`] does it. The revision stays. A session that
    /// is not there is no error.
    ///
    /// Says whether the session has begun by it. Of all touches of one session, one is told so:
    /// whoever is writes the record of its start.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did.
    fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The latest authentication among all records that may have been of this owner, and that
    /// the store has forgotten by itself or cannot know to have held. An owner who authenticated
    /// no later than that may have had a session which is over, so it cannot open one.
    ///
    /// It is asked for after [`load`](Self::load), and never goes back. A store that makes room
    /// for one owner by what others have left behind shuts those out; it is better to take first
    /// from who needs the room.
    ///
    /// A store that forgets nothing leaves this as it is.
    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        let _ = owner;
        None
    }

    /// Whether what is kept ends with the process, and is seen by nobody else. One that is there
    /// after a restart, or on another server, needs a key by which the layers find the same
    /// (`with_key`): without one the settings are an error.
    ///
    /// `false`, unless a store says otherwise.
    fn is_volatile(&self) -> bool {
        false
    }
}

/// A store that several layers share. They need one key.
impl<S: SessionStore> SessionStore for Arc<S> {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        S::check(self, owner, key)
    }

    fn load(&self, owner: OwnerKey) -> impl Future<Output = Result<Sessions, StoreError>> + Send {
        S::load(self, owner)
    }

    fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Commit, StoreError>> + Send {
        S::commit(self, owner, expected, changes, now)
    }

    fn touch_now(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Check<bool> {
        S::touch_now(self, owner, key, id, at)
    }

    fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        S::touch(self, owner, key, id, at)
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        S::forgotten(self, owner)
    }

    /// `false`: whoever shares a store has others see what is in it.
    fn is_volatile(&self) -> bool {
        false
    }
}

/// All sessions of one owner.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store makes one of what it has read, and there is nothing more to it"
)]
pub struct Sessions {
    /// Which state of them this is.
    pub revision: Revision,
    /// The sessions, in any order.
    pub records: Vec<SessionRecord>,
}

impl Sessions {
    /// The session that is found by a key.
    #[must_use]
    pub fn get(&self, key: SessionKey) -> Option<&SessionRecord> {
        self.records.iter().find(|record| record.key == key)
    }

    /// The session that is found by a key.
    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut SessionRecord> {
        self.records.iter_mut().find(|record| record.key == key)
    }

    /// What a store does in [`commit`](SessionStore::commit), once it has what is kept: makes the
    /// changes, if this is the revision that is expected.
    pub fn commit(&mut self, expected: Revision, changes: Vec<Change>) -> Commit {
        if self.revision != expected {
            return Commit::Conflict;
        }
        self.apply(changes);
        Commit::Done
    }

    /// What a store does in [`touch`](SessionStore::touch), once it has what is kept. Says whether
    /// the session has begun by it.
    pub fn touch(&mut self, key: SessionKey, id: SessionId, at: Timestamp) -> bool {
        let found = self.get_mut(key);
        found.is_some_and(|record| record.touch(id, at))
    }

    /// Takes out what may have been ended in something that a store has lost, where `lost` is the time
    /// up to which it may be: what lives, and whose last authentication was no later. So whoever it is
    /// of authenticates again, as if nothing had been kept. What is over stays, since it keeps somebody
    /// out; and so does what is of a standing credential, of which no time would say more.
    pub fn doubt(&mut self, lost: Option<Timestamp>) {
        self.records.retain(|record| {
            let is_over = matches!(record.state, SessionState::Ended(..));
            let authenticated_at = record.authenticated_at.unwrap_or(record.opened_at);
            let is_doubted = Some(authenticated_at) <= lost;
            is_over || record.kind == EvidenceKind::Standing || !is_doubted
        });
    }

    /// Makes changes, one after the other, and goes on to the next revision. A record that takes
    /// the place of another takes over its activity ([`SessionRecord::succeed`]).
    pub fn apply(&mut self, changes: Vec<Change>) {
        match changes.len() {
            0..MANY => changes.into_iter().for_each(|change| self.make(change)),
            _ => self.make_many(changes),
        }
        self.revision = self.revision.next();
    }

    fn make(&mut self, change: Change) {
        match change {
            Change::Put(mut record) => match self.get_mut(record.key) {
                Some(replaced) => {
                    record.succeed(replaced);
                    *replaced = record;
                }
                None => self.records.push(record),
            },
            Change::Remove(key) => self.records.retain(|record| record.key != key),
        }
    }

    /// The same of many: somebody may have very many sessions, and all of them end at once, while
    /// others wait. None is looked for among all others.
    fn make_many(&mut self, changes: Vec<Change>) {
        let records = mem::take(&mut self.records);
        let places = records.iter().enumerate();
        let mut places: BTreeMap<_, _> = places.map(|(at, record)| (record.key, at)).collect();
        let mut kept: Vec<_> = records.into_iter().map(Some).collect();
        for change in changes {
            match change {
                Change::Put(mut record) => {
                    let place = places.get(&record.key).copied();
                    match place.and_then(|at| kept.get_mut(at)) {
                        Some(kept) => {
                            if let Some(replaced) = kept {
                                record.succeed(replaced);
                            }
                            *kept = Some(record);
                        }
                        None => {
                            places.insert(record.key, kept.len());
                            kept.push(Some(record));
                        }
                    }
                }
                Change::Remove(key) => {
                    let place = places.remove(&key);
                    if let Some(kept) = place.and_then(|at| kept.get_mut(at)) {
                        *kept = None;
                    }
                }
            }
        }
        self.records = kept.into_iter().flatten().collect();
    }
}

/// Which state of something that is kept is meant: of an owner's sessions, or of an API key. That
/// of nothing is the default; of sessions, until a store has forgotten somebody.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Revision(u64);

impl Revision {
    /// From its number.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// One change of an owner's sessions.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// This record, in place of the one with the same key.
    Put(SessionRecord),
    /// No record with this key.
    Remove(SessionKey),
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Commit {
    /// All changes were made.
    Done,
    /// None was: what is kept has another revision, because somebody else has changed it.
    Conflict,
    /// None was: the store is full, and never makes room by what still counts.
    Full,
}

/// A store that cannot say.
#[derive(Debug)]
pub struct StoreError(Box<str>);

impl StoreError {
    /// Says why: lower case, without secrets.
    #[must_use]
    pub fn new(problem: impl Into<Box<str>>) -> Self {
        Self(problem.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{EvidenceKind, FamilyKey};

    const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
    const SECOND: Duration = Duration::from_secs(1);

    fn record() -> SessionRecord {
        SessionRecord::new(
            SessionKey::from_u128(1),
            FamilyKey::from_u128(2),
            SessionId::from_u128(3),
            EvidenceKind::User,
            AT,
            60 * SECOND,
            AT + 600 * SECOND,
        )
    }

    #[test]
    fn a_commit_is_made_on_the_revision_that_it_expects() {
        let mut sessions = Sessions::default();
        let put = || vec![Change::Put(record())];
        assert_eq!(
            sessions.commit(Revision::from_u64(1), put()),
            Commit::Conflict
        );
        assert_eq!(sessions, Sessions::default());
        assert_eq!(sessions.commit(Revision::default(), put()), Commit::Done);
        assert_eq!(sessions.revision, Revision::from_u64(1));
        assert_eq!(
            sessions.commit(Revision::default(), put()),
            Commit::Conflict
        );
    }

    fn with(number: usize, change: fn(&mut SessionRecord)) -> SessionRecord {
        let mut record = record();
        record.key = SessionKey::from_u128(number as u128);
        change(&mut record);
        record
    }

    #[test]
    fn many_changes_are_as_each_after_the_other() {
        let active = |record: &mut SessionRecord| record.active_at = AT + SECOND;
        let mut sessions = Sessions::default();
        sessions.apply(
            (0..MANY * 3)
                .map(|n| Change::Put(with(n, active)))
                .collect(),
        );
        assert_eq!(sessions.records.len(), MANY * 3);
        let remove = |n: usize| Change::Remove(SessionKey::from_u128(n as u128));
        let changes: Vec<_> = (0..MANY)
            .flat_map(|n| [Change::Put(with(n, |_| {})), remove(n * 3), remove(7)])
            .chain([Change::Put(with(7, |_| {})), Change::Put(with(999, |_| {}))])
            .chain([remove(999), remove(5000)])
            .collect();
        let mut one_by_one = sessions.clone();
        for change in changes.clone() {
            one_by_one.make(change);
        }
        sessions.make_many(changes);
        assert_eq!(sessions, one_by_one);
        assert!(sessions.records.len() < MANY * 3);
    }

    #[test]
    fn a_loss_has_those_authenticate_again_whose_end_may_be_lost() {
        let ended = |record: &mut SessionRecord| {
            record.state = SessionState::Ended(AT, crate::EndReason::Revoked);
        };
        let mut sessions = Sessions {
            records: vec![
                with(1, |_| {}),
                with(2, |record| record.authenticated_at = Some(AT + 9 * SECOND)),
                with(3, |record| record.authenticated_at = Some(AT + 10 * SECOND)),
                with(4, ended),
                with(5, |record| record.kind = EvidenceKind::Standing),
            ],
            ..Sessions::default()
        };
        let all = sessions.clone();
        sessions.doubt(None);
        assert_eq!(sessions, all);
        sessions.doubt(Some(AT + 9 * SECOND));
        let left = sessions.records.iter().map(|record| record.key.as_u128());
        assert_eq!(left.collect::<Vec<_>>(), [3, 4, 5]);
    }

    #[test]
    fn a_touch_says_whether_a_session_began() {
        let mut sessions = Sessions::default();
        let mut new = record();
        new.state = SessionState::Provisional(AT + 9 * SECOND);
        assert!(!sessions.touch(new.key, new.id, AT));
        sessions.apply(vec![Change::Put(new)]);
        assert!(!sessions.touch(record().key, SessionId::from_u128(9), AT));
        assert!(sessions.touch(record().key, record().id, AT));
        assert!(!sessions.touch(record().key, record().id, AT + SECOND));
    }
}
