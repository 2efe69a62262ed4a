//! The settings.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Clock, ConfigError, ConfigErrors, StoreError, SystemClock};
use tokio_postgres::{
    Config,
    config::{Host, TargetSessionAttrs},
};

use crate::{
    link::{Link, Settings},
    schema::Schema,
    signals::Bus,
    stores::{Postgres, Questions, Shared},
    tls::Tls,
};

const DAY: Duration = Duration::from_secs(86_400);
const TIMEOUT: Duration = Duration::from_millis(500);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
const MAX_RETENTION: Duration = Duration::from_secs(3650 * 86_400);
const SHARE: u32 = 1000;
const POOL_SIZE: usize = 16;
const MAX_POOL_SIZE: usize = 1024;
pub(crate) const SCHEMA: &str = "portcullis";

/// The settings of a [`Postgres`].
///
/// Setters keep their mistakes; [`build`](Self::build) and [`connect`](Self::connect) report all
/// of them.
#[must_use]
pub struct PostgresBuilder {
    config: Result<Config, ConfigError>,
    schema: String,
    timeout: Duration,
    retention: Duration,
    share: u32,
    pool_size: usize,
    migrates: bool,
    trusts_failovers: bool,
    #[cfg(feature = "tls")]
    authorities: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
    tells_time: bool,
}

impl PostgresBuilder {
    pub(crate) fn new(url: &str) -> Self {
        let problem = "is no address of a server: write postgres://user@host:port/database, or \
                       postgres:///database?host=/folder/of/the/socket";
        let config = url.parse::<Config>().ok();
        let config = config
            .filter(|config| !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty());
        Self {
            // Whatever is wrong with it, it is not repeated: a password may stand in it.
            config: config.ok_or_else(|| ConfigError::new("builder", problem)),
            schema: SCHEMA.to_owned(),
            timeout: TIMEOUT,
            retention: RETENTION,
            share: SHARE,
            pool_size: POOL_SIZE,
            migrates: true,
            trusts_failovers: false,
            #[cfg(feature = "tls")]
            authorities: None,
            clock: Arc::new(SystemClock::new()),
            tells_time: false,
        }
    }

    /// The schema in which everything is kept: `portcullis`, unless it is said otherwise. Servers
    /// that share their sessions have the same one; nothing else may be in it.
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// How long a question may take, the wait for a connection and one that has to be made first
    /// included: half a second, unless it is said otherwise; at most a minute. After that it is an
    /// error, and the connection is given up.
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

    /// How many connections there are at most: 16, unless it is said otherwise. They are made when
    /// they are needed. All processes together must stay below what the server takes
    /// (`max_connections`).
    pub fn with_pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }

    /// Leaves the schema to you: what [`Postgres::migrations`] says has been run by a role that
    /// may make tables, before a program is started that needs it. Then the role of the program
    /// needs no more than `USAGE` on the schema, and to select, insert, update and delete in its
    /// tables.
    pub fn without_migrations(mut self) -> Self {
        self.migrates = false;
        self
    }

    /// Takes a failover for no loss. Without this everything that was there before one may be
    /// gone, so everybody authenticates again, and API keys wait for
    /// [`accept_loss`](crate::PostgresApiKeys::accept_loss).
    ///
    /// It is right only where no replica is ever promoted that does not have all that was
    /// answered: after an orderly switchover, or with synchronous replication that fails over to
    /// a synchronous replica alone. What such a replica has not received is silently forgotten,
    /// ends of sessions and revocations too.
    pub fn dangerously_trust_failovers(mut self) -> Self {
        self.trusts_failovers = true;
        self
    }

    /// Whose certificates (PEM) a server may have, instead of those that the system trusts.
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

    /// The stores, without a connection. It is made when the first question is asked, and so are
    /// the tables, if they are not there.
    ///
    /// # Errors
    ///
    /// Settings that cannot work.
    pub fn build(self) -> Result<Postgres, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut noted = |result: Result<(), ConfigError>| {
            if let Err(error) = result {
                errors.push(error);
            }
        };
        noted(self.check());
        let schema = Schema::new(&self.schema);
        let schema = schema.map_err(|error| noted(Err(error))).ok();
        let range = |setting, is_in: bool, problem| match is_in {
            true => Ok(()),
            false => Err(ConfigError::new(setting, problem)),
        };
        noted(range(
            "with_timeout",
            !self.timeout.is_zero() && self.timeout <= MAX_TIMEOUT,
            "is not between a millisecond and a minute",
        ));
        noted(range(
            "with_retention",
            (DAY..=MAX_RETENTION).contains(&self.retention),
            "is not between a day and ten years",
        ));
        noted(range(
            "with_replays_per_owner",
            self.share != 0,
            "is 0, so no credential could be taken",
        ));
        noted(range(
            "with_pool_size",
            (1..=MAX_POOL_SIZE).contains(&self.pool_size),
            "is not between 1 and 1024",
        ));
        #[cfg(feature = "tls")]
        let tls = {
            let is_used = self.config.as_ref().is_ok_and(may_use_tls);
            Tls::new(self.authorities.as_deref(), is_used)
        };
        #[cfg(not(feature = "tls"))]
        let tls = Ok(Tls::new());
        let tls = tls.map_err(|error| noted(Err(error))).ok();
        let config = self.config.map(|config| arranged(config, self.timeout));
        let config = config.map_err(|error| noted(Err(error))).ok();
        let (Some(schema), Some(tls), Some(config)) = (schema, tls, config) else {
            return Err(errors);
        };
        if errors.iter().next().is_some() {
            return Err(errors);
        }
        let questions = Questions::new(&schema);
        let (own, tls_too, clock) = (config.clone(), tls.clone(), Arc::clone(&self.clock));
        let signals = Bus::new(own, tls_too, &schema, self.timeout, clock);
        let settings = Settings {
            config,
            tls,
            schema,
            timeout: self.timeout,
            migrates: self.migrates,
            trusts_failovers: self.trusts_failovers,
            clock: self.clock,
        };
        let link = Link::new(settings, self.pool_size).map_err(|error| {
            let mut errors = ConfigErrors::default();
            errors.push(error);
            errors
        })?;
        let (retention, share) = (self.retention, self.share);
        let shared = Shared::new(link, signals, questions, retention, share, self.tells_time);
        Ok(Postgres(Arc::new(shared)))
    }

    /// Connects, and makes the tables, if they are not there.
    ///
    /// # Errors
    ///
    /// Settings that cannot work, a server that cannot be reached, or a schema that this program
    /// does not know.
    pub async fn connect(self) -> Result<Postgres, ConnectError> {
        let postgres = self.build().map_err(ConnectError::Settings)?;
        let connected = postgres.0.link.connect().await;
        connected.map_err(ConnectError::Unreachable)?;
        Ok(postgres)
    }

    /// What needs more than one setting.
    fn check(&self) -> Result<(), ConfigError> {
        #[cfg(not(feature = "tls"))]
        if let Ok(config) = &self.config
            && !matches!(
                config.get_ssl_mode(),
                tokio_postgres::config::SslMode::Disable | tokio_postgres::config::SslMode::Prefer
            )
        {
            return Err(ConfigError::new(
                "builder",
                "asks for TLS by its `sslmode`, which takes the feature `tls`",
            ));
        }
        #[cfg(feature = "tls")]
        if let Ok(config) = &self.config
            && self.authorities.is_some()
            && config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable
        {
            return Err(ConfigError::new(
                "with_authorities",
                "is set, and the address says `sslmode=disable`",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresBuilder {
    /// Without the user and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.config.as_ref().map(address_of);
        f.debug_struct("PostgresBuilder")
            .field("address", &address.unwrap_or_default())
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("retention", &self.retention)
            .field("replays_per_owner", &self.share)
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Settings that cannot work.
    Settings(ConfigErrors),
    /// The server cannot be reached, does not let us in, or keeps what this program does not know.
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

/// With what the address leaves open.
fn arranged(mut config: Config, timeout: Duration) -> Config {
    if config.get_application_name().is_none() {
        config.application_name("portcullis");
    }
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    if hosts > 1 {
        // Of several servers, the one that takes something; and one that is silent must not take
        // the time of the others.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_connect_timeout().is_none() {
            let share = timeout / u32::try_from(hosts).unwrap_or(u32::MAX);
            config.connect_timeout(share);
        }
    }
    config
}

/// Not at a Unix socket.
#[cfg(feature = "tls")]
fn may_use_tls(config: &Config) -> bool {
    let is_remote = |host: &Host| matches!(host, Host::Tcp(_));
    config.get_ssl_mode() != tokio_postgres::config::SslMode::Disable
        && (config.get_hosts().iter().any(is_remote) || !config.get_hostaddrs().is_empty())
}

/// Where a server is, without the user and the password.
pub(crate) fn address_of(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |n: usize| ports.get(n).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(n, host)| {
        let name = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        format!("{name}:{}", port(n))
    });
    let addresses = config.get_hostaddrs().iter().enumerate();
    let addresses = addresses.map(|(n, address)| format!("{address}:{}", port(n)));
    let all: Vec<_> = hosts.chain(addresses).collect();
    all.join(",")
}
