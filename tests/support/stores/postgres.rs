//! A server, a schema of the test's own in it, and stores there.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{
    process::Command,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use portcullis_store_postgres::{Postgres, PostgresBuilder, PostgresSignals};
use portcullis_testing::{clock::VirtualClock, counterpart::RunningCounterpart};
use tokio::task::JoinHandle;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::{Place, Served, clock_of_its_own, front::Front};
use crate::{folder::TestFolder, servers};

/// A schema on a server that runs until neither this nor a store that was made with it is left.
#[derive(Clone, Debug)]
pub struct PostgresServer {
    clock: VirtualClock,
    /// The server that it is on.
    pub cluster: Arc<Cluster>,
    /// Its name.
    pub schema: String,
}

/// A server of PostgreSQL.
#[derive(Debug)]
pub struct Cluster {
    running: Mutex<Option<RunningCounterpart>>,
    folder: TestFolder,
}

impl PostgresServer {
    /// On a server of the test's own, which it can spoil.
    pub async fn start_own_with(args: &[&str]) -> Self {
        let args = [&LOCAL, args].concat();
        Self::on(Arc::new(Cluster::start(&args).await))
    }

    /// On this server.
    #[must_use]
    pub fn on(cluster: Arc<Cluster>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self {
            clock: VirtualClock::new(),
            cluster,
            schema: format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres@/postgres?host={}",
            self.cluster.folder.path().display()
        )
    }

    /// The settings of a client.
    pub fn builder(&self) -> PostgresBuilder {
        self.builder_at(&self.url())
    }

    /// The same, at another address.
    pub fn builder_at(&self, url: &str) -> PostgresBuilder {
        Postgres::builder(url)
            .with_schema(&self.schema)
            .with_clock(self.clone())
    }

    /// One that connects when it is asked.
    ///
    /// # Panics
    ///
    /// Its settings cannot work.
    #[must_use]
    pub fn lazy_client(&self) -> Postgres {
        self.builder().build().unwrap()
    }

    /// A connection of an operator.
    ///
    /// # Panics
    ///
    /// There is none.
    pub async fn operator(&self) -> Operator {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        let operator = Operator { client, driver };
        let schema = format!("SET search_path TO {}", self.schema);
        operator.say(&schema).await;
        operator
    }

    /// Has the server do something, as an operator does, and says the first value of the answer.
    pub async fn say(&self, words: &str) -> String {
        self.operator().await.say(words).await
    }
}

/// A connection of an operator.
#[derive(Debug)]
pub struct Operator {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
}

impl Operator {
    /// Has the server do something, and says the first value of each row of the answer.
    ///
    /// # Panics
    ///
    /// It is an error.
    pub async fn say(&self, words: &str) -> String {
        let said = self.client.simple_query(words).await.unwrap();
        let rows = said.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        rows.collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Cluster {
    async fn start(args: &[&str]) -> Self {
        let folder = TestFolder::new();
        folder.make();
        Self::start_in(folder, args).await
    }

    /// With what stands in the folder.
    pub async fn start_in(folder: TestFolder, args: &[&str]) -> Self {
        let cluster = Self {
            running: Mutex::default(),
            folder,
        };
        cluster.go_on(args).await;
        cluster
    }

    /// What stands where.
    #[must_use]
    pub fn folder(&self) -> &TestFolder {
        &self.folder
    }

    /// Starts it, also after it has stopped.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn go_on(&self, args: &[&str]) {
        let server = servers::postgres(self.folder.path()).add_args(args.iter().copied());
        let started = server.start().await;
        *self.running.lock().unwrap() = Some(started);
    }

    /// Does something in its folder.
    ///
    /// # Panics
    ///
    /// It cannot be done.
    pub fn shell(&self, script: &str) {
        let done = Command::new("sh")
            .args(["-c", script])
            .current_dir(self.folder.path())
            .status();
        assert!(done.unwrap().success(), "{script}");
    }

    /// Its port, where it has one.
    ///
    /// # Panics
    ///
    /// It is not running.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.running.lock().unwrap().as_ref().unwrap().port()
    }

    /// Stops it at once, as a system does that is shut down.
    ///
    /// # Panics
    ///
    /// Somebody else has panicked over it.
    pub fn stop(&self) {
        drop(self.running.lock().unwrap().take());
    }

    /// Kills it, as a crash does.
    pub fn kill(&self) {
        self.signal("KILL");
        self.stop();
    }

    /// Sends it, and all processes that it has started, a signal: `STOP` or `CONT`.
    ///
    /// # Panics
    ///
    /// It is not running.
    pub fn signal(&self, signal: &str) {
        let running = self.running.lock().unwrap();
        let id = running.as_ref().unwrap().process_id().to_string();
        super::signal(signal, &id);
        // One of these may have ended by itself, or by the end of the other.
        for child in children_of(&id) {
            super::try_signal(signal, &child);
        }
    }
}

/// The processes that one has started.
fn children_of(id: &str) -> Vec<String> {
    let is_child = |process: &String| {
        let says = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // Behind the name, in which anything may stand: the state, and who has started it.
        let behind = says.rsplit_once(')').map(|(_, behind)| behind);
        behind.and_then(|behind| behind.split_whitespace().nth(1)) == Some(id)
    };
    let all = std::fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(is_child)
        .collect()
}

/// So few connections that it happens that somebody waits for one.
const POOL: usize = 4;
/// At its Unix socket alone.
const LOCAL: [&str; 2] = ["-h", ""];

impl Place for PostgresServer {
    type Stores = Postgres;
    type Signals = PostgresSignals;
    const LASTS: bool = true;

    /// On the server that all tests share that run at the same time: to make one takes longer than
    /// most of them.
    async fn start() -> Self {
        static SHARED: tokio::sync::Mutex<Weak<Cluster>> =
            tokio::sync::Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        let cluster = match shared.upgrade() {
            Some(cluster) => cluster,
            None => {
                let args = ["-h", "", "-c", "fsync=off", "-c", "max_connections=300"];
                let cluster = Arc::new(Cluster::start(&args).await);
                *shared = Arc::downgrade(&cluster);
                cluster
            }
        };
        Self::on(cluster)
    }

    async fn start_own() -> Self {
        Self::start_own_with(&[]).await
    }

    async fn stores(&self) -> Postgres {
        let builder = self.builder().with_pool_size(POOL);
        builder.connect().await.unwrap()
    }

    fn signals(&self, stores: &Postgres) -> PostgresSignals {
        stores.signals()
    }

    async fn restart(&self) {
        self.kill();
        self.go_on().await;
    }

    fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    fn by_clock(&self, clock: VirtualClock) -> Self {
        Self {
            clock,
            ..self.clone()
        }
    }
}

impl Served for PostgresServer {
    const NAME: &'static str = "postgres";

    fn socket(&self) -> String {
        format!("{}/.s.PGSQL.5432", self.cluster.folder.path().display())
    }

    fn kill(&self) {
        self.cluster.kill();
    }

    async fn go_on(&self) {
        self.cluster.go_on(&LOCAL).await;
    }

    fn wipe(&self) {
        std::fs::remove_dir_all(self.cluster.folder.path().join("data")).unwrap();
    }

    fn set_still(&self, is_still: bool) {
        self.cluster.signal(if is_still { "STOP" } else { "CONT" });
    }

    async fn stand_by(&self) {
        self.cluster.stop();
        self.cluster
            .shell("touch data/standby.signal; chown --reference data data/standby.signal");
        self.go_on().await;
    }

    async fn promote(&self) {
        self.say("SELECT pg_promote()").await;
    }

    async fn stores_by(&self, front: &Front) -> Postgres {
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable",
            front.port()
        );
        self.builder_at(&url).connect().await.unwrap()
    }
}

clock_of_its_own!(PostgresServer);
