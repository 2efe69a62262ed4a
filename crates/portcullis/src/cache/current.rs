//! Whether a bus has lately said that nothing was missed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{Timestamp, sabotaged};
use tokio::runtime::Handle;

use crate::{signal::Signals, tasks::Tasks, time::Time};

/// The bus is asked again when what it has said is older than this part of the bound, so that
/// requests need not wait for it.
const AHEAD: u32 = 4;
/// A bus that has not answered for so long is asked anew. Longer than any bus gives itself.
const GIVE_UP: Duration = Duration::from_secs(90);

/// Whether a bus has lately said that nothing was missed.
///
/// Nobody asks it without a reason: it is asked, in a task of its own, where a request finds that what
/// it has said gets old. That request, if it is too old already, asks the store.
pub(crate) struct Current {
    signals: Arc<Signals>,
    time: Time,
    tasks: Tasks,
    bound: Duration,
}

/// When a bus was asked, by whoever has a reason to.
#[derive(Debug)]
pub(crate) struct Asked {
    is_asked: AtomicBool,
    /// The last time, by steady time in milliseconds.
    at: AtomicI64,
}

impl Current {
    pub(crate) fn new(signals: Arc<Signals>, time: Time, tasks: Tasks, bound: Duration) -> Self {
        Self {
            signals,
            time,
            tasks,
            bound,
        }
    }

    /// Whether everything has been heard that was published before a moment which is less than the
    /// bound ago. Asked *before* the marks are looked at: what it vouches for counts there by then.
    pub(crate) fn is_at(&self, now: Timestamp) -> bool {
        let current_at = self.signals.current_at();
        let age = current_at.map(|at| now.saturating_since(at));
        if age.is_none_or(|age| age >= self.bound / AHEAD) {
            self.ask(now);
        }
        age.is_some_and(|age| age < self.bound) || sabotaged!("cache.stale")
    }

    /// Has the bus catch up: once at a time, and one that fails not with each request.
    fn ask(&self, now: Timestamp) {
        let Some(asking) = Asking::begin(self.signals.asked(), now, self.bound / AHEAD) else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (signals, time) = (Arc::clone(&self.signals), self.time.clone());
        self.tasks.spawn_on(&runtime, async move {
            let _asking = asking;
            let late = time.sleep_until(time.now() + GIVE_UP);
            let at = time.steady();
            signals.ask_until(at, late).await;
        });
    }
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            is_asked: AtomicBool::new(false),
            at: AtomicI64::new(i64::MIN),
        }
    }
}

/// The one question. However it ends, the next one may be asked.
struct Asking(Arc<Asked>);

impl Asking {
    /// Begins, unless somebody else has, or did so just now.
    fn begin(asked: &Arc<Asked>, now: Timestamp, apart: Duration) -> Option<Self> {
        let at = Timestamp::from_unix_millis(asked.at.load(Ordering::Relaxed));
        let is_recent = now.saturating_since(at) < apart;
        // Looked at first, so that whoever cannot have it writes nothing that all have to read again.
        if is_recent || asked.is_asked.load(Ordering::Relaxed) {
            return None;
        }
        if asked.is_asked.swap(true, Ordering::AcqRel) {
            return None;
        }
        asked.at.store(now.unix_millis(), Ordering::Relaxed);
        Some(Self(Arc::clone(asked)))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.is_asked.store(false, Ordering::Release);
    }
}
