//! What both servers share: one Redis, or one database of PostgreSQL.

use std::fmt;

use portcullis::{
    Secret, Stack,
    api_keys::{ApiKeys, KeyRegistry},
    postgres::Postgres,
    redis::Redis,
    session::SessionLayer,
    stack::{Complete, StackBuilder},
};

use crate::{Failure, secrets::Secrets};

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Store {
    Postgres,
    #[default]
    Redis,
}

impl Store {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "postgres" => Self::Postgres,
            "redis" => Self::Redis,
            _ => return None,
        })
    }

    /// As it is written behind `--store`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    pub(crate) const fn example(self) -> &'static str {
        match self {
            Self::Postgres => "postgres://postgres@127.0.0.1/postgres",
            Self::Redis => "redis://127.0.0.1:6379/",
        }
    }

    /// Connects to where it is.
    pub(crate) async fn connect(self, at: &str) -> Result<Shared, Failure> {
        Ok(match self {
            Self::Postgres => Shared::Postgres(Postgres::connect(at).await?),
            Self::Redis => Shared::Redis(Redis::connect(at).await?),
        })
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        })
    }
}

/// It, connected.
pub(crate) enum Shared {
    Postgres(Postgres),
    Redis(Redis),
}

impl Shared {
    /// The API keys in it.
    pub(crate) fn keys(&self, pepper: &Secret) -> KeyRegistry {
        match self {
            Self::Postgres(postgres) => KeyRegistry::new("demo", pepper, postgres.api_keys()),
            Self::Redis(redis) => KeyRegistry::new("demo", pepper, redis.api_keys()),
        }
    }

    /// A stack whose sessions, revocations and callers are in it. What is ended at one of the servers
    /// ends at the other: at once with its signals, otherwise within 15 seconds.
    pub(crate) fn stack(&self, secrets: Secrets) -> StackBuilder<Complete> {
        let keys = ApiKeys::from_registry(self.keys(&secrets.pepper));
        let session = SessionLayer::builder().with_key(secrets.session_key);
        let stack = Stack::builder()
            .add_authenticator(keys)
            .with_revocation_key(secrets.revocation_key);
        match self {
            Self::Postgres(postgres) => stack
                .with_session(session.with_store(postgres.sessions()))
                .with_revocations(postgres.revocations())
                .with_signals(postgres.signals()),
            Self::Redis(redis) => stack
                .with_session(session.with_store(redis.sessions()))
                .with_revocations(redis.revocations())
                .with_signals(redis.signals()),
        }
    }
}
