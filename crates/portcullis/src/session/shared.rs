//! What all requests of one layer have in common.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{
    Change, Check, Commit, EndReason, EvidenceKind, FamilyKey, OwnerKey, SessionId, SessionKey,
    SessionRecord, SessionState, Sessions, StoreError, Timestamp, entropy,
};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::{
    ahead::Loaded,
    cache::SessionCache,
    cookie::Cookies,
    handle::Session,
    keys::{Keying, Keys},
    payload::Payload,
    policy::Policy,
    refusals::record_start,
    registry::Registry,
    rules::{Bar, Caller, Ruling, rule},
    sealing::{Sealing, Unreadable},
    store::AnySessionStore,
    streams::Streams,
    touching::Touching,
};
use crate::{
    cache::Mark,
    exchange::Exchange,
    signal::Signals,
    tasks::Tasks,
    time::{Time, credible},
};

/// How often a commit begins again because somebody else was faster.
const MAX_TRIES: usize = 16;
/// How often it does so after a while where sessions are to be ended: for ten seconds in all.
const MAX_WAITS: usize = 20;
/// How long the first of these while is. Each is longer by as much.
const WAIT: Duration = Duration::from_millis(50);
/// How often in an idle time a store that has to be asked is told of activity, at most.
const TOUCHES: u32 = 8;

/// What all requests of one layer have in common.
pub(super) struct Shared {
    pub(super) store: Arc<dyn AnySessionStore>,
    pub(super) time: Time,
    pub(super) keying: Keying,
    pub(super) sealing: Sealing,
    pub(super) cookies: Option<Cookies>,
    /// What the rules go by now. Others may come in their place.
    pub(super) policy: ArcSwap<Policy>,
    pub(super) registry: Registry,
    pub(super) streams: Streams,
    pub(super) touching: Touching,
    pub(super) tasks: Tasks,
    pub(super) signals: Option<Arc<Signals>>,
    pub(super) cache: Option<Arc<SessionCache>>,
    /// So many questions about what runs are asked at a time.
    pub(super) asking: Semaphore,
}

/// How many questions about what runs are asked at a time, beside those of requests.
pub(super) const ASKING: usize = 64;

/// Why nothing could be decided.
#[derive(Debug)]
pub(super) enum Failure {
    /// The store is full.
    Full,
    /// The store cannot say, or somebody else was always faster.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Shared {
    pub(super) fn policy(&self) -> Policy {
        **self.policy.load()
    }

    /// Whether a caller is in, with what the store has to be asked and told for it. It may have been
    /// asked already.
    pub(super) async fn admit(
        &self,
        caller: &Caller,
        mut ahead: Option<Loaded>,
    ) -> Result<Result<SessionRecord, Bar>, Failure> {
        let policy = self.policy();
        let owner = caller.keys.owner;
        for _ in 0..MAX_TRIES {
            let ahead = ahead.take();
            let loaded = match ahead.filter(|it| it.is_of(owner, self.time.steady())) {
                Some(loaded) => loaded,
                None => self.load(owner).await,
            };
            let (sessions, mark, at) = (loaded.sessions?, loaded.mark, loaded.at);
            let fresh = fresh_id()?;
            // After they were loaded: what has been forgotten in between is known from here.
            let forgotten = self.store.forgotten(owner);
            let moment = self.moment();
            let ruling = rule(&sessions, caller, &policy, moment, forgotten, fresh);
            let (record, changes) = match ruling {
                Ruling::Continue(record) => {
                    self.keep(owner, &record, mark, at);
                    return Ok(Ok(record));
                }
                Ruling::Refuse(bar) => return Ok(Err(bar)),
                Ruling::Update(record) => (record.clone(), vec![Change::Put(record)]),
                Ruling::Open(record, changes) => (record, changes),
            };
            let mut all = changes.iter();
            let replaces = all.any(|change| matches!(change, Change::Remove(_)));
            let mark = self.cache.as_ref().map(|cache| cache.mark(owner));
            let at = self.time.steady();
            match self.commit(owner, &sessions, changes).await? {
                Commit::Done => {
                    self.keep(owner, &record, mark.map(Mark::after_one_change), at);
                    if replaces {
                        self.have_others_told(owner);
                    }
                    return Ok(Ok(record));
                }
                Commit::Full => return Err(Failure::Full),
                // Also any outcome that this layer does not know.
                _ => {}
            }
        }
        Err(StoreError::new("the sessions of one owner change all the time").into())
    }

    /// What is kept in a session. What does not open is never taken for nothing.
    pub(super) fn open(
        &self,
        owner: OwnerKey,
        record: &SessionRecord,
    ) -> Result<Payload, Unreadable> {
        let Some(stored) = &record.data else {
            return Ok(Payload::default());
        };
        let opened = self.sealing.open(owner, record, stored);
        match opened.and_then(|bytes| Payload::from_bytes(&bytes)) {
            Err(_) if portcullis_core::sabotaged!("session.sealed") => Ok(Payload::default()),
            opened => opened,
        }
    }

    /// Keeps something in a session, in place of what is there.
    pub(super) fn seal(
        &self,
        owner: OwnerKey,
        record: &mut SessionRecord,
        payload: &Payload,
    ) -> Result<(), StoreError> {
        record.data = if payload.is_empty() {
            None
        } else {
            let sealed = self.sealing.seal(owner, record, &payload.to_bytes())?;
            Some(Arc::new(sealed))
        };
        Ok(())
    }

    /// Changes one session, if it is still there and lives.
    pub(super) async fn change(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        mut change: impl FnMut(&mut SessionRecord) + Send,
    ) -> Result<bool, StoreError> {
        let change = |record: &mut SessionRecord| {
            change(record);
            Ok(())
        };
        self.try_change(owner, key, id, change).await
    }

    /// The same, where the change may fail; then nothing is changed.
    pub(super) async fn try_change(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        mut change: impl FnMut(&mut SessionRecord) -> Result<(), StoreError> + Send,
    ) -> Result<bool, StoreError> {
        for _ in 0..MAX_TRIES {
            let sessions = self.store.load(owner).await?;
            let now = self.time.now();
            let found = sessions.get(key).filter(|found| found.id == id);
            let Some(found) = found.filter(|found| found.over(now).is_none()) else {
                return Ok(false);
            };
            let mut record = found.clone();
            change(&mut record)?;
            let changes = vec![Change::Put(record)];
            match self.commit(owner, &sessions, changes).await? {
                Commit::Done => return Ok(true),
                Commit::Full => return Err(StoreError::new("the store is full")),
                _ => {}
            }
        }
        Err(StoreError::new(
            "the sessions of one owner change all the time",
        ))
    }

    /// Ends one session in the store.
    pub(super) async fn end(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        reason: EndReason,
    ) -> Result<bool, StoreError> {
        let at = self.time.steady();
        let ended = self.change(owner, key, id, |record| {
            record.state = SessionState::Ended(at, reason);
        });
        let ended = ended.await;
        self.tell_others(owner).await;
        ended
    }

    /// Ends all sessions of an owner, everywhere. Says how many lived.
    pub(super) async fn end_all(&self, owner: OwnerKey) -> Result<usize, StoreError> {
        let at = self.time.steady();
        self.end_those(owner, |record| {
            let mut ended = record.clone();
            ended.state = SessionState::Ended(at, EndReason::Revoked);
            Some(Change::Put(ended))
        })
        .await
    }

    /// Ends those sessions of an owner, or of one family of it, everywhere, in which nobody has
    /// authenticated after the cut-off.
    pub(super) async fn revoke(
        &self,
        owner: OwnerKey,
        family: Option<FamilyKey>,
        cut_off: Timestamp,
    ) -> Result<(), StoreError> {
        let at = self.time.steady();
        let ended = self.end_those(owner, |record| {
            let is_meant = family.is_none_or(|family| record.family == family);
            is_meant.then(|| self.revoked(record, cut_off, at))?
        });
        ended.await.map(drop)
    }

    /// Ends one session, everywhere, unless somebody has authenticated in it after the cut-off.
    pub(super) async fn revoke_one(
        &self,
        keys: &Keys,
        id: SessionId,
        cut_off: Timestamp,
    ) -> Result<(), StoreError> {
        let at = self.time.steady();
        let ended = self.end_those(keys.owner, |record| {
            (record.id == id).then(|| self.revoked(record, cut_off, at))?
        });
        ended.await.map(drop)
    }

    /// What becomes of a record by a revocation, if it does not stay as it is.
    fn revoked(&self, record: &SessionRecord, cut_off: Timestamp, at: Timestamp) -> Option<Change> {
        // As the revocation itself has it: what is far ahead is no time.
        let at_last = record.authenticated_at;
        let at_last = at_last.and_then(|at| credible(at, self.time.now()));
        if at_last.is_some_and(|at| at > cut_off) {
            return None;
        }
        if record.kind == EvidenceKind::Standing {
            // A key that was issued between the cut-off and now belongs to the same session,
            // and is good. The revocation keeps out the old.
            return Some(Change::Remove(record.key));
        }
        let mut ended = record.clone();
        ended.state = SessionState::Ended(at, EndReason::Revoked);
        Some(Change::Put(ended))
    }

    /// Ends sessions that live by a change of their records. Says how many.
    pub(super) async fn end_those(
        &self,
        owner: OwnerKey,
        change: impl Fn(&SessionRecord) -> Option<Change>,
    ) -> Result<usize, StoreError> {
        for attempt in 0..MAX_TRIES + MAX_WAITS {
            // Whoever keeps changing his sessions must not keep them by it.
            if let Some(waits) = attempt.checked_sub(MAX_TRIES) {
                let waits = u32::try_from(waits).unwrap_or(u32::MAX);
                let wait = WAIT.saturating_mul(waits.saturating_add(1));
                self.time.sleep_until(self.time.now() + wait).await;
            }
            let sessions = self.store.load(owner).await?;
            let now = self.time.now();
            let living = sessions.records.iter();
            let living = living.filter(|record| record.over(now).is_none());
            let (ids, changes): (Vec<_>, Vec<_>) = living
                .filter_map(|record| Some((record.id, change(record)?)))
                .unzip();
            if changes.is_empty() {
                self.registry.end_closing(owner);
                // Perhaps somebody ended them who could not say so any more.
                self.tell_others(owner).await;
                return Ok(0);
            }
            let committed = self.commit(owner, &sessions, changes).await;
            if !matches!(committed, Ok(Commit::Done) | Err(_)) {
                // Somebody may have authenticated meanwhile.
                continue;
            }
            // After it: what began while the store was asked was let in by what stood there
            // before. Also where it cannot say whether it did.
            for id in &ids {
                self.registry.end(owner, *id, EndReason::Revoked);
            }
            self.registry.end_closing(owner);
            self.tell_others(owner).await;
            return committed.map(|_| ids.len());
        }
        Err(StoreError::new(
            "the sessions of one owner change all the time",
        ))
    }

    /// Why a session is over, by what the store has under its key.
    pub(super) fn over(&self, found: Option<&SessionRecord>, id: SessionId) -> Option<EndReason> {
        match found {
            Some(record) if record.id == id => self.over_at(record, self.time.now()),
            // Somebody else ended it, or it is another session by now.
            _ => Some(EndReason::Revoked),
        }
    }

    /// Why a session is over at a time.
    pub(super) fn over_at(&self, record: &SessionRecord, now: Timestamp) -> Option<EndReason> {
        record.over(now).or_else(|| {
            let policy = self.policy();
            let is_stale = policy.is_stale(record.kind, record.authenticated_at, now);
            is_stale.then_some(EndReason::Reauthentication)
        })
    }

    /// Notes activity by a request, which has its record if the session has begun by it. Does
    /// not wait: a store that has to be asked is told by a task of its own, of which each session
    /// has one at a time, and not again soon after `noted_at`. Says whether it was told, or is
    /// about to be.
    pub(super) fn touch(
        &self,
        keys: &Keys,
        id: SessionId,
        exchange: &Exchange,
        noted_at: Option<Timestamp>,
    ) -> bool {
        let (owner, key, at) = (keys.owner, keys.session, self.time.steady());
        match self.store.touch_now(owner, key, id, at) {
            Check::Done(begins) => {
                if begins {
                    record_start(exchange);
                }
                return true;
            }
            Check::NeedsIo => {}
        }
        let apart = self.policy().idle / TOUCHES;
        let is_recent = |noted_at: Timestamp| at.saturating_since(noted_at) < apart;
        // Another request may have had it noted since this one came.
        let since = || self.cache.as_ref()?.noted_at(owner, key, id, at);
        if noted_at.is_some_and(|at| is_recent(at) || since().is_some_and(is_recent)) {
            return false;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return false;
        };
        let Some(turn) = self.touching.begin(id) else {
            return false;
        };
        let (store, cache) = (Arc::clone(&self.store), self.cache.clone());
        // Nobody else begins a session. A store that hangs must not keep the requests of all.
        let is_new = exchange.session().is_some_and(Session::is_new);
        let exchange = is_new.then(|| exchange.clone());
        self.tasks.spawn_on(&runtime, async move {
            let _turn = turn;
            match store.touch(owner, key, id, at).await {
                Ok(begins) => {
                    if let Some(cache) = cache {
                        cache.touch(owner, key, id, at);
                    }
                    if begins {
                        exchange.iter().for_each(record_start);
                    }
                }
                Err(error) => {
                    tracing::warn!(target: "portcullis", "the activity of a session was not noted: {error}");
                }
            }
        });
        true
    }

    /// Begins a session that is about to be ended. Says whether it has begun by this.
    pub(super) async fn begin(&self, keys: &Keys, id: SessionId) -> bool {
        let (owner, key, at) = (keys.owner, keys.session, self.time.steady());
        match self.store.touch_now(owner, key, id, at) {
            Check::Done(begins) => begins,
            Check::NeedsIo => {
                let store = Arc::clone(&self.store);
                // A store that is down will say so when the session is ended.
                store.touch(owner, key, id, at).await.unwrap_or(false)
            }
        }
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        sessions: &Sessions,
        changes: Vec<Change>,
    ) -> Result<Commit, StoreError> {
        let now = self.time.now();
        // However it ends, and also where nobody waits for it any more.
        let _changing = SessionCache::changing(self.cache.as_deref(), owner);
        self.store
            .commit(owner, sessions.revision, changes, now)
            .await
    }
}

fn fresh_id() -> Result<SessionId, StoreError> {
    entropy::bytes()
        .map(|bytes| SessionId::from_u128(u128::from_ne_bytes(bytes)))
        .map_err(|error| StoreError::new(format!("no randomness: {error}")))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("policy", &self.policy())
            .finish_non_exhaustive()
    }
}
