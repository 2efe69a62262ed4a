//! The stores of one database.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{ConfigError, StoreError, Timestamp};
use tokio_postgres::{Row, types::FromSql};

use crate::{
    api_keys::PostgresApiKeys,
    builder::{ConnectError, PostgresBuilder, SCHEMA},
    link::{Link, Param, Repeat},
    problem::strange,
    quotas::PostgresQuotas,
    replays::PostgresReplays,
    revocations::PostgresRevocations,
    schema::Schema,
    sessions::PostgresSessions,
    signals::{Bus, PostgresSignals},
};

/// A database in PostgreSQL, and the stores that can be had of it. Clones share the connections.
///
/// See the [module documentation](crate).
#[derive(Clone)]
pub struct Postgres(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) link: Link,
    /// The latest time that was told, in milliseconds.
    latest: AtomicI64,
    pub(crate) retention: Duration,
    pub(crate) share: u32,
    /// Whether budgets are paid off by the time of whoever asks, in place of the server's.
    pub(crate) tells_time: bool,
    pub(crate) questions: Questions,
    signals: Arc<Bus>,
}

impl Postgres {
    /// Settings for a database by its address: `postgres://[user[:password]@]host[:port]/database`,
    /// or `postgres:///database?host=/folder/of/the/socket`; with `?sslmode=require`, and the
    /// feature `tls`, over TLS.
    pub fn builder(url: impl AsRef<str>) -> PostgresBuilder {
        PostgresBuilder::new(url.as_ref())
    }

    /// Connects to a database with the default settings.
    ///
    /// # Errors
    ///
    /// The address is none, the server cannot be reached, or its schema is one that this program
    /// does not know.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, ConnectError> {
        Self::builder(url).connect().await
    }

    /// What makes the default schema, as a script for `psql` that can be run again at any time:
    /// for [`without_migrations`](PostgresBuilder::without_migrations).
    ///
    /// # Errors
    ///
    /// None, for the default schema.
    pub fn migrations() -> Result<String, ConfigError> {
        Self::migrations_of(SCHEMA)
    }

    /// The same for a schema of another name.
    ///
    /// # Errors
    ///
    /// The name is none.
    pub fn migrations_of(schema: &str) -> Result<String, ConfigError> {
        Ok(Schema::new(schema)?.migrations())
    }

    /// A store of sessions.
    #[must_use]
    pub fn sessions(&self) -> PostgresSessions {
        PostgresSessions(Arc::clone(&self.0))
    }

    /// A store of revocations.
    #[must_use]
    pub fn revocations(&self) -> PostgresRevocations {
        PostgresRevocations(Arc::clone(&self.0))
    }

    /// A store of one-time credentials that were used.
    #[must_use]
    pub fn replays(&self) -> PostgresReplays {
        PostgresReplays(Arc::clone(&self.0))
    }

    /// A store of API keys.
    #[must_use]
    pub fn api_keys(&self) -> PostgresApiKeys {
        PostgresApiKeys(Arc::clone(&self.0))
    }

    /// A store of quotas that servers share.
    #[must_use]
    pub fn quotas(&self) -> PostgresQuotas {
        PostgresQuotas(Arc::clone(&self.0))
    }

    /// A bus between all servers that use this schema: for `with_signals`.
    #[must_use]
    pub fn signals(&self) -> PostgresSignals {
        PostgresSignals(Arc::clone(&self.0.signals))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.0.link).finish()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}

impl Shared {
    pub(crate) fn new(
        link: Link,
        signals: Arc<Bus>,
        questions: Questions,
        retention: Duration,
        share: u32,
        tells_time: bool,
    ) -> Self {
        Self {
            link,
            latest: AtomicI64::new(i64::MIN),
            retention,
            share,
            tells_time,
            questions,
            signals,
        }
    }

    /// The time, which does not go back when the clock does.
    pub(crate) fn latest_now(&self) -> Timestamp {
        let now = self.link.now().unix_millis();
        let before = self.latest.fetch_max(now, Ordering::AcqRel);
        Timestamp::from_unix_millis(before.max(now))
    }

    pub(crate) async fn ask(
        &self,
        question: &str,
        params: &[Param<'_>],
        repeat: Repeat,
    ) -> Result<Vec<Row>, StoreError> {
        let asked = self.link.ask(None, question, params, repeat, || Ok(()));
        asked.await
    }

    /// The same, of one that locks the row of an owner, and is asked once.
    pub(crate) async fn ask_in_turn(
        &self,
        owner: u128,
        question: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let (owner, repeat) = (Some(owner), Repeat::Never);
        let asked = self.link.ask(owner, question, params, repeat, || Ok(()));
        asked.await
    }

    /// The same, of API keys: an error for as long as they may be gone.
    pub(crate) async fn ask_of_keys(
        &self,
        question: &str,
        params: &[Param<'_>],
        repeat: Repeat,
    ) -> Result<Vec<Row>, StoreError> {
        let life = self.link.life();
        life.check_keys()?;
        let asked = self
            .link
            .ask(None, question, params, repeat, || life.check_keys());
        asked.await
    }
}

/// What is asked, with the name of the schema in it. One function each, so one way there and back.
pub(crate) struct Questions {
    pub(crate) session_load: String,
    pub(crate) session_commit: String,
    pub(crate) session_touch: String,
    pub(crate) revocation_look: String,
    pub(crate) revocation_revoke: String,
    pub(crate) replay_take: String,
    pub(crate) api_key_load: String,
    pub(crate) api_key_list: String,
    pub(crate) api_key_put: String,
    pub(crate) api_key_remove: String,
    pub(crate) api_key_touch: String,
    pub(crate) quota_charge: String,
}

impl Questions {
    pub(crate) fn new(schema: &Schema) -> Self {
        let question = |function: &str, arguments: usize| {
            let places: Vec<_> = (1..=arguments).map(|n| format!("${n}")).collect();
            let schema = schema.quoted();
            format!("SELECT * FROM {schema}.{function}({})", places.join(", "))
        };
        Self {
            session_load: question("session_load", 3),
            session_commit: question("session_commit", 13),
            session_touch: question("session_touch", 5),
            revocation_look: question("revocation_look", 2),
            revocation_revoke: question("revocation_revoke", 5),
            replay_take: question("replay_take", 8),
            api_key_load: question("api_key_load", 2),
            api_key_list: question("api_key_list", 4),
            api_key_put: question("api_key_put", 7),
            api_key_remove: question("api_key_remove", 3),
            api_key_touch: question("api_key_touch", 3),
            quota_charge: question("quota_charge", 6),
        }
    }
}

/// One value of an answer, by its name.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, StoreError> {
    row.try_get(name).map_err(|_| strange())
}

/// The row that every answer has.
pub(crate) fn first(rows: &[Row]) -> Result<&Row, StoreError> {
    rows.first().ok_or_else(strange)
}

pub(crate) fn time_of(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}
