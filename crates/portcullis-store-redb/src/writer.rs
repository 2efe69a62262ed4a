//! Who writes: one at a time, and for all who have asked meanwhile.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use portcullis_core::StoreError;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{batch::Batch, problem::Failure, stores::Shared};

/// How many may wait. What one waits for is written whether or not he still does, so whoever asks and
/// goes away must not be able to fill the memory.
const MANY: usize = 8192;

/// What is asked for and not yet written.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: Vec<Box<dyn Job>>,
    /// Whether somebody writes, and will look here again.
    is_served: bool,
}

/// One change that is asked for.
pub(crate) trait Job: Send {
    /// Makes the change. An error is that of the file, and of all others as well.
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError>;

    /// Answers, once what was written is on the disk, or will not be.
    fn answer(self: Box<Self>, outcome: Result<(), &StoreError>);
}

struct Asked<R, F> {
    run: Option<F>,
    found: Option<Result<R, StoreError>>,
    asking: oneshot::Sender<Result<R, StoreError>>,
}

impl<R, F> Job for Asked<R, F>
where
    R: Send,
    F: FnOnce(&mut Batch<'_>) -> Result<R, Failure> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        self.found = match self.run.take().map(|run| run(batch)) {
            Some(Ok(found)) => Some(Ok(found)),
            Some(Err(Failure::Question(error))) => Some(Err(error)),
            Some(Err(Failure::File(error))) => return Err(error),
            None => None,
        };
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), &StoreError>) {
        let found = match outcome {
            Ok(()) => self.found.unwrap_or_else(|| Err(stopped())),
            Err(error) => Err(StoreError::new(error.to_string())),
        };
        // Nobody waits any more, perhaps.
        drop(self.asking.send(found));
    }
}

impl Shared {
    /// Has something written, and waits until it is on the disk. Also what nobody waits for any
    /// more is written.
    pub(crate) async fn write<R, F>(self: &Arc<Self>, run: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&mut Batch<'_>) -> Result<R, Failure> + Send + 'static,
    {
        let runtime = runtime()?;
        let (asking, answer) = oneshot::channel();
        let pushed = self.queue.push(Box::new(Asked {
            run: Some(run),
            found: None,
            asking,
        }));
        let is_first = pushed.ok_or_else(|| {
            StoreError::new("is asked to write more than the disk takes: try again later")
        })?;
        if is_first {
            let serving = Serving {
                shared: Arc::clone(self),
                has_left: false,
            };
            runtime.spawn_blocking(move || serving.run());
        }
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// The runtime on whose threads files are read and written.
pub(crate) fn runtime() -> Result<Handle, StoreError> {
    Handle::try_current().map_err(|_| StoreError::new("is asked outside of a tokio runtime"))
}

pub(crate) fn stopped() -> StoreError {
    StoreError::new("what was asked of the file was stopped")
}

impl Queue {
    /// Whether nobody serves, and so whoever has asked has somebody serve. `None` where too many
    /// wait.
    fn push(&self, job: Box<dyn Job>) -> Option<bool> {
        let mut waiting = self.lock();
        if waiting.jobs.len() >= MANY {
            return None;
        }
        waiting.jobs.push(job);
        Some(!mem::replace(&mut waiting.is_served, true))
    }

    /// All that wait.
    pub(crate) fn take(&self) -> Vec<Box<dyn Job>> {
        mem::take(&mut self.lock().jobs)
    }

    /// How many wait, and whether somebody serves them.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> (usize, bool) {
        let waiting = self.lock();
        (waiting.jobs.len(), waiting.is_served)
    }

    /// All that wait. If there are none, whoever comes has somebody serve again.
    fn take_or_leave(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut waiting = self.lock();
        if waiting.jobs.is_empty() {
            waiting.is_served = false;
            return None;
        }
        Some(mem::take(&mut waiting.jobs))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // What the lock protects is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until nobody waits. One that never runs, because the runtime ends, leaves nobody waiting and
/// lets others serve.
struct Serving {
    shared: Arc<Shared>,
    has_left: bool,
}

impl Serving {
    fn run(mut self) {
        while let Some(jobs) = self.shared.queue.take_or_leave() {
            let commit = || self.shared.commit(jobs);
            // It takes those down that were to be written together with it, and nobody who comes
            // after them.
            if catch_unwind(AssertUnwindSafe(commit)).is_err() {
                self.shared.suspect();
            }
        }
        self.has_left = true;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.has_left {
            return;
        }
        let mut waiting = self.shared.queue.lock();
        waiting.is_served = false;
        let abandoned = mem::take(&mut waiting.jobs);
        drop(waiting);
        drop(abandoned);
    }
}
