//! The settings.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Clock, ConfigError, ConfigErrors, StoreError, SystemClock};
use redis::{Client, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};

use crate::{
    link::Link,
    signals::Bus,
    stores::{Redis, Shared},
};

const DAY: Duration = Duration::from_secs(86_400);
const TIMEOUT: Duration = Duration::from_millis(500);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
const MAX_RETENTION: Duration = Duration::from_secs(3650 * 86_400);
const SHARE: u32 = 1000;

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
    #[cfg(feature = "tls")]
    authorities: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
    tells_time: bool,
}

impl RedisBuilder {
    pub(crate) fn new(url: &str) -> Self {
        let problem = "is no address of a server: write redis://host:port/, or unix:///path; \
                       rediss: takes the feature `tls`";
        let info = url.into_connection_info();
        Self {
            // Whatever is wrong with it, it is not repeated: a password may stand in it.
            info: info.map_err(|_| ConfigError::new("builder", problem)),
            prefix: "portcullis".to_owned(),
            timeout: TIMEOUT,
            retention: RETENTION,
            share: SHARE,
            #[cfg(feature = "tls")]
            authorities: None,
            clock: Arc::new(SystemClock::new()),
            tells_time: false,
        }
    }

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
    ///
    /// All servers have the same. Raise it only when no credential is in use any more that is older
    /// than the shorter one was long: what that has had forgotten is not known to be.
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

    /// Whose certificates (PEM) a server at a `rediss:` address may have, instead of those that
    /// the system trusts.
    #[cfg(feature = "tls")]
    pub fn with_authorities(mut self, authorities: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(authorities.into());
        self
    }

    /// The clock, for tests. Quotas are then paid off by the time of the layer that asks, in place of
    /// that of the server, so that all that a test moves is its own clock.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self.tells_time = true;
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
        #[cfg(feature = "tls")]
        let client = self.info.and_then(|info| open(info, self.authorities));
        #[cfg(not(feature = "tls"))]
        let client = self.info.and_then(open);
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                errors.push(error);
                return Err(errors);
            }
        };
        let clock = Arc::clone(&self.clock);
        let signals = Bus::new(client.clone(), &self.prefix, self.timeout, clock);
        let link = Link::new(client, self.timeout, self.clock);
        let shared = Shared::new(
            link,
            signals,
            &self.prefix,
            self.retention,
            self.share,
            self.tells_time,
        );
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

// What the server sends unasked, as RESP3 lets it, says at once that a connection is lost.
fn with_pushes(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone();
    info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3))
}

#[cfg(not(feature = "tls"))]
fn open(info: ConnectionInfo) -> Result<Client, ConfigError> {
    Client::open(with_pushes(info)).map_err(|_| ConfigError::new("builder", "cannot be used"))
}

#[cfg(feature = "tls")]
fn open(info: ConnectionInfo, authorities: Option<Vec<u8>>) -> Result<Client, ConfigError> {
    let info = with_pushes(info);
    if !matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
        let problem = "is set, and the address does not begin with rediss:";
        return match authorities {
            Some(_) => Err(ConfigError::new("with_authorities", problem)),
            None => Client::open(info).map_err(|_| ConfigError::new("builder", "cannot be used")),
        };
    }
    // The client takes what the process has chosen, and panics where nobody has and two could be.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may be faster, who has chosen then.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: authorities,
    };
    Client::build_with_tls(info, certificates)
        .map_err(|_| ConfigError::new("with_authorities", "are no certificates in PEM"))
}
