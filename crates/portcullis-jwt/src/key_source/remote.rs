//! Keys that are retrieved when they are needed.
//!
//! Requests read a snapshot without a lock. What is retrieved, is retrieved by one task at a
//! time that belongs to the key source and to no request: a client that goes away neither
//! cancels it nor makes it start again.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use portcullis_core::{Unavailable, entropy};
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

use super::{
    Held, Lack, Need, Snapshot, Wanted, cache_control,
    retrieval::{Problem, Retrieval},
    schedule::{Age, Schedule},
};
use crate::{key::KeySet, reason};

/// The keys of one issuer, from the network.
pub(crate) struct RemoteKeys {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// How waiting for a retrieval ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Obtained {
    /// One ended: look again.
    Ended,
    /// None may start now.
    Nothing,
}

impl RemoteKeys {
    pub(crate) fn new(retrieval: Retrieval) -> Self {
        let shared = Shared {
            retrieval,
            snapshot: ArcSwapOption::empty(),
            schedule: Mutex::default(),
            last_problem: Mutex::default(),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            ended_signal: watch::Sender::new(()),
        };
        Self {
            shared: Arc::new(shared),
            task: Mutex::default(),
        }
    }

    /// See [`KeySource::keys`](super::KeySource::keys).
    pub(super) fn keys(&self, now: Instant, has_waited: bool) -> Result<Held, Lack> {
        // Read before the snapshot: a retrieval that ends in between is not waited for.
        let ended = self.shared.ended.load(Ordering::Acquire);
        let lack = |need| Err(Lack { need, ended });
        let held = |snapshot| Ok(Held { snapshot, ended });
        let snapshot = self.shared.snapshot.load();
        let age = match &*snapshot {
            None => Age::Spent,
            Some(keys) => self.shared.age(keys, now),
        };
        match age {
            Age::Fresh => held(snapshot),
            Age::Due => {
                self.refresh_in_background(now);
                held(snapshot)
            }
            Age::Overdue if has_waited || !self.may_help(Need::Newer, None, now) => held(snapshot),
            Age::Overdue => lack(Need::Newer),
            Age::Spent => lack(Need::Any),
        }
    }

    /// Whether waiting may bring what is lacking: a retrieval runs, or may start.
    pub(crate) fn may_help(&self, need: Need, wanted: Option<&Wanted>, now: Instant) -> bool {
        let schedule = self.shared.schedule();
        schedule.is_running() || schedule.permits(need, wanted, now)
    }

    /// Waits for the running retrieval, or for one that this starts.
    pub(crate) async fn obtain(&self, lack: Lack, wanted: Option<&Wanted>) -> Obtained {
        // Subscribed before looking, so that no end is missed.
        let mut ended = self.shared.ended_signal.subscribe();
        if self.shared.ended.load(Ordering::Acquire) != lack.ended {
            return Obtained::Ended;
        }
        if !self.start(lack.need, wanted) && !self.shared.schedule().is_running() {
            let has_ended = self.shared.ended.load(Ordering::Acquire) != lack.ended;
            return if has_ended {
                Obtained::Ended
            } else {
                Obtained::Nothing
            };
        }
        // The sender lives as long as `self`.
        let _ = ended.changed().await;
        Obtained::Ended
    }

    /// What to answer when keys are lacking and none come: unavailable, or nothing if it is
    /// known that the key which is lacking does not exist.
    pub(crate) fn without_keys(&self, need: Need, now: Instant) -> Option<Unavailable> {
        let schedule = self.shared.schedule();
        if need == Need::Key && !schedule.has_failed() {
            return None;
        }
        let unavailable = Unavailable::new(reason::KEYS_UNAVAILABLE);
        Some(match schedule.retry_after(now) {
            Some(delay) => unavailable.with_retry_after(delay),
            None => unavailable,
        })
    }

    /// Loads keys if there are none that serve. Says why it could not.
    pub(crate) async fn ready(&self) -> Result<(), Box<str>> {
        let clock = &self.shared.retrieval.clock;
        for has_waited in [false, true] {
            match self.keys(clock.instant(), has_waited) {
                Ok(_) => return Ok(()),
                Err(_) if has_waited => {}
                Err(lack) => {
                    self.obtain(lack, None).await;
                }
            }
        }
        let problem = self.shared.last_problem();
        Err(problem
            .clone()
            .unwrap_or_else(|| "no key set has been retrieved yet".into()))
    }

    /// Ends the task that retrieves keys, if one does, and waits until it has ended.
    pub(crate) async fn shutdown(&self) {
        let task = lock(&self.task).take();
        if let Some(task) = task {
            task.abort();
            // Aborted or complete: it has ended.
            let _ = task.await;
        }
    }

    /// How many retrievals have been started.
    pub(crate) fn retrievals(&self) -> u64 {
        self.shared.started.load(Ordering::Relaxed)
    }

    /// Starts a retrieval, if one may start, and does not wait for it.
    pub(crate) fn refresh_in_background(&self, now: Instant) {
        // Contention means that somebody else is at it.
        let permits = match self.shared.schedule.try_lock() {
            Ok(schedule) => schedule.permits(Need::Newer, None, now),
            Err(_) => false,
        };
        if permits {
            self.start(Need::Newer, None);
        }
    }

    /// Starts a retrieval, if one may start.
    fn start(&self, need: Need, wanted: Option<&Wanted>) -> bool {
        let shared = &self.shared;
        let now = shared.retrieval.clock.instant();
        {
            let mut schedule = shared.schedule();
            if !schedule.permits(need, wanted, now) {
                return false;
            }
            schedule.start(need, now);
        }
        shared.started.fetch_add(1, Ordering::Relaxed);
        let flight = Flight {
            shared: Arc::clone(shared),
            started: now,
            wanted: wanted.cloned(),
            has_landed: false,
        };
        match Handle::try_current() {
            Ok(runtime) => {
                *lock(&self.task) = Some(runtime.spawn(flight.run()));
            }
            Err(_) => flight.land(Err(Problem::NoRuntime)),
        }
        true
    }
}

impl Drop for RemoteKeys {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("issuer", &self.shared.retrieval.issuer)
            .field("snapshot", &self.shared.snapshot.load())
            .finish_non_exhaustive()
    }
}

struct Shared {
    retrieval: Retrieval,
    snapshot: ArcSwapOption<Snapshot>,
    /// Held for a few instructions, never while something is awaited.
    schedule: Mutex<Schedule>,
    last_problem: Mutex<Option<Box<str>>>,
    started: AtomicU64,
    ended: AtomicU64,
    ended_signal: watch::Sender<()>,
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    fn last_problem(&self) -> MutexGuard<'_, Option<Box<str>>> {
        lock(&self.last_problem)
    }

    fn age(&self, snapshot: &Snapshot, now: Instant) -> Age {
        snapshot
            .refresh_at
            .map_or(Age::Fresh, |at| self.retrieval.limits.age(at, now))
    }
}

/// A retrieval on its way. It lands in any case, also when its task is aborted or panics:
/// otherwise nobody could ever start another.
struct Flight {
    shared: Arc<Shared>,
    started: Instant,
    wanted: Option<Wanted>,
    has_landed: bool,
}

impl Flight {
    async fn run(self) {
        let previous = self.shared.snapshot.load_full();
        let previous = previous.as_deref().map(|snapshot| &snapshot.keys);
        let outcome = self.shared.retrieval.run(previous).await;
        self.land(outcome);
    }

    fn land(mut self, outcome: Result<(KeySet, Duration), Problem>) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Result<(KeySet, Duration), Problem>) {
        self.has_landed = true;
        let shared = &self.shared;
        let now = shared.retrieval.clock.instant();
        let issuer = &shared.retrieval.issuer;
        match outcome {
            Ok((keys, lifetime)) => {
                tracing::debug!(%issuer, ?lifetime, "the keys of the issuer were retrieved");
                let absent = self.wanted.take().filter(|key| key.is_absent_from(&keys));
                let snapshot = Snapshot {
                    keys,
                    refresh_at: Some(now + with_jitter(lifetime)),
                };
                let mut schedule = shared.schedule();
                shared.snapshot.store(Some(Arc::new(snapshot)));
                *shared.last_problem() = None;
                schedule.succeed(self.started, absent, now);
                shared.ended.fetch_add(1, Ordering::Release);
            }
            Err(problem) => {
                tracing::warn!(%issuer, %problem, "the keys of the issuer cannot be retrieved");
                let mut schedule = shared.schedule();
                *shared.last_problem() = Some(problem.to_string().into());
                schedule.fail(now);
                shared.ended.fetch_add(1, Ordering::Release);
            }
        }
        shared.ended_signal.send_replace(());
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.has_landed {
            self.settle(Err(Problem::Interrupted));
        }
    }
}

/// Less by up to a tenth, exclusive, so that servers which started together do not ask together.
fn with_jitter(lifetime: Duration) -> Duration {
    let [random] = entropy::bytes().unwrap_or_default();
    let earlier = lifetime - lifetime / 10 * u32::from(random) / 256;
    earlier.max(lifetime.min(cache_control::SHORTEST))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these protect is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
