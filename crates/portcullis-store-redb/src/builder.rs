//! The settings.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use portcullis_core::{Clock, ConfigError, ConfigErrors, StoreError, SystemClock};

use crate::stores::Redb;

const DAY: Duration = Duration::from_secs(86_400);
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
const MAX_RETENTION: Duration = Duration::from_secs(3650 * 86_400);

/// The settings of a [`Redb`].
///
/// Setters keep their mistakes; [`open`](Self::open) reports all of them.
#[derive(Clone)]
#[must_use]
pub struct RedbBuilder {
    path: PathBuf,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

/// How much is kept, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) retention: Duration,
    pub(crate) sessions: u32,
    pub(crate) sessions_per_owner: u32,
    pub(crate) revocations: u32,
    pub(crate) replays: u32,
    pub(crate) replays_per_owner: u32,
    pub(crate) api_keys: u32,
}

impl RedbBuilder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            limits: Limits {
                retention: RETENTION,
                sessions: 1_000_000,
                sessions_per_owner: 1000,
                revocations: 1_000_000,
                replays: 1_000_000,
                replays_per_owner: 1000,
                api_keys: 100_000,
            },
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// How long the sessions of an owner are kept after the last of them is over: 30 days,
    /// unless it is said otherwise; at least a day. Who has not authenticated for so long
    /// cannot open a session any more without doing so: one may have been his that is over.
    ///
    /// The sessions of an owner of whom a standing credential was ended are kept for ever.
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.limits.retention = retention;
        self
    }

    /// How many sessions are kept, those that are over included: a million, unless it is said
    /// otherwise, with up to half a kilobyte each and what handlers keep in them. Where there are
    /// so many, nobody opens another.
    pub fn with_max_sessions(mut self, max: u32) -> Self {
        self.limits.sessions = max;
        self
    }

    /// How many sessions of one owner are kept, those that are over included: 1000, unless it is
    /// said otherwise. There is one that is over for each client of an owner, until it has been for
    /// the [retention](Self::with_retention); an owner with more of them opens no further session.
    pub fn with_sessions_per_owner(mut self, max: u32) -> Self {
        self.limits.sessions_per_owner = max;
        self
    }

    /// How many revocations are kept: a million, unless it is said otherwise. They are in memory
    /// as well, with up to a hundred bytes each. Where there are so many, another one is an error:
    /// whoever revokes on behalf of strangers has to bound what each of them can cause.
    pub fn with_max_revocations(mut self, max: u32) -> Self {
        self.limits.revocations = max;
        self
    }

    /// How many one-time credentials are remembered: a million, unless it is said otherwise. Where
    /// there are so many, none is taken until some have ended.
    pub fn with_max_replays(mut self, max: u32) -> Self {
        self.limits.replays = max;
        self
    }

    /// How many one-time credentials of one owner are remembered: 1000, unless it is said
    /// otherwise. An owner who has more of them at a time is refused.
    pub fn with_replays_per_owner(mut self, share: u32) -> Self {
        self.limits.replays_per_owner = share;
        self
    }

    /// How many API keys are kept, those that are revoked or over included: 100 000, unless it is
    /// said otherwise. They are in memory as well.
    pub fn with_max_api_keys(mut self, max: u32) -> Self {
        self.limits.api_keys = max;
        self
    }

    /// The clock by which a file that fails is tried again, for tests. What is kept is told the time by
    /// the layers.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the file, or makes it where there is none; its folder has to be there. It waits for the
    /// disk, for as long as it takes to read the whole file.
    ///
    /// # Errors
    ///
    /// Settings that cannot work, or a file that cannot be used.
    pub fn open(self) -> Result<Redb, OpenError> {
        self.limits.check().map_err(OpenError::Settings)?;
        Redb::open_with(self.path, self.limits, self.clock)
    }
}

impl fmt::Debug for RedbBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbBuilder")
            .field("path", &self.path)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Limits {
    fn check(&self) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if !(DAY..=MAX_RETENTION).contains(&self.retention) {
            errors.push(ConfigError::new(
                "with_retention",
                "is not between a day and ten years",
            ));
        }
        for (setting, max) in [
            ("with_max_sessions", self.sessions),
            ("with_sessions_per_owner", self.sessions_per_owner),
            ("with_max_revocations", self.revocations),
            ("with_max_replays", self.replays),
            ("with_replays_per_owner", self.replays_per_owner),
            ("with_max_api_keys", self.api_keys),
        ] {
            if max == 0 {
                errors.push(ConfigError::new(setting, "is 0, so there is room for none"));
            }
        }
        errors.into_result(())
    }
}

/// Why there is no store. What is said of a file begins with its path.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is damaged, incomplete, or no file of this crate.
    Damaged(StoreError),
    /// The file is open elsewhere, in another process or in this one.
    InUse(StoreError),
    /// A later version of this crate has written the file.
    Newer(StoreError),
    /// Settings that cannot work.
    Settings(ConfigErrors),
    /// The file cannot be made, read or written.
    Unreadable(StoreError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(errors) => errors.fmt(f),
            Self::Damaged(error)
            | Self::InUse(error)
            | Self::Newer(error)
            | Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}
