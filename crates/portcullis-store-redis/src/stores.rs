//! The stores of one server.

use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use portcullis_core::{StoreError, Timestamp};
use redis::Value;

use tokio::runtime::Handle;

use crate::{
    api_keys::RedisApiKeys,
    bucket::{Answer, Bucket},
    builder::{ConnectError, RedisBuilder},
    link::{Link, Repeat},
    quotas::RedisQuotas,
    replays::RedisReplays,
    revocations::RedisRevocations,
    script::{Script, script},
    sessions::RedisSessions,
    signals::{Bus, RedisSignals},
};

static VISIT: LazyLock<Script> = LazyLock::new(|| script!("visit"));

/// What owners are spread over, so that a cluster can spread them over its servers. Another
/// number would find nothing of what is there.
const BUCKETS: u128 = 256;
/// By so much the clock of an issuer may be ahead, as the layers have it.
const AHEAD: Duration = Duration::from_secs(60);

/// A Redis or Valkey server, and the stores that can be had of it. Clones share one connection.
///
/// See the [module documentation](crate).
#[derive(Clone)]
pub struct Redis(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    /// The latest time that was told, in milliseconds.
    latest: AtomicI64,
    /// The connection since which all buckets have been looked after.
    visited: AtomicU64,
    pub(crate) retention: Duration,
    pub(crate) share: u32,
    sessions: Box<[Bucket]>,
    replays: Box<[Bucket]>,
    pub(crate) revocations: Bucket,
    pub(crate) api_keys: Bucket,
    /// What all budgets begin with.
    pub(crate) quotas: Box<str>,
    /// Whether budgets are paid off by the time of whoever asks, in place of the server's.
    pub(crate) tells_time: bool,
    signals: Arc<Bus>,
}

impl Redis {
    /// Settings for a server by its address: `redis://[user:password@]host[:port][/database]`,
    /// `unix:///path[?db=1&user=..&pass=..]`, or, with the feature `tls`, `rediss://..`.
    pub fn builder(url: impl AsRef<str>) -> RedisBuilder {
        RedisBuilder::new(url.as_ref())
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

    /// A store of quotas that servers share.
    #[must_use]
    pub fn quotas(&self) -> RedisQuotas {
        RedisQuotas(Arc::clone(&self.0))
    }

    /// A bus between all servers that use this one with the same prefix: for `with_signals`.
    #[must_use]
    pub fn signals(&self) -> RedisSignals {
        RedisSignals(Arc::clone(&self.0.signals))
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
    pub(crate) fn new(
        link: Arc<Link>,
        signals: Arc<Bus>,
        prefix: &str,
        retention: Duration,
        share: u32,
        tells_time: bool,
    ) -> Self {
        let bucket = |kind: &str, what, ahead| {
            let tag = format!("{{{prefix}:{kind}}}:");
            Bucket::new(tag, what, ahead)
        };
        let buckets = |kind: &str, what, ahead| {
            let all = 0..BUCKETS;
            let all = all.map(|number| bucket(&format!("{kind}:{number:02x}"), what, ahead));
            all.collect()
        };
        Self {
            link,
            latest: AtomicI64::new(i64::MIN),
            // By the first one, nothing can have been lost.
            visited: AtomicU64::new(1),
            retention,
            share,
            sessions: buckets("s", "sessions", AHEAD),
            replays: buckets("p", "one-time credentials", Duration::ZERO),
            revocations: bucket("r", "revocations", AHEAD),
            api_keys: bucket("k", "api keys", Duration::ZERO),
            quotas: format!("{{{prefix}:q}}:").into(),
            tells_time,
            signals,
        }
    }

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
        self: &Arc<Self>,
        bucket: &Bucket,
        script: &Script,
        question: Question,
    ) -> Result<Answer, StoreError> {
        let answer = bucket.note(self.ask_raw(bucket, script, question).await?)?;
        let number = self.link.number();
        let is_another = self.visited.fetch_max(number, Ordering::AcqRel) < number;
        if answer.tells_of_loss || is_another {
            self.visit_all();
        }
        Ok(answer)
    }

    /// Looks after all buckets that this process has seen, since something was lost in one of
    /// them, or the server may be another one. What is noticed late shuts out more people: all
    /// who have authenticated until then.
    fn visit_all(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let this = Arc::clone(self);
        runtime.spawn(async move {
            let buckets = this.sessions.iter().chain(&this.replays);
            let buckets = buckets.chain([&this.revocations]);
            let visits = buckets
                .filter(|bucket| bucket.is_seen())
                .map(async |bucket| {
                    // Whoever asks there next looks as well.
                    if let Ok(answer) = this.ask_raw(bucket, &VISIT, Question::default()).await {
                        drop(bucket.note(answer));
                    }
                });
            join_all(visits).await;
        });
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
#[derive(Default)]
pub(crate) struct Question {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) repeat: Repeat,
    /// By how much later than now that is which is to be kept.
    pub(crate) ahead: Duration,
}
