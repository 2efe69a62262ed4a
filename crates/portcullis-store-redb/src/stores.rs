//! The stores of one file.

use std::{
    fmt, mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use portcullis_core::{Clock, StoreError, Timestamp};
use redb::{Database, ReadTransaction, ReadableDatabase as _};

use crate::{
    api_keys::{KnownKeys, RedbApiKeys},
    batch::{Batch, News},
    builder::{Limits, OpenError, RedbBuilder},
    cache::Cache,
    file::{self, Identity},
    patience::Patience,
    problem::Failure,
    replay_counts::ReplayCounts,
    replays::RedbReplays,
    revocations::{KnownRevocations, RedbRevocations},
    sessions::{self, RedbSessions},
    tables::FORGOTTEN,
    writer::{Job, Queue, runtime, stopped},
};

/// Nothing has been forgotten.
const NEVER: i64 = i64::MIN;

/// A file, and the stores that can be had of it. Clones are the same file. It is closed when the
/// last of them, and of their stores, is dropped, which waits for what is still to be written.
///
/// See the [module documentation](crate).
#[derive(Clone)]
pub struct Redb(Arc<Open>);

/// Closes the file when nobody can ask for anything any more.
pub(crate) struct Open(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    path: PathBuf,
    identity: Identity,
    pub(crate) limits: Limits,
    /// Read by whoever reads or writes; written by who closes the file or opens it anew.
    state: RwLock<State>,
    /// Whether a write has failed. What is known then may not be what stands in the file.
    is_suspect: AtomicBool,
    patience: Patience,
    pub(crate) queue: Queue,
    pub(crate) sessions: Cache,
    replay_counts: Mutex<ReplayCounts>,
    /// The latest time of a session that was forgotten, in milliseconds.
    forgotten: AtomicI64,
    pub(crate) revocations: KnownRevocations,
    pub(crate) api_keys: KnownKeys,
    /// How many transactions there were.
    commits: AtomicU64,
    /// How often the file was read as a whole.
    readings: AtomicU64,
}

enum State {
    Closed,
    /// It could not be opened anew so far.
    Lost,
    Opened(Database),
}

impl Redb {
    /// Settings for a file by its path.
    pub fn builder(path: impl AsRef<Path>) -> RedbBuilder {
        RedbBuilder::new(path.as_ref())
    }

    /// Opens a file with the default settings, or makes it where there is none. It waits for the
    /// disk, for as long as it takes to read the whole file.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open()
    }

    pub(crate) fn open_with(
        path: PathBuf,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let path = file::absolute(path);
        let database = file::open(&path)?;
        let shared = Shared {
            identity: Identity::of(&path),
            limits,
            state: RwLock::new(State::Lost),
            is_suspect: AtomicBool::new(false),
            patience: Patience::new(clock),
            queue: Queue::default(),
            sessions: Cache::default(),
            replay_counts: Mutex::default(),
            forgotten: AtomicI64::new(NEVER),
            revocations: KnownRevocations::default(),
            api_keys: KnownKeys::default(),
            commits: AtomicU64::new(0),
            readings: AtomicU64::new(0),
            path,
        };
        let learned = shared.learn(&database);
        learned.map_err(|failure| file::unsound(&shared.path, &failure.into_error()))?;
        *shared.state_mut() = State::Opened(database);
        Ok(Self(Arc::new(Open(Arc::new(shared)))))
    }

    /// A store of sessions.
    #[must_use]
    pub fn sessions(&self) -> RedbSessions {
        RedbSessions(Arc::clone(&self.0))
    }

    /// A store of revocations.
    #[must_use]
    pub fn revocations(&self) -> RedbRevocations {
        RedbRevocations(Arc::clone(&self.0))
    }

    /// A store of one-time credentials that were used.
    #[must_use]
    pub fn replays(&self) -> RedbReplays {
        RedbReplays(Arc::clone(&self.0))
    }

    /// A store of API keys.
    #[must_use]
    pub fn api_keys(&self) -> RedbApiKeys {
        RedbApiKeys(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redb").field(&self.0).finish()
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.path.fmt(f)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    /// Reads, on a thread that may wait for the disk.
    pub(crate) async fn read<R, F>(self: &Arc<Self>, run: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&ReadTransaction) -> Result<R, Failure> + Send + 'static,
    {
        let this = Arc::clone(self);
        let reading = runtime()?.spawn_blocking(move || {
            if matches!(*this.state(), State::Lost) {
                this.recover()?;
            }
            match &*this.state() {
                State::Opened(database) => run(&database.begin_read()?),
                _ => Err(closed().into()),
            }
        });
        match reading.await {
            Ok(found) => found.map_err(Failure::into_error),
            Err(_) => Err(stopped()),
        }
    }

    /// Up to when sessions have been forgotten.
    pub(crate) fn forgotten(&self) -> Option<Timestamp> {
        match self.forgotten.load(Ordering::Acquire) {
            NEVER => None,
            millis => Some(Timestamp::from_unix_millis(millis)),
        }
    }

    /// Said before it is done: whoever reads it in between is refused, not let in.
    fn forget(&self, until: Option<Timestamp>) {
        if let Some(until) = until {
            let until = until.unix_millis();
            self.forgotten.fetch_max(until, Ordering::AcqRel);
        }
    }

    /// What is known may not be what stands in the file, so it is read again before anything else
    /// is written.
    pub(crate) fn suspect(&self) {
        self.patience.note_failure();
        self.is_suspect.store(true, Ordering::Release);
    }

    /// Writes all of it in one transaction, and answers.
    pub(crate) fn commit(&self, mut jobs: Vec<Box<dyn Job>>) {
        let outcome = self.recover().and_then(|()| {
            let done = self.try_commit(&mut jobs);
            done.inspect_err(|_| self.patience.note_failure())
        });
        if let Err(error) = &outcome
            && !self.is_suspect.swap(true, Ordering::AcqRel)
        {
            tracing::error!(target: "portcullis", "{}: {error}", self.path.display());
        }
        for job in jobs {
            job.answer(outcome.as_ref().copied());
        }
    }

    fn try_commit(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let state = self.state();
        let State::Opened(database) = &*state else {
            return Err(closed());
        };
        let news = self.write_all(database, jobs);
        // While nobody can open the file anew and read something later from it.
        self.publish(news.map_err(Failure::into_error)?);
        Ok(())
    }

    fn write_all(
        &self,
        database: &Database,
        jobs: &mut [Box<dyn Job>],
    ) -> Result<Vec<News>, Failure> {
        let mut transaction = database.begin_write()?;
        // Then a damaged page is never mistaken, after a crash, for one that was being written:
        // the file would go back by what was answered last.
        transaction.set_two_phase_commit(true);
        // They come back once what they count is written, and otherwise are counted anew.
        let counts = mem::take(&mut *self.replay_counts());
        let mut batch = Batch::open(&transaction, &self.limits, counts)?;
        for job in jobs {
            job.run(&mut batch).map_err(Failure::File)?;
        }
        self.forget(batch.time(FORGOTTEN)?);
        let (news, counts) = batch.finish();
        let news = if let Some(news) = news {
            transaction.commit()?;
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.patience.note_success();
            news
        } else {
            transaction.abort()?;
            Vec::new()
        };
        *self.replay_counts() = counts;
        Ok(news)
    }

    fn replay_counts(&self) -> MutexGuard<'_, ReplayCounts> {
        // What the lock protects is exchanged as a whole.
        self.replay_counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, news: Vec<News>) {
        for news in news {
            match news {
                News::ApiKey(key) => self.api_keys.put(key),
                News::ApiKeyGone(id) => self.api_keys.remove(&id),
                News::Revocation(key, cut_off) => self.revocations.put(key, cut_off),
                News::RevocationGone(key) => self.revocations.remove(key),
                News::Sessions(owner, sessions) => self.sessions.put(owner, sessions),
                News::SessionsGone(owner) => self.sessions.remove(owner),
            }
        }
    }

    /// Opens the file anew, if something has gone wrong with it.
    fn recover(&self) -> Result<(), StoreError> {
        if !self.is_suspect.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut state = self.state_mut();
        if matches!(*state, State::Closed) {
            return Err(closed());
        }
        // Whoever waited for the lock finds it done, perhaps.
        if !self.is_suspect.load(Ordering::Acquire) {
            return Ok(());
        }
        self.patience.check()?;
        self.reopen(&mut state)
            .inspect_err(|_| self.patience.note_failure())
    }

    fn reopen(&self, state: &mut State) -> Result<(), StoreError> {
        // Closed first: a file is open once.
        *state = State::Lost;
        if Identity::of(&self.path) != self.identity {
            let problem =
                "was removed or replaced while it was open; start anew with the right one";
            return Err(StoreError::new(format!(
                "{}: {problem}",
                self.path.display()
            )));
        }
        self.readings.fetch_add(1, Ordering::Relaxed);
        let database = file::open_existing(&self.path);
        let database = database.map_err(|error| StoreError::new(error.to_string()))?;
        self.learn(&database).map_err(Failure::into_error)?;
        *state = State::Opened(database);
        self.is_suspect.store(false, Ordering::Release);
        Ok(())
    }

    /// Reads what is known in memory.
    fn learn(&self, database: &Database) -> Result<(), Failure> {
        let transaction = database.begin_read()?;
        self.forget(sessions::forgotten(&transaction)?);
        self.revocations.learn(&transaction)?;
        self.api_keys.learn(&transaction)?;
        self.sessions.clear();
        *self.replay_counts() = ReplayCounts::default();
        Ok(())
    }

    fn close(&self) {
        // What nobody waits for any more.
        let jobs = self.queue.take();
        if !jobs.is_empty() {
            self.commit(jobs);
        }
        let state = mem::replace(&mut *self.state_mut(), State::Closed);
        if let State::Opened(database) = state
            && let Err(error) = database.close()
        {
            let error = Failure::from(error).into_error();
            tracing::error!(target: "portcullis", "{}: {error}", self.path.display());
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        // What the lock protects is whole between any two statements.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Redb {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }
}

#[cfg(test)]
impl Shared {
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) fn replay_scans(&self) -> u64 {
        self.replay_counts().scans()
    }

    pub(crate) fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }

    /// Runs while nobody reads or writes.
    pub(crate) fn hold_up(&self, run: impl FnOnce()) {
        let _state = self.state_mut();
        run();
    }

    /// Goes on with another database, which is made once the one before it is closed.
    pub(crate) fn exchange(&self, make: impl FnOnce() -> Database) {
        let mut state = self.state_mut();
        *state = State::Lost;
        *state = State::Opened(make());
    }
}

fn closed() -> StoreError {
    StoreError::new("the file of the store is closed")
}
