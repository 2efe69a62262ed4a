//! A server, a schema of the test's own in it, and stores there.

use std::{
    process::Command,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use portcullis::{Clock, Timestamp};
use portcullis_core::Sleep;
use portcullis_store_postgres::{Postgres, PostgresBuilder};
use portcullis_testing::{
    clock::VirtualClock,
    counterpart::{Counterpart, RunningCounterpart},
};
use portcullis_tests::{folder::TestFolder, servers};
use tokio::task::JoinHandle;
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// A schema on a server that runs until neither this nor a store that was made with it is left.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) clock: VirtualClock,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) schema: String,
}

/// A server of PostgreSQL.
#[derive(Debug)]
pub(crate) struct Cluster {
    running: Mutex<Option<RunningCounterpart>>,
    folder: TestFolder,
}

impl Server {
    /// On the server that all tests share that run at the same time: to make one takes longer than
    /// most of them.
    pub(crate) async fn start() -> Self {
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

    /// On a server of the test's own, which it can spoil.
    pub(crate) async fn start_own(args: &[&str]) -> Self {
        let args = [&["-h", ""], args].concat();
        Self::on(Arc::new(Cluster::start(&args).await))
    }

    pub(crate) fn on(cluster: Arc<Cluster>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self {
            clock: VirtualClock::new(),
            cluster,
            schema: format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Where it is asked.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://postgres@/postgres?host={}",
            self.cluster.folder.path().display()
        )
    }

    /// The settings of a client.
    pub(crate) fn builder(&self) -> PostgresBuilder {
        self.builder_at(&self.url())
    }

    /// The same, at another address.
    pub(crate) fn builder_at(&self, url: &str) -> PostgresBuilder {
        Postgres::builder(url)
            .with_schema(&self.schema)
            .with_clock(self.clone())
    }

    /// A client of its own each time, as another process would be.
    pub(crate) async fn client(&self) -> Postgres {
        self.builder().connect().await.unwrap()
    }

    /// One that connects when it is asked.
    pub(crate) fn lazy_client(&self) -> Postgres {
        self.builder().build().unwrap()
    }

    /// A connection of an operator.
    pub(crate) async fn operator(&self) -> Operator {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        let operator = Operator { client, driver };
        let schema = format!("SET search_path TO {}", self.schema);
        operator.say(&schema).await;
        operator
    }

    /// Has the server do something, as an operator does, and says the first value of the answer.
    pub(crate) async fn say(&self, words: &str) -> String {
        self.operator().await.say(words).await
    }
}

pub(crate) struct Operator {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
}

impl Operator {
    pub(crate) async fn say(&self, words: &str) -> String {
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
    pub(crate) async fn start_in(folder: TestFolder, args: &[&str]) -> Self {
        let cluster = Self {
            running: Mutex::default(),
            folder,
        };
        cluster.go_on(args).await;
        cluster
    }

    pub(crate) fn folder(&self) -> &TestFolder {
        &self.folder
    }

    /// Starts it, also after it has stopped.
    pub(crate) async fn go_on(&self, args: &[&str]) {
        let started = self.counterpart(args).start().await;
        *self.running.lock().unwrap() = Some(started);
    }

    fn counterpart(&self, args: &[&str]) -> Counterpart {
        servers::postgres(self.folder.path()).add_args(args.iter().copied())
    }

    /// Its port, where it has one.
    pub(crate) fn port(&self) -> u16 {
        self.running.lock().unwrap().as_ref().unwrap().port()
    }

    /// Stops it at once, as a system does that is shut down.
    pub(crate) fn stop(&self) {
        drop(self.running.lock().unwrap().take());
    }

    /// Kills it, as a crash does.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
        self.stop();
    }

    /// Sends it, and all processes that it has started, a signal: `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let running = self.running.lock().unwrap();
        let id = running.as_ref().unwrap().process_id().to_string();
        let all = [vec![id.clone()], children_of(&id)].concat().join(" ");
        // The shell's own: a bare system has no program of that name.
        let kill = format!("kill -s {signal} {all}");
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.unwrap().success(), "{signal}");
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

impl Clock for Server {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn instant(&self) -> Instant {
        self.clock.instant()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        self.clock.sleep_until(deadline)
    }
}
