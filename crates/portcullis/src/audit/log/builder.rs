//! The settings of a log.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use portcullis_core::{Clock, ConfigError, ConfigErrors, SystemClock};

use super::{
    disk::{Folder, make_folder, ours_alone},
    error::{OpenError, VerifyError},
    flood::Floods,
    handle::AuditLog,
    head::{Head, HeadSink},
    ours,
    queue::{Limits, Shared},
    recover::{Origin, recover},
    torn::forget,
    writer::{Orders, Writer},
};

/// The file whose lock says that somebody writes.
const LOCK: &str = "audit.lock";

/// What happens to a request whose record cannot be written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// It goes on. Records that are lost are counted, and a line says how many they were.
    #[default]
    BestEffort,
    /// It is answered with 503, and the handler is never called. Every request that is let in
    /// waits until its record is durable.
    Strict,
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BestEffort => "best_effort",
            Self::Strict => "strict",
        }
    }
}

/// The settings of an [`AuditLog`]. Setters keep their mistakes; [`open`](Self::open) reports
/// them, all at once.
#[must_use = "nothing is written until `open` is called"]
pub struct AuditLogBuilder {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    mode: Mode,
    heads: Option<Box<dyn HeadSink>>,
    heartbeat: Duration,
    max_file_size: u64,
    max_file_age: Duration,
    limits: Limits,
    flood_threshold: Option<u32>,
    expected: Option<Head>,
    may_start_over: bool,
}

impl AuditLogBuilder {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            clock: Arc::new(SystemClock::new()),
            mode: Mode::BestEffort,
            heads: None,
            heartbeat: Duration::from_secs(60),
            max_file_size: 64 << 20,
            max_file_age: Duration::from_secs(24 * 3600),
            limits: Limits {
                records: 1 << 16,
                bytes: 64 << 20,
            },
            flood_threshold: Some(60),
            expected: None,
            may_start_over: false,
        }
    }

    /// Where time comes from. The system's clock by default; a virtual one in tests.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What happens to a request whose record cannot be written. By default it goes on.
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Remembers the ends of the log elsewhere: another machine, or a
    /// [`HeadFile`](super::HeadFile) on another disk. [`HeadSink`] says when it is called, and on
    /// which thread. Without it, nobody notices an end that is cut off.
    pub fn with_head_sink(mut self, heads: impl HeadSink) -> Self {
        self.heads = Some(Box::new(heads));
        self
    }

    /// How far the log went when it was last open, as it was remembered elsewhere. It is compared
    /// before anything is written, as [the verifier](super::Verifier::with_expected_head) does: a
    /// log whose end is missing, that was set back to an older state, that was computed anew or
    /// that is another one is [not opened](OpenError::NotAsRemembered), and its folder stays as
    /// it was. What was written after the head may be there, and a torn end is cut off.
    ///
    /// Without it, an older copy of the folder is opened as if nothing was, and the head sink is
    /// given its heads. See [At start](super#at-start).
    pub fn with_expected_head(mut self, head: Head) -> Self {
        self.expected = Some(head);
        self
    }

    /// How often a line says that the log is alive. Once a minute by default.
    pub fn with_heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// How long a file becomes before the next one is begun, about, in bytes. 64 MiB by default,
    /// and at least 64 KiB.
    pub fn with_max_file_size(mut self, bytes: u64) -> Self {
        self.max_file_size = bytes;
        self
    }

    /// How old a file becomes before the next one is begun. A day by default.
    pub fn with_max_file_age(mut self, age: Duration) -> Self {
        self.max_file_age = age;
        self
    }

    /// How many records may wait for the disk, and how many bytes they may hold. 65536 and 64 MiB
    /// by default, and at most 2 GiB. In strict mode three quarters are for what waits, and the
    /// rest for refusals and ends.
    ///
    /// Memory grows by doubling, so they can take twice as much of it. Lines are made of them in
    /// portions of about 256 KiB, and take no more than that, also while the disk fails.
    pub fn with_max_queued(mut self, records: usize, bytes: usize) -> Self {
        self.limits = Limits { records, bytes };
        self
    }

    /// From how many on in a minute the refusals of strangers are summed up, for each network
    /// and reason. 60 by default.
    pub fn with_flood_threshold(mut self, refusals: u32) -> Self {
        self.flood_threshold = Some(refusals);
        self
    }

    /// Writes every refusal by itself, however many there are: whoever floods the server fills
    /// the disk.
    pub fn without_flood_summaries(mut self) -> Self {
        self.flood_threshold = None;
        self
    }

    /// Begins a new chain if the newest file is not as it was written, or one behind the
    /// [expected head](Self::with_expected_head), and leaves that file as it is. Such a log is
    /// held against no head; one that verifies is, all the same. Whoever changed it has then had the server go on as if nothing was. The new chain
    /// begins with a line that names the file, and the folder as a whole does not verify until
    /// what is older is moved elsewhere.
    pub fn dangerously_start_new_chain(mut self) -> Self {
        self.may_start_over = true;
        self
    }

    /// Opens the log: looks at the newest file, cuts off a line that was not written to its end,
    /// begins a new file, and starts the thread that writes. Blocks for as long as it takes to
    /// read that file, and with an expected head those behind it.
    ///
    /// # Errors
    ///
    /// Settings that cannot work; a folder that cannot be used, or is used already; a newest file
    /// that is not as it was written; a log that is not as it was remembered.
    pub fn open(self) -> Result<AuditLog, OpenError> {
        self.check()?;
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| OpenError::Unusable { path, error }
        };
        // A folder that is gone is missed before another one stands in its place.
        if let Some(expected) = self
            .expected
            .filter(|_| matches!(self.folder.try_exists(), Ok(false)))
        {
            return Err(OpenError::NotAsRemembered {
                folder: self.folder,
                expected,
                problem: VerifyError::Empty,
            });
        }
        if make_folder(&self.folder).map_err(unusable(&self.folder))? {
            return Err(OpenError::Settings(ConfigErrors::from(ConfigError::new(
                "AuditLog::builder",
                format!(
                    "others may write to {}, and could change what stands there; take that \
                     right from them (chmod go-w)",
                    self.folder.display()
                ),
            ))));
        }
        ours::user(&self.folder)
            .and_then(|user| ours::check_folder(&self.folder, user))
            .map_err(unusable(&self.folder))?;
        let lock = lock(&self.folder)?;
        let origin = recover(&self.folder, self.expected, self.may_start_over)?;
        if let Some(bad) = &origin.broken {
            tracing::error!(
                target: "portcullis",
                "the audit log does not verify, and a new chain begins: {bad}",
            );
        }
        let folder = self.folder.clone();
        let (shared, orders) = self.divide(&origin);
        let disk = Folder::new(folder.clone());
        let writer =
            Writer::start(Arc::clone(&shared), disk, orders, &origin).map_err(unusable(&folder))?;
        forget(&folder, &origin.torn).map_err(unusable(&folder))?;
        let thread = thread::Builder::new()
            .name("portcullis-audit".to_owned())
            .spawn(move || {
                writer.run();
                // Not before nothing more is written; and said, not only dropped: a process that
                // is being started elsewhere holds a copy for a moment.
                drop(lock.unlock());
            })
            .map_err(unusable(&folder))?;
        Ok(AuditLog::new(shared, thread))
    }

    /// What the requests and the writer share, and what the writer alone is told.
    pub(super) fn divide(self, origin: &Origin) -> (Arc<Shared>, Orders) {
        let head = Head {
            chain: origin.chain,
            link: origin.link,
            at: origin.at,
        };
        let is_strict = self.mode == Mode::Strict;
        let floods = self.flood_threshold.map(Floods::new);
        let shared = Shared::new(self.limits, floods, is_strict, head);
        let orders = Orders {
            clock: self.clock,
            heads: self.heads,
            heartbeat: self.heartbeat,
            max_bytes: self.max_file_size,
            max_age: self.max_file_age,
            mode: self.mode.as_str(),
        };
        (Arc::new(shared), orders)
    }

    fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut complain = |setting: &str, problem: &str| {
            errors.push(ConfigError::new(setting, problem));
        };
        if self.heartbeat.is_zero() || self.heartbeat > MAX_INTERVAL {
            complain(
                "with_heartbeat",
                "is no time, or longer than a year; give an interval such as a minute",
            );
        }
        if self.max_file_age.is_zero() || self.max_file_age > MAX_INTERVAL {
            complain(
                "with_max_file_age",
                "is no time, or longer than a year; give an age such as a day",
            );
        }
        if self.max_file_size < 64 << 10 {
            complain(
                "with_max_file_size",
                "is less than 64 KiB, so nearly every line would begin a file; give more",
            );
        }
        if self.limits.records < 16 {
            complain(
                "with_max_queued",
                "has room for less than 16 records; give more",
            );
        }
        if self.limits.bytes > MAX_QUEUED {
            complain("with_max_queued", "is more than 2 GiB of memory; give less");
        }
        if self.limits.bytes < 64 << 10 {
            complain(
                "with_max_queued",
                "has less than 64 KiB, which a few records can fill; give more",
            );
        }
        errors.into_result(())
    }
}

/// Longer intervals are a slip, and a clock might not reach so far.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3600);

/// Places in the queue are counted in 32 bits.
const MAX_QUEUED: usize = 2 << 30;

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    ours_alone(&mut options);
    let opened = ours::open(&path, &mut options);
    let file = opened.map_err(|error| OpenError::Unusable {
        path: path.clone(),
        error,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(OpenError::Unusable { path, error }),
    }
}

impl fmt::Debug for AuditLogBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLogBuilder")
            .field("folder", &self.folder)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
