//! What waits to be written.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use portcullis_core::{Record, SinkError};
use tokio::sync::oneshot;

use super::{
    entry::Batch,
    flood::{Floods, Summary},
    head::Head,
};

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// Told once a record is durable. Dropped, it says that the record never will be.
pub(super) type Waiter = oneshot::Sender<Result<(), SinkError>>;

/// Whom to tell what became of all that was taken.
#[derive(Debug)]
pub(super) enum Flush {
    Task(Waiter),
    Thread(mpsc::Sender<Result<Head, SinkError>>),
}

impl Flush {
    /// Tells. Whoever asked may have gone.
    pub(super) fn tell(self, result: Result<Head, SinkError>) {
        match self {
            Self::Task(waiter) => drop(waiter.send(result.map(drop))),
            Self::Thread(thread) => drop(thread.send(result)),
        }
    }
}

/// What the requests and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    floods: Option<Mutex<Floods>>,
    /// The writer waits on it.
    work: Condvar,
    head: Mutex<Head>,
    pub(super) written: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) summed_up: AtomicU64,
    pub(super) head_failures: AtomicU64,
    limits: Limits,
    is_strict: bool,
}

#[derive(Debug)]
struct Queue {
    batch: Batch,
    /// Takes its place while the writer has it.
    spare: Batch,
    /// Whom to tell about which record.
    waiters: Vec<(usize, Waiter)>,
    flushes: Vec<Flush>,
    lost: u64,
    /// What the writer has taken and not yet made durable.
    held: Limits,
    /// Whether the writer waits, and has to be woken.
    is_parked: bool,
    /// Whether the disk did not take the last batch.
    is_failing: bool,
    is_closing: bool,
    is_closed: bool,
    /// Whether the writer has ended before it was told to.
    has_died: bool,
}

/// What the writer takes.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) batch: Batch,
    pub(super) waiters: Vec<(usize, Waiter)>,
    pub(super) flushes: Vec<Flush>,
    pub(super) lost: u64,
    pub(super) is_closing: bool,
}

impl Shared {
    pub(super) fn new(limits: Limits, floods: Option<Floods>, is_strict: bool, head: Head) -> Self {
        Self {
            queue: Mutex::new(Queue {
                batch: Batch::default(),
                spare: Batch::default(),
                waiters: Vec::new(),
                flushes: Vec::new(),
                lost: 0,
                held: Limits {
                    records: 0,
                    bytes: 0,
                },
                is_parked: false,
                is_failing: false,
                is_closing: false,
                is_closed: false,
                has_died: false,
            }),
            floods: floods.map(Mutex::new),
            work: Condvar::new(),
            head: Mutex::new(head),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            summed_up: AtomicU64::new(0),
            head_failures: AtomicU64::new(0),
            limits,
            is_strict,
        }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.is_strict
    }

    pub(super) fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_head(&self, head: Head) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }

    pub(super) fn is_failing(&self) -> bool {
        self.queue().is_failing
    }

    pub(super) fn has_died(&self) -> bool {
        self.queue().has_died
    }

    /// Takes a record that nobody waits for.
    pub(super) fn take(&self, record: &Record<'_>) -> Result<(), SinkError> {
        if let Some(floods) = self.floods.as_ref().filter(|_| Floods::concerns(record)) {
            let mut floods = floods.lock().unwrap_or_else(PoisonError::into_inner);
            let noted = floods.note(record);
            if let Some(summary) = noted.over {
                // Before anybody else can ask for the sums: this one is in none of them.
                self.take_summary(&mut floods, summary);
            }
            drop(floods);
            if !noted.is_written {
                self.summed_up.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
        let mut queue = self.queue();
        self.admit(&mut queue, false)?;
        queue.batch.push(record);
        self.wake(queue);
        Ok(())
    }

    /// Takes a record that somebody waits for.
    pub(super) fn take_and_tell(
        &self,
        record: &Record<'_>,
    ) -> Result<oneshot::Receiver<Result<(), SinkError>>, SinkError> {
        let mut queue = self.queue();
        if queue.is_failing && !queue.is_closed {
            return Err(SinkError::new("the disk of the audit log fails"));
        }
        self.admit(&mut queue, true)?;
        let (waiter, told) = oneshot::channel();
        let number = queue.batch.push(record);
        queue.waiters.push((number, waiter));
        self.wake(queue);
        Ok(told)
    }

    /// Has the writer write what it can at once, and waits for what became of it.
    pub(super) fn flush(&self) -> Result<Head, SinkError> {
        let (thread, told) = mpsc::channel();
        self.ask(Flush::Thread(thread))?;
        told.recv().unwrap_or_else(|_| Err(closed()))
    }

    /// The same, for whoever must not block.
    pub(super) fn flush_and_tell(
        &self,
    ) -> Result<oneshot::Receiver<Result<(), SinkError>>, SinkError> {
        let (task, told) = oneshot::channel();
        self.ask(Flush::Task(task))?;
        Ok(told)
    }

    fn ask(&self, flush: Flush) -> Result<(), SinkError> {
        let mut queue = self.queue();
        if queue.is_closed {
            return Err(closed());
        }
        queue.flushes.push(flush);
        drop(queue);
        self.work.notify_all();
        Ok(())
    }

    /// Has the writer finish. Nothing is taken from now on.
    pub(super) fn close(&self) {
        self.queue().is_closing = true;
        self.work.notify_all();
    }

    /// Takes sums of floods.
    pub(super) fn sum_up(&self, what: impl FnOnce(&mut Floods) -> Vec<Summary>) -> Vec<Summary> {
        let floods = self.floods.as_ref();
        floods.map_or_else(Vec::new, |floods| {
            what(&mut floods.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Waits for something to do, for at most that time. What is taken counts as held until
    /// [`settle`](Self::settle).
    pub(super) fn wait(&self, most: Duration) -> Work {
        let queue = self.queue();
        let has_work = |queue: &mut Queue| {
            let is_urgent =
                !queue.flushes.is_empty() || queue.is_closing || !queue.waiters.is_empty();
            let has_news = queue.batch.len() > 0 || queue.lost > 0;
            // While the disk fails, what comes in waits for the next attempt.
            queue.is_parked = !(is_urgent || has_news && !queue.is_failing);
            queue.is_parked
        };
        let (mut queue, _) = self
            .work
            .wait_timeout_while(queue, most, has_work)
            .unwrap_or_else(PoisonError::into_inner);
        queue.is_parked = false;
        let spare = std::mem::take(&mut queue.spare);
        let batch = std::mem::replace(&mut queue.batch, spare);
        queue.held.records += batch.len();
        queue.held.bytes += batch.bytes();
        Work {
            batch,
            waiters: std::mem::take(&mut queue.waiters),
            flushes: std::mem::take(&mut queue.flushes),
            lost: std::mem::take(&mut queue.lost),
            is_closing: queue.is_closing,
        }
    }

    /// Says how much of what was taken is still held, and gives back room to be filled again.
    pub(super) fn settle(&self, is_failing: bool, records: usize, bytes: usize, spare: Batch) {
        let mut queue = self.queue();
        queue.is_failing = is_failing;
        queue.held = Limits { records, bytes };
        queue.spare = spare;
    }

    /// The writer is gone: nothing is taken, and nobody waits any more.
    pub(super) fn end(&self, has_died: bool) {
        let mut queue = self.queue();
        queue.is_closed = true;
        queue.has_died = has_died;
        let left = queue.batch.stands_for();
        self.lost.fetch_add(left, Ordering::Relaxed);
        queue.batch = Batch::default();
        let waiters = std::mem::take(&mut queue.waiters);
        let flushes = std::mem::take(&mut queue.flushes);
        drop(queue);
        // Not while the queue is locked: whoever is woken may ask how the log fares.
        drop((waiters, flushes));
        // From now on nothing is only counted: the next refusal finds that the log is closed.
        let sums = self.sum_up(Floods::finish);
        let left = sums.iter().map(|summary| summary.unwritten).sum();
        self.lost.fetch_add(left, Ordering::Relaxed);
    }

    fn take_summary(&self, floods: &mut Floods, summary: Summary) {
        let mut queue = self.queue();
        if queue.is_closing {
            // The writer asks the floods once more, and only then comes to its end.
            floods.keep(summary);
        } else if self.has_room(&queue, false) {
            queue.batch.push_summary(summary);
            self.wake(queue);
        } else {
            self.lose(&mut queue, summary.unwritten);
        }
    }

    fn admit(&self, queue: &mut Queue, is_awaited: bool) -> Result<(), SinkError> {
        if queue.is_closed || queue.is_closing {
            return Err(closed());
        }
        if self.has_room(queue, is_awaited) {
            return Ok(());
        }
        if !is_awaited {
            self.lose(queue, 1);
        }
        Err(SinkError::new("the queue of the audit log is full"))
    }

    /// Whether there is room. Of the room, a quarter is for records that nobody waits for: that
    /// something was refused or ended is written down also where nothing more is let in.
    fn has_room(&self, queue: &Queue, is_awaited: bool) -> bool {
        let room = |most: usize| {
            if is_awaited { most - most / 4 } else { most }
        };
        let records = queue.held.records + queue.batch.len();
        let bytes = queue.held.bytes + queue.batch.bytes();
        let has_room = records < room(self.limits.records) && bytes < room(self.limits.bytes);
        has_room || portcullis_core::sabotaged!("audit_log.queue")
    }

    /// A gap will say so.
    fn lose(&self, queue: &mut Queue, records: u64) {
        queue.lost += records;
        self.lost.fetch_add(records, Ordering::Relaxed);
    }

    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        // Once is enough: to wake a thread costs more than all the rest.
        let is_parked = queue.is_parked && !queue.is_failing;
        queue.is_parked &= !is_parked;
        drop(queue);
        if is_parked {
            self.work.notify_one();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> SinkError {
    SinkError::new("the audit log is closed")
}
