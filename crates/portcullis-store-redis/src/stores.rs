//! The stores, and their settings.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{Clock, ConfigError, ConfigErrors, StoreError, SystemClock, Timestamp};
use redis::{Client, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, Value};

use crate::{
    api_keys::RedisApiKeys,
    bucket::{Answer, Bucket},
    link::{Link, Repeat},
    replays::RedisReplays,
    revocations::RedisRevocations,
    script::Script,
    sessions::RedisSessions,
};

const DAY: Duration = Duration::from_secs(86_400);
const TIMEOUT: Duration = Duration::from_millis(500);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
const MAX_RETENTION: Duration = Duration::from_secs(3650 * 86_400);
const SHARE: u32 = 1000;
/// What owners are spread over, so that a cluster can spread them over its servers. Another
/// number would find nothing of what is there.
const BUCKETS: u128 = 256;
/// By so much the clock of an issuer may be ahead, as the layers have it.
const AHEAD: Duration = Duration::from_secs(60);

/// A Redis or Valkey server, and the stores that can be had of it. Clones share one connection.
///
/// See the [module documentation](crate).
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

pub(crate) struct Shared {
    link: Arc<Link>,
    /// The latest time that was told, in milliseconds.
    latest: AtomicI64,
    pub(crate) retention: Duration,
    pub(crate) share: u32,
    sessions: Box<[Bucket]>,
    replays: Box<[Bucket]>,
    pub(crate) revocations: Bucket,
    pub(crate) api_keys: Bucket,
}

impl Redis {
    /// Settings for a server by its address: `redis://[user:password@]host[:port][/database]`,
    /// `unix:///path[?db=1&user=..&pass=..]`, or, with the feature `tls`, `rediss://..`.
    pub fn builder(url: impl AsRef<str>) -> RedisBuilder {
        let problem = "is no address of a server: write redis://host:port/, or unix:///path";
        let info = url.as_ref().into_connection_info();
        RedisBuilder {
            // Whatever is wrong with it, it is not repeated: a password may stand in it.
            info: info.map_err(|_| ConfigError::new("builder", problem)),
            prefix: "portcullis".to_owned(),
            timeout: TIMEOUT,
            retention: RETENTION,
            share: SHARE,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Connects to a server with the default settings.
    ///
    /// # Errors
    ///
    /// The address is none, or the server cannot be reached.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, ConnectError> {
        Self::builder(url).connect().await
    }

    /// A store of sessions.
    #[must_use]
    pub fn sessions(&self) -> RedisSessions {
        RedisSessions(Arc::clone(&self.0))
    }

    /// A store of revocations.
    #[must_use]
    pub fn revocations(&self) -> RedisRevocations {
        RedisRevocations(Arc::clone(&self.0))
    }

    /// A store of one-time credentials that were used.
    #[must_use]
    pub fn replays(&self) -> RedisReplays {
        RedisReplays(Arc::clone(&self.0))
    }

    /// A store of API keys.
    #[must_use]
    pub fn api_keys(&self) -> RedisApiKeys {
        RedisApiKeys(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.0.link).finish()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        self.link.clock().now()
    }

    /// The time, which does not go back when the clock does.
    pub(crate) fn latest_now(&self) -> Timestamp {
        let now = self.now().unix_millis();
        let before = self.latest.fetch_max(now, Ordering::AcqRel);
        Timestamp::from_unix_millis(before.max(now))
    }

    pub(crate) fn sessions_of(&self, owner: u128) -> Result<&Bucket, StoreError> {
        bucket_of(&self.sessions, owner)
    }

    pub(crate) fn replays_of(&self, owner: u128) -> Result<&Bucket, StoreError> {
        bucket_of(&self.replays, owner)
    }

    /// Has a script run in a bucket, and takes note of what it says of it.
    pub(crate) async fn ask(
        &self,
        bucket: &Bucket,
        script: &Script,
        question: Question,
    ) -> Result<Answer, StoreError> {
        bucket.note(self.ask_raw(bucket, script, question).await?)
    }

    pub(crate) async fn ask_raw(
        &self,
        bucket: &Bucket,
        script: &Script,
        question: Question,
    ) -> Result<Value, StoreError> {
        let mut keys = vec![bucket.marker()];
        keys.extend(question.keys);
        let mut args = bucket.args(self.now(), question.ahead)?;
        args.extend(question.args);
        self.link.run(script, &keys, &args, question.repeat).await
    }
}

fn bucket_of(buckets: &[Bucket], owner: u128) -> Result<&Bucket, StoreError> {
    // Owners are hashes; both halves count, where somebody has shorter ones.
    let number = (owner ^ (owner >> 64)) % BUCKETS;
    let number = usize::try_from(number).unwrap_or_default();
    let bucket = buckets.get(number);
    bucket.ok_or_else(|| StoreError::new("has no buckets"))
}

/// What a script is asked, behind the marker.
pub(crate) struct Question {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) repeat: Repeat,
    /// By how much later than now that is which is to be kept.
    pub(crate) ahead: Duration,
}

/// The settings of a [`Redis`].
///
/// Setters keep their mistakes; [`build`](Self::build) and [`connect`](Self::connect) report all
/// of them.
#[must_use]
pub struct RedisBuilder {
    info: Result<ConnectionInfo, ConfigError>,
    prefix: String,
    timeout: Duration,
    retention: Duration,
    share: u32,
    clock: Arc<dyn Clock>,
}

impl RedisBuilder {
    /// What all keys begin with: `portcullis`, unless it is said otherwise. Servers that share
    /// their sessions have the same one; whoever else uses the database has another.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a question may take, a connection that has to be made first included: half a
    /// second, unless it is said otherwise; at most a minute. After that it is an error, and
    /// the next question is asked on another connection.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long the sessions of an owner are kept after the last of them is over: 30 days,
    /// unless it is said otherwise; at least a day. Who has not authenticated for so long
    /// cannot open a session any more without doing so: one may have been his that is over.
    ///
    /// The sessions of an owner of whom a standing credential was ended are kept for ever.
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// How many one-time credentials of one owner are remembered: 1000, unless it is said
    /// otherwise. An owner who has more of them at a time is refused.
    pub fn with_replays_per_owner(mut self, share: u32) -> Self {
        self.share = share;
        self
    }

    /// The clock, for tests.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The stores, without a connection. It is made when the first question is asked.
    ///
    /// # Errors
    ///
    /// Settings that cannot work.
    pub fn build(self) -> Result<Redis, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.bytes().all(is_plain) {
            errors.push(ConfigError::new(
                "with_prefix",
                "is not 1 to 64 letters, digits or any of `._:-`",
            ));
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            errors.push(ConfigError::new(
                "with_timeout",
                "is not between a millisecond and a minute",
            ));
        }
        if !(DAY..=MAX_RETENTION).contains(&self.retention) {
            errors.push(ConfigError::new(
                "with_retention",
                "is not between a day and ten years",
            ));
        }
        if self.share == 0 {
            errors.push(ConfigError::new(
                "with_replays_per_owner",
                "is 0, so no credential could be taken",
            ));
        }
        let client = self.info.and_then(open);
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                errors.push(error);
                return Err(errors);
            }
        };
        let prefix = &self.prefix;
        let bucket =
            |kind: &str, what, ahead| Bucket::new(format!("{{{prefix}:{kind}}}:"), what, ahead);
        let buckets = |kind: &str, what, ahead| {
            let all =
                (0..BUCKETS).map(|number| bucket(&format!("{kind}:{number:02x}"), what, ahead));
            all.collect()
        };
        let shared = Shared {
            link: Link::new(client, self.timeout, self.clock),
            latest: AtomicI64::new(i64::MIN),
            retention: self.retention,
            share: self.share,
            sessions: buckets("s", "sessions", AHEAD),
            replays: buckets("p", "one-time credentials", Duration::ZERO),
            revocations: bucket("r", "revocations", AHEAD),
            api_keys: bucket("k", "api keys", Duration::ZERO),
        };
        errors.into_result(Redis(Arc::new(shared)))
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// Settings that cannot work, or a server that cannot be reached.
    pub async fn connect(self) -> Result<Redis, ConnectError> {
        let redis = self.build().map_err(ConnectError::Settings)?;
        let connected = redis.0.link.connect().await;
        connected.map_err(ConnectError::Unreachable)?;
        Ok(redis)
    }
}

impl fmt::Debug for RedisBuilder {
    /// Without the user and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.info.as_ref().map(|info| info.addr().to_string());
        f.debug_struct("RedisBuilder")
            .field("address", &address.unwrap_or_default())
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("retention", &self.retention)
            .field("replays_per_owner", &self.share)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Settings that cannot work.
    Settings(ConfigErrors),
    /// The server cannot be reached, or does not let us in.
    Unreachable(StoreError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(errors) => errors.fmt(f),
            Self::Unreachable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {}

fn open(info: ConnectionInfo) -> Result<Client, ConfigError> {
    // What the server sends unasked says at once that a connection is lost.
    let settings = info.redis_settings().clone();
    let info = info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3));
    Client::open(info).map_err(|_| ConfigError::new("builder", "is no address of a server"))
}
