//! The log as the rest of the program has it.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle, ThreadId},
};

use portcullis_core::{AuditSink, Durable, Record, SinkError};

use tokio::sync::oneshot;

use super::{builder::AuditLogBuilder, head::Head, queue::Shared};

/// A log of all records in a folder, for
/// [`with_audit`](crate::stack::StackBuilder::with_audit). See the [module docs](super).
///
/// Clones are the same log. When the last one is dropped, what was taken is written and the log
/// is closed, which waits for the disk: call [`close`](Self::close) where that may wait.
#[derive(Clone)]
#[must_use = "nothing is recorded until the log is given to a stack"]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    thread: ThreadId,
    #[cfg(feature = "metrics")]
    published: super::metrics::Published,
}

/// How a log fares.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LogStats {
    /// How many records are on the disk, summaries included.
    pub written: u64,
    /// How many were lost, because the queue was full.
    pub lost: u64,
    /// How many refusals stand in summaries alone.
    pub summed_up: u64,
    /// How often the disk did not take what was to be written.
    pub failures: u64,
    /// Whether it did not take the last.
    pub is_failing: bool,
    /// How many heads were not remembered, because the head sink panicked.
    pub head_failures: u64,
}

impl AuditLog {
    /// The settings of a log in that folder. The folder is made if it is not there, and belongs
    /// to this log alone.
    pub fn builder(folder: impl AsRef<Path>) -> AuditLogBuilder {
        AuditLogBuilder::new(folder.as_ref())
    }

    pub(super) fn new(shared: Arc<Shared>, writer: JoinHandle<()>) -> Self {
        Self(Arc::new(Inner {
            shared,
            thread: writer.thread().id(),
            writer: Mutex::new(Some(writer)),
            #[cfg(feature = "metrics")]
            published: super::metrics::Published::default(),
        }))
    }

    /// The last line that is durable.
    #[must_use]
    pub fn head(&self) -> Head {
        self.0.shared.head()
    }

    /// How the log fares.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        let shared = &self.0.shared;
        LogStats {
            written: shared.written.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            summed_up: shared.summed_up.load(Ordering::Relaxed),
            failures: shared.failures.load(Ordering::Relaxed),
            is_failing: shared.is_failing(),
            head_failures: shared.head_failures.load(Ordering::Relaxed),
        }
    }

    /// Hands how the log has fared since the last time to the recorder of the crate `metrics`
    /// that is installed. Call it whenever metrics are asked for, or from time to time. See
    /// [the names](super#metrics).
    #[cfg(feature = "metrics")]
    pub fn publish_metrics(&self) {
        self.0.published.publish(|| self.stats());
    }

    /// Has everything durable that was taken so far, and whatever is due by the clock. Blocks:
    /// in async code, call it where that is allowed.
    ///
    /// # Errors
    ///
    /// The disk did not take it, or the log is closed; or the head sink asks, for which the log
    /// waits.
    pub fn flush(&self) -> Result<Head, SinkError> {
        self.0.check_thread()?;
        self.0.shared.flush()
    }

    /// Writes what was taken, and that the log is closed; another one may then be opened in its
    /// folder. Records that come later are lost.
    /// Blocks: in async code, call it where that is allowed, after the server has stopped. Whoever
    /// closes it as well waits as long.
    ///
    /// # Errors
    ///
    /// The disk did not take it, or the thread that writes has died; or the head sink asks, for
    /// which the log waits, and then the log stays open.
    pub fn close(&self) -> Result<Head, SinkError> {
        self.0.check_thread()?;
        self.0.close();
        if self.0.shared.has_died() {
            return Err(SinkError::new(
                "the thread of the audit log has panicked, so its last records are lost",
            ));
        }
        let stats = self.stats();
        if stats.is_failing {
            return Err(SinkError::new(
                "the audit log was closed while its disk failed, so its last records are lost",
            ));
        }
        Ok(self.head())
    }
}

impl Inner {
    /// What runs on the writer's own thread cannot wait for the writer.
    fn check_thread(&self) -> Result<(), SinkError> {
        if self.thread != thread::current().id() {
            return Ok(());
        }
        Err(SinkError::new(
            "the audit log waits for its head sink, which cannot wait for the log; hand the head on",
        ))
    }

    fn close(&self) {
        self.shared.close();
        // A head sink may be what drops the last clone, on the writer's own thread.
        if self.check_thread().is_err() {
            return;
        }
        // Nobody gets by before the writer is gone.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            drop(writer.join());
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl AuditSink for AuditLog {
    fn record(&self, record: &Record<'_>) -> Result<(), SinkError> {
        self.0.shared.take(record)
    }

    fn is_strict(&self) -> bool {
        self.0.shared.is_strict()
    }

    fn commit(&self, record: &Record<'_>) -> Durable {
        durable(self.0.shared.take_and_tell(record))
    }

    fn flush(&self) -> Durable {
        let is_free = self.0.check_thread();
        durable(is_free.and_then(|()| self.0.shared.flush_and_tell()))
    }
}

fn durable(told: Result<oneshot::Receiver<Result<(), SinkError>>, SinkError>) -> Durable {
    match told {
        Ok(told) => Durable::new(async move {
            told.await
                .unwrap_or_else(|_| Err(SinkError::new("the audit log is closed")))
        }),
        Err(error) => Durable::ready(Err(error)),
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("head", &self.head())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
