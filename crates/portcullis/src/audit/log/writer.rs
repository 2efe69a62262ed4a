//! The thread that writes.

use std::{
    fmt::Display,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use portcullis_core::{Clock, SinkError, Timestamp};

use super::{
    chain::{ChainId, Link},
    disk::Disk,
    entry::Batch,
    flood::Floods,
    head::{Head, HeadSink},
    line::{Cause, Lines, LossCause},
    queue::{Shared, Waiter, Work},
    read::Name,
    recover::Origin,
};

/// How long a disk that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How often minutes are looked for that are over.
const SWEEP: Duration = Duration::from_secs(60);

/// What the writer is told.
pub(super) struct Orders {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) heads: Option<Box<dyn HeadSink>>,
    pub(super) heartbeat: Duration,
    pub(super) max_bytes: u64,
    pub(super) max_age: Duration,
    pub(super) mode: &'static str,
}

pub(super) struct Writer<D> {
    shared: Arc<Shared>,
    disk: D,
    orders: Orders,
    chain: ChainId,
    /// The last line that is durable.
    link: Link,
    /// What it says of its time.
    at: Timestamp,
    file: Option<OpenFile>,
    /// Whether there may be something in the file behind its durable end, until it is certain that
    /// a disk has nothing of it.
    is_soiled: bool,
    /// What is not durable yet, oldest first.
    held: Vec<Batch>,
    waiters: Vec<Vec<(usize, Waiter)>>,
    /// Records that were lost, and are not yet said to be.
    lost: u64,
    is_failing: bool,
    has_failed: bool,
    lines: Lines,
    next_heartbeat: Instant,
    next_sweep: Instant,
    next_attempt: Instant,
}

struct OpenFile {
    /// What of it is durable, in bytes.
    len: u64,
    since: Instant,
}

/// What is written besides records.
#[derive(Clone, Copy, Debug, Default)]
struct Extras {
    heartbeat: bool,
    close: bool,
}

impl<D: Disk> Writer<D> {
    /// Begins a file behind what was found. When this is done, the log is on the disk.
    pub(super) fn start(
        shared: Arc<Shared>,
        disk: D,
        orders: Orders,
        origin: &Origin,
    ) -> io::Result<Self> {
        let now = orders.clock.instant();
        let mut writer = Self {
            shared,
            disk,
            chain: origin.chain,
            link: origin.link,
            at: origin.at,
            file: None,
            is_soiled: false,
            held: Vec::new(),
            waiters: Vec::new(),
            lost: 0,
            is_failing: false,
            has_failed: false,
            lines: Lines::behind(origin.link, origin.at),
            next_heartbeat: now + orders.heartbeat,
            next_sweep: now + SWEEP,
            next_attempt: now,
            orders,
        };
        let time = writer.orders.clock.now();
        let cause = match &origin.broken {
            Some(_) => Cause::NewChain,
            None => Cause::Start,
        };
        writer
            .lines
            .head(time, origin.chain, cause, writer.orders.mode);
        for torn in &origin.torn {
            writer.lines.torn(time, torn.bytes, &torn.file, torn.offset);
        }
        if let Some(bad) = &origin.broken {
            writer.lines.broken(time, &bad.file, bad.line);
        }
        writer.begin(true)?;
        writer.finish(true)?;
        writer.advance(true);
        writer.remember();
        Ok(writer)
    }

    /// Writes until the log is closed.
    pub(super) fn run(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| while !self.turn() {}));
        if ended.is_err() {
            tracing::error!(
                target: "portcullis",
                "the thread of the audit log has panicked: nothing is written any more",
            );
        }
        let shared = Arc::clone(&self.shared);
        let left = self.held.iter().map(Batch::stands_for).sum();
        shared.lost.fetch_add(left, Ordering::Relaxed);
        // Not before the disk is let go: whoever waits for the end may open the log again.
        drop(self);
        shared.end(ended.is_err());
    }

    /// Waits for work and does it. Says whether the log is closed.
    pub(super) fn turn(&mut self) -> bool {
        let now = self.orders.clock.instant();
        let work = self
            .shared
            .wait(self.next_turn().saturating_duration_since(now));
        self.work(work)
    }

    fn next_turn(&self) -> Instant {
        let next = self.next_heartbeat.min(self.next_sweep);
        if self.is_failing {
            // What failed is due before everything else, and nothing else is tried before it.
            self.next_attempt
        } else {
            next
        }
    }

    fn work(&mut self, work: Work) -> bool {
        let Work {
            batch,
            waiters,
            flushes,
            lost,
            is_closing,
        } = work;
        self.held.push(batch);
        self.waiters.push(waiters);
        self.lost += lost;
        let (now, time) = (self.orders.clock.instant(), self.orders.clock.now());
        let mut summaries = Vec::new();
        if is_closing {
            summaries = self.shared.sum_up(Floods::finish);
        } else if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            let minute = time.unix_seconds().div_euclid(60);
            summaries = self.shared.sum_up(|floods| floods.sweep(minute));
        }
        if !flushes.is_empty() {
            // Whoever asks is told that all is durable, also what is only counted so far.
            summaries.extend(self.shared.sum_up(Floods::sum_up));
        }
        if let Some(batch) = self.held.last_mut() {
            batch.extend(summaries);
        }
        let extras = Extras {
            // A disk that failed is asked with a line that nobody misses.
            heartbeat: now >= self.next_heartbeat || self.is_failing,
            close: is_closing,
        };
        let is_forced = is_closing || !flushes.is_empty();
        let has_lines = self.lost > 0
            || extras.heartbeat
            || extras.close
            || self.held.iter().any(|batch| batch.len() > 0);
        let result = if self.is_failing && now < self.next_attempt && !is_forced {
            Err(self.hold("it has failed a moment ago"))
        } else if has_lines {
            self.attempt(extras)
        } else {
            self.succeed(false);
            Ok(())
        };
        let head = self.shared.head();
        for flush in flushes {
            flush.tell(match &result {
                Ok(()) => Ok(head),
                Err(error) => Err(SinkError::new(error.to_string())),
            });
        }
        is_closing
    }

    fn attempt(&mut self, extras: Extras) -> Result<(), SinkError> {
        let now = self.orders.clock.instant();
        let is_new = self
            .file
            .as_ref()
            .is_none_or(|file| self.is_full(file, now));
        match self.write(extras, is_new) {
            Ok(()) => {
                if extras.heartbeat {
                    self.next_heartbeat = now + self.orders.heartbeat;
                }
                self.advance(is_new);
                self.succeed(true);
                if is_new || extras.heartbeat || extras.close {
                    self.remember();
                }
                Ok(())
            }
            Err(error) => Err(self.fail(&error)),
        }
    }

    fn is_full(&self, file: &OpenFile, now: Instant) -> bool {
        file.len >= self.orders.max_bytes || now >= file.since + self.orders.max_age
    }

    /// Makes lines of all that is held, and has them durable at once. After a failure, the same
    /// lines are made again: nothing of them was durable, so their numbers have not been used.
    fn write(&mut self, extras: Extras, is_new: bool) -> io::Result<()> {
        let time = self.orders.clock.now();
        self.begin(is_new)?;
        self.lines.restart(self.link, self.at);
        if is_new {
            let mode = self.orders.mode;
            self.lines.head(time, self.chain, Cause::Rotation, mode);
        }
        for batch in &self.held {
            for record in batch.records() {
                self.lines.record(batch, record);
                pour_portion(&mut self.lines, &mut self.disk)?;
            }
            for summary in batch.summaries() {
                self.lines.summary(summary);
                pour_portion(&mut self.lines, &mut self.disk)?;
            }
        }
        if self.lost > 0 {
            let cause = match self.has_failed {
                true => LossCause::Disk,
                false => LossCause::QueueFull,
            };
            self.lines.gap(time, self.lost, cause);
        }
        if extras.heartbeat {
            self.lines.heartbeat(time);
        }
        if extras.close {
            self.lines.close(time);
        }
        self.finish(is_new)
    }

    /// Has a file to append to, without anything behind its durable end.
    fn begin(&mut self, is_new: bool) -> io::Result<()> {
        if self.is_soiled {
            self.clean()?;
        }
        if is_new {
            if self.is_soiled {
                // Nobody comes back to the old file, so what was taken back has to be durable.
                self.disk.sync()?;
            }
            // If anything fails from here on, the file is begun again.
            self.file = None;
            let first = self.link.seq.saturating_add(1);
            self.disk.create(&Name::of(first).text)?;
        }
        self.is_soiled = true;
        Ok(())
    }

    /// Writes what is left of the lines, and has all of them durable.
    fn finish(&mut self, is_new: bool) -> io::Result<()> {
        pour(&mut self.lines, &mut self.disk)?;
        self.disk.sync()?;
        if is_new {
            self.disk.sync_names()?;
        }
        self.is_soiled = false;
        Ok(())
    }

    /// Takes back what a failed attempt has left. A system that could not write its memory to the
    /// disk forgets that it could not; so all of it is written anew.
    fn clean(&mut self) -> io::Result<()> {
        match &self.file {
            Some(file) => self.disk.truncate(file.len),
            // A file that was only begun goes as a whole when it is begun again.
            None => {
                self.is_soiled = false;
                Ok(())
            }
        }
    }

    /// The lines are durable.
    fn advance(&mut self, is_new: bool) {
        self.link = self.lines.link();
        self.at = self.lines.at();
        let now = self.orders.clock.instant();
        let file = self.file.get_or_insert(OpenFile { len: 0, since: now });
        if is_new {
            *file = OpenFile { len: 0, since: now };
        }
        file.len += self.lines.len();
        self.lost = 0;
        self.has_failed = false;
        let records = self.lines.records();
        self.shared.written.fetch_add(records, Ordering::Relaxed);
        self.shared.set_head(self.head());
    }

    fn succeed(&mut self, has_written: bool) {
        for (_, waiter) in self.waiters.drain(..).flatten() {
            // Whoever waited may have gone.
            let _ = waiter.send(Ok(()));
        }
        let mut spare = self.held.pop().unwrap_or_default();
        spare.clear();
        self.held.clear();
        if self.is_failing && has_written {
            tracing::info!(target: "portcullis", "the audit log is written again");
            self.is_failing = false;
        }
        self.shared.settle(self.is_failing, 0, 0, spare);
    }

    fn fail(&mut self, error: &io::Error) -> SinkError {
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        if !self.is_failing {
            tracing::error!(target: "portcullis", "the audit log cannot be written: {error}");
        }
        self.is_failing = true;
        self.has_failed = true;
        self.next_attempt = self.orders.clock.instant() + PAUSE;
        // For whoever reads the file meanwhile. It is done again before the next attempt, whether
        // it fails or not.
        drop(self.clean());
        self.hold(error)
    }

    /// Keeps what nobody waits for until the disk takes it. Whoever waits is told, and what then
    /// does not happen has no record.
    fn hold(&mut self, error: impl Display) -> SinkError {
        let say = || SinkError::new(format!("the audit log cannot be written: {error}"));
        for (batch, waiters) in self.held.iter_mut().zip(&mut self.waiters) {
            for (number, waiter) in waiters.drain(..) {
                batch.take_back(number);
                // Whoever waited may have gone.
                let _ = waiter.send(Err(say()));
            }
        }
        self.held.retain(|batch| !batch.is_void());
        self.waiters.clear();
        self.waiters.resize_with(self.held.len(), Vec::new);
        let records = self.held.iter().map(Batch::len).sum();
        let bytes = self.held.iter().map(Batch::bytes).sum();
        self.shared.settle(true, records, bytes, Batch::default());
        say()
    }

    fn head(&self) -> Head {
        Head {
            chain: self.chain,
            link: self.link,
            at: self.at,
        }
    }

    fn remember(&self) {
        let Some(heads) = &self.orders.heads else {
            return;
        };
        let head = self.head();
        // A head that nobody remembers is no reason to write nothing any more.
        if catch_unwind(AssertUnwindSafe(|| heads.remember(&head))).is_err() {
            self.shared.head_failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                target: "portcullis",
                "the head sink of the audit log has panicked: sequence {} is not remembered",
                head.sequence(),
            );
        }
    }
}

/// Writes lines once there are many: however much waits, only some of it is there as lines.
fn pour_portion(lines: &mut Lines, disk: &mut impl Disk) -> io::Result<()> {
    if lines.is_portion() {
        pour(lines, disk)?;
    }
    Ok(())
}

fn pour(lines: &mut Lines, disk: &mut impl Disk) -> io::Result<()> {
    let mut rest = lines.as_bytes();
    while !rest.is_empty() {
        match disk.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    lines.pour_out();
    Ok(())
}
