//! Where sessions and revocations are kept, if they are to outlast the process.

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use portcullis::{
    Secret, entropy,
    postgres::Postgres,
    redb::Redb,
    redis::Redis,
    session::SessionBuilder,
    stack::{Complete, StackBuilder},
};

/// What was said of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) store: Store,
    /// A file, or the address of a server; each store has its usual one.
    pub(crate) at: Option<String>,
    /// Where the keys are under which things are found again.
    pub(crate) keys: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Store {
    #[default]
    Memory,
    Postgres,
    Redb,
    Redis,
}

impl Store {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "memory" => Self::Memory,
            "postgres" => Self::Postgres,
            "redb" => Self::Redb,
            "redis" => Self::Redis,
            _ => return None,
        })
    }

    const fn usual_place(self) -> &'static str {
        match self {
            Self::Memory => "",
            Self::Postgres => "postgres://postgres@127.0.0.1/postgres",
            Self::Redb => "agent-server.redb",
            Self::Redis => "redis://127.0.0.1:6379/",
        }
    }
}

/// Has the gate keep things there.
pub(crate) async fn keep(
    stack: StackBuilder<Complete>,
    session: SessionBuilder,
    kept: &Kept,
) -> Result<StackBuilder<Complete>, Box<dyn Error>> {
    if kept.store == Store::Memory {
        return Ok(stack.with_session(session));
    }
    let path = kept
        .keys
        .as_deref()
        .unwrap_or(Path::new("agent-server.keys"));
    let (session_key, revocation_key) = keys(path)?;
    let session = session.with_key(session_key);
    let stack = stack.with_revocation_key(revocation_key);
    let at = kept.at.as_deref().unwrap_or(kept.store.usual_place());
    Ok(match kept.store {
        Store::Memory => stack.with_session(session),
        Store::Redb => {
            let file = Redb::open(at)?;
            stack
                .with_session(session.with_store(file.sessions()))
                .with_revocations(file.revocations())
        }
        Store::Redis => {
            let redis = Redis::connect(at).await?;
            stack
                .with_session(session.with_store(redis.sessions()))
                .with_revocations(redis.revocations())
                .with_signals(redis.signals())
        }
        Store::Postgres => {
            let postgres = Postgres::connect(at).await?;
            stack
                .with_session(session.with_store(postgres.sessions()))
                .with_revocations(postgres.revocations())
                .with_signals(postgres.signals())
        }
    })
}

/// Two keys of a file, which is made with new ones if there is none. In earnest they are where the
/// other secrets of your servers are.
fn keys(path: &Path) -> Result<(Secret, Secret), Box<dyn Error>> {
    let written = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let drawn = entropy::bytes::<32>()?;
            private().open(path)?.write_all(&drawn)?;
            drawn.to_vec()
        }
        read => read?,
    };
    let both = <[u8; 32]>::try_from(written);
    let both = both.map_err(|_| format!("{} does not hold 32 bytes", path.display()))?;
    let (session, revocation) = both.split_at(16);
    Ok((Secret::new(session), Secret::new(revocation)))
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}
