//! The one connection that all stores share, and the next one when it is lost.

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either, Shared, select},
};
use portcullis_core::{Clock, Heard, SignalListeners, StoreError};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind,
    Value,
    aio::{MultiplexedConnection, SendError},
};
use tokio::runtime::Handle;

use crate::{problem::describe, script::Script, signals::read};

/// How long it may take to connect, by the system's clock. It goes on while those who asked for
/// it have long been told that it takes too long.
const CONNECT: Duration = Duration::from_secs(5);
/// How many questions may wait to be written.
const QUEUE: usize = 1024;
/// The number of no connection.
const NONE: u64 = 0;

type Attempt = Shared<BoxFuture<'static, Result<MultiplexedConnection, RedisError>>>;

/// A connection that is made when it is needed, and made anew once it is lost or has kept
/// somebody waiting for too long.
///
/// A `ConnectionManager` of `redis` would not do: it keeps a connection that has gone silent,
/// waits for a new one without an end, and is stuck for good once a server has refused one by
/// anything else than an error of the network.
pub(crate) struct Link {
    client: Client,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    ear: Option<Ear>,
    state: Mutex<State>,
}

/// What a connection is to listen to.
#[derive(Clone)]
pub(crate) struct Ear {
    pub(crate) channel: String,
    pub(crate) listeners: SignalListeners,
}

#[derive(Default)]
struct State {
    /// How many attempts there were.
    number: u64,
    /// The connection, or the attempt to make it.
    attempt: Option<Attempt>,
    /// Where connections are driven. The first one that asks may be gone before the others.
    runtime: Option<Handle>,
}

/// Why a question has no answer.
enum Failure {
    /// The connection was lost by it, or is of no use any more.
    Lost(StoreError),
    /// The server has answered with an error, or cannot be reached.
    Said(StoreError),
}

impl Failure {
    fn into_error(self) -> StoreError {
        match self {
            Self::Lost(error) | Self::Said(error) => error,
        }
    }
}

/// Whether a question may be asked once more if its answer got lost with the connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Repeat {
    #[default]
    Never,
    Once,
}

impl Link {
    pub(crate) fn new(client: Client, timeout: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::make(client, timeout, clock, None)
    }

    /// One that listens as well. Each time that it has a connection, listeners are told of a gap.
    pub(crate) fn with_ear(
        client: Client,
        timeout: Duration,
        clock: Arc<dyn Clock>,
        ear: Ear,
    ) -> Arc<Self> {
        Self::make(client, timeout, clock, Some(ear))
    }

    fn make(
        client: Client,
        timeout: Duration,
        clock: Arc<dyn Clock>,
        ear: Option<Ear>,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            timeout,
            clock,
            ear,
            state: Mutex::default(),
        })
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The number of the connection, or of the attempt to make it.
    pub(crate) fn number(&self) -> u64 {
        self.state().number
    }

    /// Connects, if there is no connection.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<(), StoreError> {
        let used = AtomicU64::new(NONE);
        let connected = async {
            let (number, attempt) = self.attempt()?;
            attempt.await.map_err(|error| self.lost(number, &error))?;
            Ok(())
        };
        self.in_time(&used, connected).await
    }

    /// Has a script run. What is dropped before the answer comes has run, or it has not.
    pub(crate) async fn run(
        self: &Arc<Self>,
        script: &Script,
        keys: &[Vec<u8>],
        args: &[Vec<u8>],
        repeat: Repeat,
    ) -> Result<Value, StoreError> {
        let used = AtomicU64::new(NONE);
        let answered = async {
            let first = self.run_once(script, keys, args, &used).await;
            match first {
                Err(Failure::Lost(_)) if repeat == Repeat::Once => {
                    self.run_once(script, keys, args, &used).await
                }
                first => first,
            }
            .map_err(Failure::into_error)
        };
        self.in_time(&used, answered).await
    }

    /// Has a command carried out, once more where its answer got lost with the connection.
    pub(crate) async fn command(self: &Arc<Self>, command: &Cmd) -> Result<Value, StoreError> {
        let used = AtomicU64::new(NONE);
        let answered = async {
            match self.command_once(command, &used).await {
                Err(Failure::Lost(_)) => self.command_once(command, &used).await,
                first => first,
            }
            .map_err(Failure::into_error)
        };
        self.in_time(&used, answered).await
    }

    async fn command_once(
        self: &Arc<Self>,
        command: &Cmd,
        used: &AtomicU64,
    ) -> Result<Value, Failure> {
        let (number, mut connection) = self.connection(used).await?;
        let answer = command.query_async(&mut connection).await;
        answer.map_err(|error| self.failure(number, &error))
    }

    /// The connection, once there is one, and its number.
    async fn connection(
        self: &Arc<Self>,
        used: &AtomicU64,
    ) -> Result<(u64, MultiplexedConnection), Failure> {
        let (number, attempt) = self.attempt().map_err(Failure::Said)?;
        let connected = attempt.await;
        let connection = connected.map_err(|error| Failure::Said(self.lost(number, &error)))?;
        used.store(number, Ordering::Relaxed);
        Ok((number, connection))
    }

    fn failure(&self, number: u64, error: &RedisError) -> Failure {
        // A primary that has become a replica stays one, and the address leads to another.
        let is_replica = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if error.is_unrecoverable_error() || error.is_io_error() || is_replica {
            Failure::Lost(self.lost(number, error))
        } else {
            Failure::Said(describe(error))
        }
    }

    async fn run_once(
        self: &Arc<Self>,
        script: &Script,
        keys: &[Vec<u8>],
        args: &[Vec<u8>],
        used: &AtomicU64,
    ) -> Result<Value, Failure> {
        let (number, mut connection) = self.connection(used).await?;
        let asked = script.by_digest(keys, args);
        let answer: Result<Value, RedisError> = asked.query_async(&mut connection).await;
        let answer = match answer {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let asked = script.by_text(keys, args);
                asked.query_async(&mut connection).await
            }
            answer => answer,
        };
        answer.map_err(|error| self.failure(number, &error))
    }

    /// Gives up in time. A connection that has kept somebody waiting for so long may be one
    /// that nobody is at the other end of, so the next one asks on another.
    async fn in_time<T>(
        &self,
        used: &AtomicU64,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = self.clock.sleep_until(self.clock.instant() + self.timeout);
        match select(pin!(work), late).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                self.forget(used.load(Ordering::Relaxed));
                let timeout = self.timeout;
                Err(StoreError::new(format!(
                    "redis did not answer within {timeout:?}"
                )))
            }
        }
    }

    /// The connection, or the attempt to make it; and its number.
    fn attempt(self: &Arc<Self>) -> Result<(u64, Attempt), StoreError> {
        let mut state = self.state();
        if let Some(attempt) = &state.attempt {
            return Ok((state.number, attempt.clone()));
        }
        let runtime = match &state.runtime {
            Some(runtime) => runtime.clone(),
            None => Handle::try_current()
                .map_err(|_| StoreError::new("redis is asked outside of a tokio runtime"))?,
        };
        state.number += 1;
        let number = state.number;
        let client = self.client.clone();
        let connecting = connect(Arc::downgrade(self), number, client, self.ear.clone());
        // It goes on if nobody waits for it any more, and the next one has it.
        let connecting = runtime.spawn(connecting);
        let attempt = async move {
            connecting.await.unwrap_or_else(|_| {
                Err(RedisError::from((
                    ErrorKind::Io,
                    "the runtime that drove the connection is gone",
                )))
            })
        };
        let attempt = attempt.boxed().shared();
        state.attempt = Some(attempt.clone());
        state.runtime = Some(runtime);
        Ok((number, attempt))
    }

    fn lost(&self, number: u64, error: &RedisError) -> StoreError {
        self.forget(number);
        describe(error)
    }

    /// Has the next question asked on another connection than this one.
    fn forget(&self, number: u64) {
        let mut state = self.state();
        if state.number == number {
            state.attempt = None;
            state.runtime = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What the lock protects is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    /// Without the user and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.client.get_connection_info().addr().to_string();
        f.debug_struct("Link")
            .field("address", &address)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

async fn connect(
    link: Weak<Link>,
    number: u64,
    client: Client,
    ear: Option<Ear>,
) -> Result<MultiplexedConnection, RedisError> {
    let (closed, listeners) = (link.clone(), ear.as_ref().map(|ear| ear.listeners.clone()));
    let forget = move |link: &Weak<Link>| {
        if let Some(link) = link.upgrade() {
            link.forget(number);
        }
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        // Each question has its own.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE)
        .set_push_sender(move |push: PushInfo| {
            match (push.kind, &listeners) {
                (PushKind::Disconnection, _) => forget(&closed),
                // Of one channel, so it need not be asked of which.
                (PushKind::Message, Some(listeners)) => read(listeners, push.data.get(1)),
                _ => {}
            }
            Ok::<(), SendError>(())
        });
    let connected = client
        .get_multiplexed_async_connection_with_config(&config)
        .await;
    let ready = match (connected, ear) {
        (Ok(connection), Some(ear)) => listen(connection, &ear).await,
        (Ok(connection), None) => {
            warn_of_eviction(connection.clone()).await;
            Ok(connection)
        }
        (Err(error), _) => Err(error),
    };
    if ready.is_err() {
        forget(&link);
    }
    ready
}

/// Listens, and has everything looked at of which nothing was heard until now.
async fn listen(
    connection: MultiplexedConnection,
    ear: &Ear,
) -> Result<MultiplexedConnection, RedisError> {
    let mut listening = connection.clone();
    listening.set_response_timeout(CONNECT);
    listening.subscribe(ear.channel.as_str()).await?;
    ear.listeners.tell(&[Heard::Gap]);
    Ok(connection)
}

/// A server that throws away what it has no room for throws away ends of sessions and
/// revocations, and says nothing.
async fn warn_of_eviction(mut connection: MultiplexedConnection) {
    connection.set_response_timeout(CONNECT);
    let mut command = redis::cmd("INFO");
    let said: Result<String, _> = command.arg("memory").query_async(&mut connection).await;
    let Ok(said) = said else {
        tracing::debug!(target: "portcullis", "redis does not say what it does when it is full");
        return;
    };
    let policy = said
        .lines()
        .find_map(|line| line.strip_prefix("maxmemory_policy:"));
    if let Some(policy) = policy.map(str::trim)
        && policy != "noeviction"
    {
        tracing::warn!(
            target: "portcullis",
            maxmemory_policy = policy,
            "redis throws away what it has no room for, ends of sessions and revocations too; set \
             `maxmemory-policy noeviction`",
        );
    }
}
