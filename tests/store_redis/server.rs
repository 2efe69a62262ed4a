//! A server of the test's own, and stores in it.

use std::{
    process::Command,
    sync::{Arc, Mutex},
    time::Instant,
};

use portcullis::{Clock, Timestamp};
use portcullis_core::Sleep;
use portcullis_store_redis::{Redis, RedisBuilder};
use portcullis_testing::{
    clock::VirtualClock,
    counterpart::{Counterpart, RunningCounterpart},
};
use portcullis_tests::servers;

/// A server that runs until it is killed, or until neither this nor a store that was made with it
/// is left.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) clock: VirtualClock,
    running: Arc<Mutex<Option<RunningCounterpart>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(servers::redis()).await
    }

    pub(crate) async fn start_with(counterpart: Counterpart) -> Self {
        Self {
            clock: VirtualClock::new(),
            running: Arc::new(Mutex::new(Some(counterpart.start().await))),
        }
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> String {
        let running = self.running.lock().unwrap();
        let home = running.as_ref().unwrap().home().to_owned();
        format!("{}/redis.sock", home.display())
    }

    /// Its port, where it has one.
    pub(crate) fn port(&self) -> u16 {
        let running = self.running.lock().unwrap();
        running.as_ref().unwrap().port()
    }

    /// The settings of a client.
    pub(crate) fn builder(&self) -> RedisBuilder {
        self.builder_at(&format!("unix://{}", self.socket()))
    }

    /// The same, at another address.
    pub(crate) fn builder_at(&self, url: &str) -> RedisBuilder {
        Redis::builder(url).with_clock(self.clone())
    }

    /// A client of its own each time, as another process would be.
    pub(crate) async fn client(&self) -> Redis {
        self.builder().connect().await.unwrap()
    }

    /// One that connects when it is asked.
    pub(crate) fn lazy_client(&self) -> Redis {
        self.builder().build().unwrap()
    }

    /// Has the server do something, as an operator does.
    pub(crate) fn command(&self, words: &[&[u8]]) -> redis::Value {
        let client = redis::Client::open(format!("unix://{}", self.socket())).unwrap();
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command
            .query(&mut client.get_connection().unwrap())
            .unwrap()
    }

    /// The same, of words.
    pub(crate) fn say(&self, words: &str) -> redis::Value {
        let words: Vec<_> = words.split(' ').map(str::as_bytes).collect();
        self.command(&words)
    }

    pub(crate) fn kill(&self) {
        drop(self.running.lock().unwrap().take());
    }

    /// Sends it a signal: `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let running = self.running.lock().unwrap();
        let id = running.as_ref().unwrap().process_id().to_string();
        // The shell's own: a bare system has no program of that name.
        let kill = format!("kill -s {signal} {id}");
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.unwrap().success(), "{signal}");
    }
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
