//! A Redis of the test's own, and stores in it.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::sync::{Arc, Mutex};

use portcullis_store_redis::{Redis, RedisBuilder, RedisSignals};
use portcullis_testing::{
    clock::VirtualClock,
    counterpart::{Counterpart, RunningCounterpart},
};

use super::{Place, Served, clock_of_its_own, front::Front};
use crate::{folder::TestFolder, patience::until, servers};

/// A server that runs until it is killed, or until neither this nor a store that was made with it
/// is left.
#[derive(Clone, Debug)]
pub struct RedisServer {
    clock: VirtualClock,
    running: Arc<Mutex<Option<RunningCounterpart>>>,
    /// Where it keeps what it has.
    folder: Option<Arc<TestFolder>>,
}

impl RedisServer {
    /// Another one than the usual.
    pub async fn start_with(counterpart: Counterpart) -> Self {
        Self {
            clock: VirtualClock::new(),
            running: Arc::new(Mutex::new(Some(counterpart.start().await))),
            folder: None,
        }
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

    /// The settings of a client.
    pub fn builder(&self) -> RedisBuilder {
        self.builder_at(&format!("unix://{}", self.socket()))
    }

    /// The same, at another address.
    pub fn builder_at(&self, url: &str) -> RedisBuilder {
        Redis::builder(url).with_clock(self.clone())
    }

    /// One that connects when it is asked.
    ///
    /// # Panics
    ///
    /// Its settings cannot work.
    #[must_use]
    pub fn lazy_client(&self) -> Redis {
        self.builder().build().unwrap()
    }

    /// Has the server do something, as an operator does.
    ///
    /// # Panics
    ///
    /// It does not.
    #[expect(
        clippy::must_use_candidate,
        reason = "most answers are that it was done"
    )]
    pub fn command(&self, words: &[&[u8]]) -> redis::Value {
        let client = redis::Client::open(format!("unix://{}", self.socket())).unwrap();
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let mut connection = client.get_connection().unwrap();
        command.query(&mut connection).unwrap()
    }

    /// Has it be a replica of the server at this port of this machine, which has all that is there.
    pub async fn follow(&self, port: u16) {
        self.say(&format!("REPLICAOF 127.0.0.1 {port}"));
        until("all that the primary has", async || {
            format!("{:?}", self.say("INFO replication")).contains("master_link_status:up")
        })
        .await;
    }

    /// Has the server do something that is said in words.
    pub fn say(&self, words: &str) -> redis::Value {
        let words: Vec<_> = words.split(' ').map(str::as_bytes).collect();
        self.command(&words)
    }
}

/// One that writes down all that it answers, before it does.
fn in_folder(folder: &TestFolder) -> Counterpart {
    let socket = socket_in(folder);
    servers::redis()
        .add_args(["--unixsocket", &socket])
        .add_args(["--dir", &folder.path().display().to_string()])
        .add_args(["--appendonly", "yes", "--appendfsync", "always"])
        .with_ready_socket(socket)
}

fn socket_in(folder: &TestFolder) -> String {
    format!("{}/redis.sock", folder.path().display())
}

impl Place for RedisServer {
    type Stores = Redis;
    type Signals = RedisSignals;
    const LASTS: bool = true;

    /// One that keeps nothing on a disk.
    async fn start() -> Self {
        Self::start_with(servers::redis()).await
    }

    async fn start_own() -> Self {
        let folder = TestFolder::in_memory();
        folder.make();
        let server = Self::start_with(in_folder(&folder)).await;
        Self {
            folder: Some(Arc::new(folder)),
            ..server
        }
    }

    async fn stores(&self) -> Redis {
        self.builder().connect().await.unwrap()
    }

    fn signals(&self, stores: &Redis) -> RedisSignals {
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

impl Served for RedisServer {
    const NAME: &'static str = "redis";

    fn socket(&self) -> String {
        match &self.folder {
            Some(folder) => socket_in(folder),
            None => {
                let running = self.running.lock().unwrap();
                let home = running.as_ref().unwrap().home().display();
                format!("{home}/redis.sock")
            }
        }
    }

    fn kill(&self) {
        drop(self.running.lock().unwrap().take());
    }

    async fn go_on(&self) {
        let started = in_folder(self.folder.as_ref().unwrap()).start().await;
        *self.running.lock().unwrap() = Some(started);
        // It listens before it has read what it has kept.
        let store = self.lazy_client();
        until("an answer", async || {
            super::kept::looked(&store.revocations(), &[]).await.is_ok()
        })
        .await;
    }

    fn wipe(&self) {
        let folder = self.folder.as_ref().unwrap();
        std::fs::remove_dir_all(folder.path()).unwrap();
        folder.make();
    }

    fn set_still(&self, is_still: bool) {
        let running = self.running.lock().unwrap();
        let id = running.as_ref().unwrap().process_id().to_string();
        super::signal(if is_still { "STOP" } else { "CONT" }, &id);
    }

    async fn stand_by(&self) {
        self.say("REPLICAOF 127.0.0.1 1");
    }

    async fn promote(&self) {
        self.say("REPLICAOF NO ONE");
    }

    async fn stores_by(&self, front: &Front) -> Redis {
        let url = format!("redis://127.0.0.1:{}/", front.port());
        self.builder_at(&url).connect().await.unwrap()
    }
}

clock_of_its_own!(RedisServer);
