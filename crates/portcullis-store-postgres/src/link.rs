//! The connections that all stores share, and the next ones when they are lost.

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool::managed::{self, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use portcullis_core::{Clock, ConfigError, StoreError, Timestamp};
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_postgres::{
    Client, Config, Row,
    types::{ToSql, Type},
};

use crate::{
    builder::address_of,
    life::Life,
    problem::{Problem, describe, strange},
    schema::Schema,
    tls::Tls,
    turns::Turns,
};

/// How long the first connection may take that somebody waits for, with the tables that it makes.
const CONNECT: Duration = Duration::from_secs(15);
/// So much longer than its timeout a server works on a question that nobody waits for any more.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// What connections are made with.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    pub(crate) schema: Schema,
    pub(crate) timeout: Duration,
    pub(crate) migrates: bool,
    pub(crate) trusts_failovers: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Connections that are made when they are needed, and are given up once they are lost or have
/// kept somebody waiting for too long.
pub(crate) struct Link {
    pool: Pool<Maker>,
    turns: Turns,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    life: Arc<Life>,
    address: String,
}

/// Whether a question may be asked once more if its answer got lost with the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Repeat {
    Never,
    Once,
}

impl Link {
    pub(crate) fn new(settings: Settings, size: usize) -> Result<Self, ConfigError> {
        let (timeout, clock) = (settings.timeout, Arc::clone(&settings.clock));
        let life = Arc::new(Life::new(&settings.schema, settings.trusts_failovers));
        let address = address_of(&settings.config);
        let maker = Maker {
            settings,
            life: Arc::clone(&life),
            runtime: Mutex::default(),
        };
        let pool = Pool::builder(maker).max_size(size).build();
        Ok(Self {
            pool: pool.map_err(|_| ConfigError::new("with_pool_size", "cannot be used"))?,
            turns: Turns::new(size),
            timeout,
            clock,
            life,
            address,
        })
    }

    pub(crate) fn life(&self) -> &Life {
        &self.life
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Connects, if there is no connection.
    pub(crate) async fn connect(&self) -> Result<(), StoreError> {
        let is_late = Arc::new(AtomicBool::new(false));
        let connected = async {
            let lease = self.lease(&is_late).await.map_err(Problem::into_error)?;
            lease.give_back();
            Ok(())
        };
        self.in_time(self.timeout.max(CONNECT), &is_late, connected)
            .await
    }

    /// Asks a function, whose first argument is the life that was seen, and which answers first
    /// of all how far the server was, or nothing if it is another life by now. What is dropped
    /// before the answer comes was done, or was not. One that locks the row of an owner waits for
    /// those of his before it has a connection.
    pub(crate) async fn ask(
        &self,
        owner: Option<u128>,
        question: &str,
        params: &[Param<'_>],
        repeat: Repeat,
        may: impl Fn() -> Result<(), StoreError>,
    ) -> Result<Vec<Row>, StoreError> {
        let is_late = Arc::new(AtomicBool::new(false));
        let answered = async {
            let _turn = match owner {
                Some(owner) => self.turns.of(owner).await,
                None => None,
            };
            // In boxes, so that what waits for an answer is small.
            let first = Box::pin(self.ask_once(question, params, &may, &is_late)).await;
            match first {
                Err(Problem::Lost(_)) if repeat == Repeat::Once => {
                    Box::pin(self.ask_once(question, params, &may, &is_late)).await
                }
                first => first,
            }
            .map_err(Problem::into_error)
        };
        self.in_time(self.timeout, &is_late, answered).await
    }

    async fn ask_once(
        &self,
        question: &str,
        params: &[Param<'_>],
        may: impl Fn() -> Result<(), StoreError>,
        is_late: &Arc<AtomicBool>,
    ) -> Result<Vec<Row>, Problem> {
        let lease = self.lease(is_late).await?;
        let asked = self.ask_with(&lease, question, params, may).await;
        match asked {
            Err(Problem::Lost(_)) => lease.give_up(),
            _ => lease.give_back(),
        }
        asked
    }

    async fn ask_with(
        &self,
        lease: &Lease,
        question: &str,
        params: &[Param<'_>],
        may: impl Fn() -> Result<(), StoreError>,
    ) -> Result<Vec<Row>, Problem> {
        let connection = lease.connection()?;
        // Once more if it was another life: then nothing was done.
        for _ in 0..2 {
            may().map_err(Problem::Said)?;
            let name = self.life.name();
            let name = name.as_deref();
            let mut all: Vec<Param<'_>> = vec![(&name, Type::BYTEA)];
            all.extend(params.iter().map(|(value, kind)| (*value, kind.clone())));
            let rows = connection.client.query_typed(question, &all).await;
            let rows = rows.map_err(|error| {
                let problem = describe(&error);
                if matches!(problem, Problem::Lost(_)) {
                    // The others were lost by the same, most likely.
                    self.pool.retain(|_, _| false);
                }
                problem
            })?;
            let first = rows.first().ok_or_else(|| Problem::Lost(strange()))?;
            let flushed: Option<i64> = first.try_get(0).map_err(|_| Problem::Lost(strange()))?;
            if let Some(flushed) = flushed {
                self.life.note(&connection.place, flushed);
                return Ok(rows);
            }
            self.life.visit(&connection.client, self.now()).await?;
        }
        Err(Problem::Lost(strange()))
    }

    async fn lease(&self, is_late: &Arc<AtomicBool>) -> Result<Lease, Problem> {
        // What drives a connection is spawned there.
        if Handle::try_current().is_err() {
            return Err(Problem::Said(StoreError::new(
                "postgres is asked outside of a tokio runtime",
            )));
        }
        match self.object().await {
            Ok(object) => Ok(Lease {
                object: Some(object),
                is_late: Arc::clone(is_late),
                clock: Arc::clone(&self.clock),
            }),
            Err(PoolError::Backend(problem)) => Err(problem),
            Err(_) => Err(Problem::Said(StoreError::new(
                "there are no connections to postgres any more",
            ))),
        }
    }

    async fn object(&self) -> Result<Object<Maker>, PoolError<Problem>> {
        let status = self.pool.status();
        if status.available > 0 || status.size >= status.max_size {
            return self.pool.get().await;
        }
        // One has to be made. That goes on if whoever asks goes away or has to be told that it
        // takes too long, and the next one has it.
        let pool = self.pool.clone();
        let getting = Handle::current().spawn(async move { pool.get().await });
        getting.await.unwrap_or(Err(PoolError::Closed))
    }

    /// Gives up in time.
    async fn in_time<T>(
        &self,
        timeout: Duration,
        is_late: &AtomicBool,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = self.clock.sleep_until(self.clock.instant() + timeout);
        match select(pin!(work), late).await {
            Either::Left((answer, _)) => answer,
            Either::Right((_, _work)) => {
                // Before what waits is dropped.
                is_late.store(true, Ordering::Release);
                // It may be that nothing runs there any more.
                self.pool.manager().runtime().take();
                Err(StoreError::new(format!(
                    "postgres did not answer within {timeout:?}"
                )))
            }
        }
    }
}

impl fmt::Debug for Link {
    /// Without the user and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("timeout", &self.timeout)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

/// A connection for one question. It goes back only once the question was answered: behind one
/// that was given up, the next one would wait.
struct Lease {
    object: Option<Object<Maker>>,
    /// Whether the server has kept somebody waiting for too long.
    is_late: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
}

impl Lease {
    fn connection(&self) -> Result<&Connection, Problem> {
        let connection = self.object.as_deref();
        connection.ok_or_else(|| Problem::Said(StoreError::new("has no connection")))
    }

    fn give_back(mut self) {
        drop(self.object.take());
    }

    fn give_up(mut self) {
        drop(self.object.take().map(Object::take));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else {
            return;
        };
        let runtime = Handle::try_current().ok();
        let runtime = runtime.filter(|_| !self.is_late.load(Ordering::Acquire));
        let Some(runtime) = runtime.filter(|_| !object.client.is_closed()) else {
            drop(Object::take(object));
            return;
        };
        // Whoever asked went away. Each who does so must not cost a connection, which takes longer to
        // make than the answer takes to come.
        let late = self.clock.sleep_until(self.clock.instant() + GRACE);
        runtime.spawn(async move {
            let answered = object.client.simple_query("").map(|answer| answer.is_ok());
            let is_good = match select(pin!(answered), late).await {
                Either::Left((is_good, _)) => is_good,
                Either::Right(_) => false,
            };
            match is_good {
                true => drop(object),
                false => drop(Object::take(object)),
            }
        });
    }
}

/// Makes connections.
struct Maker {
    settings: Settings,
    life: Arc<Life>,
    /// Where connections are driven. The one that asks may be gone before those who are handed
    /// its connection.
    runtime: Mutex<Option<Handle>>,
}

struct Connection {
    client: Client,
    /// Where the server is: its cluster, database and timeline. None of them changes under a
    /// connection to a primary.
    place: Arc<str>,
    _driver: Driven<()>,
}

/// A task that ends with this.
struct Driven<T>(JoinHandle<T>);

impl<T> Drop for Driven<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl managed::Manager for Maker {
    type Type = Connection;
    type Error = Problem;

    async fn create(&self) -> Result<Connection, Problem> {
        let making = async {
            let mut connection = Box::pin(self.connect()).await?;
            connection.place = Box::pin(self.prepare(&connection.client)).await?;
            Ok(connection)
        };
        let clock = &self.settings.clock;
        let late = clock.sleep_until(clock.instant() + CONNECT);
        match select(pin!(making), late).await {
            Either::Left((made, _)) => made,
            Either::Right(_) => Err(Problem::Lost(StoreError::new(format!(
                "postgres was not connected within {CONNECT:?}"
            )))),
        }
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Problem> {
        match connection.client.is_closed() {
            true => Err(RecycleError::message("it is closed")),
            false => Ok(()),
        }
    }
}

impl Maker {
    async fn connect(&self) -> Result<Connection, Problem> {
        // Once more if the runtime of the first one is gone.
        for _ in 0..2 {
            let runtime = self.runtime().get_or_insert_with(Handle::current).clone();
            let Settings { config, tls, .. } = &self.settings;
            let connecting = open(runtime.clone(), config.clone(), tls.clone());
            let mut connecting = Driven(runtime.spawn(connecting));
            match (&mut connecting.0).await {
                Ok(connected) => return connected,
                Err(_) => drop(self.runtime().take()),
            }
        }
        Err(Problem::Lost(StoreError::new(
            "the runtime that drove the connections to postgres is gone",
        )))
    }

    fn runtime(&self) -> MutexGuard<'_, Option<Handle>> {
        // What the lock protects is whole between any two statements.
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to be so before anything is asked.
    async fn prepare(&self, client: &Client) -> Result<Arc<str>, Problem> {
        let settings = &self.settings;
        let timeout = (settings.timeout + GRACE).as_millis().to_string();
        // What is answered is on the disk; nothing fails because somebody else was faster; and no
        // program is compiled for a question of a millisecond.
        let asked = "SELECT pg_is_in_recovery(), current_setting('fsync') = 'off', \
             set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
             WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false), \
             set_config('default_transaction_isolation', 'read committed', false), \
             set_config('jit', 'off', false), set_config('statement_timeout', $1, false)";
        let row = client
            .query_typed_one(asked, &[(&timeout, Type::TEXT)])
            .await;
        let read = |row: Row| Ok((row.try_get(0)?, row.try_get(1)?));
        let (is_replica, is_careless): (bool, bool) =
            row.and_then(read).map_err(|error| describe(&error))?;
        if is_replica {
            return Err(Problem::Said(StoreError::new(
                "postgres is a replica here: ask the primary",
            )));
        }
        if is_careless {
            tracing::warn!(
                target: "portcullis",
                "postgres does not wait for its disk, so a crash loses ends of sessions and \
                 revocations; set `fsync = on`",
            );
        }
        settings.schema.prepare(client, settings.migrates).await?;
        self.life.visit(client, settings.clock.now()).await
    }
}

async fn open(runtime: Handle, config: Config, tls: Tls) -> Result<Connection, Problem> {
    let connected = config.connect(tls.0).await;
    let (client, driver) = connected.map_err(|error| describe(&error))?;
    let driver = runtime.spawn(async move {
        // The client is told of it as well.
        drop(driver.await);
    });
    Ok(Connection {
        client,
        place: Arc::default(),
        _driver: Driven(driver),
    })
}
