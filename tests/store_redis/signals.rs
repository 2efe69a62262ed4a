//! Signals over a real server: what is heard, and what is known to have been missed.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use portcullis::revocation::Revocation;
use portcullis_core::{Heard, OwnerKey, Signal, SignalBus as _, SignalListener};
use portcullis_store_redis::RedisSignals;
use portcullis_testing::signal_bus_contract;
use portcullis_tests::{kept, patience::eventually};

use crate::{front::Front, logins::node, server::Server};

signal_bus_contract!(signals, async {
    let server = Server::start().await;
    (
        server.client().await.signals(),
        server.lazy_client().signals(),
    )
});

const ISSUER: &str = "https://idp.example";
const CHANNEL: &[u8] = b"portcullis:signals";

/// Keeps what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<Heard>>);

impl SignalListener for Notes {
    fn hear(&self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }
}

impl Notes {
    fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn listening(bus: &RedisSignals) -> Arc<Notes> {
    let notes = Arc::new(Notes::default());
    let listener: Weak<Notes> = Arc::downgrade(&notes);
    bus.subscribe(listener);
    bus.catch_up().await.unwrap();
    notes
}

fn signal(number: u128) -> Signal {
    Signal::Sessions(OwnerKey::from_u128(number))
}

#[tokio::test]
async fn whoever_was_away_is_told_of_a_gap() {
    let server = Server::start().await;
    let other = server.client().await.signals();
    let front = Front::new(&server).await;
    let redis = server.builder_at(&front.url()).connect().await.unwrap();
    let bus = redis.signals();
    let notes = listening(&bus).await;
    assert_eq!(notes.take(), [Heard::Gap], "nobody knows what was before");
    other.publish(&[signal(1)]).await.unwrap();
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Signal(signal(1))]);
    // Cut by the server, and on the way.
    for way in 0..2 {
        match way {
            0 => drop(server.say("CLIENT KILL TYPE pubsub")),
            _ => front.cut_after(0),
        }
        other.publish(&[signal(2)]).await.unwrap();
        front.heal();
        bus.catch_up().await.unwrap();
        let heard = notes.take();
        assert!(heard.contains(&Heard::Gap), "{way}: {heard:?}");
        other.publish(&[signal(3)]).await.unwrap();
        bus.catch_up().await.unwrap();
        assert_eq!(notes.take(), [Heard::Signal(signal(3))], "{way}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_or_stands_still_has_nobody_caught_up() {
    let server = Server::start().await;
    let bus = server.client().await.signals();
    let notes = listening(&bus).await;
    server.signal("STOP");
    let caught_up = tokio::spawn({
        let bus = bus.clone();
        async move { bus.catch_up().await }
    });
    server.clock.wait_for_timers(1).await;
    server.clock.advance(Duration::from_millis(500));
    let error = caught_up.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "redis did not answer within 500ms");
    server.signal("CONT");
    drop(notes.take());
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Gap], "on another connection");
    server.kill();
    bus.catch_up().await.unwrap_err();
    bus.publish(&[signal(1)]).await.unwrap_err();
}

#[tokio::test]
async fn what_a_stranger_says_on_the_channel_is_a_gap_at_most() {
    let server = Server::start().await;
    let bus = server.client().await.signals();
    let notes = listening(&bus).await;
    drop(notes.take());
    let say = |message: &[u8]| server.command(&[b"PUBLISH", CHANNEL, message]);
    for message in [&b"logout everybody"[..], b"\x02s0123456789abcdef", &[0; 19]] {
        assert_eq!(say(message), redis::Value::Int(1));
        bus.catch_up().await.unwrap();
        assert_eq!(notes.take(), [Heard::Gap], "{message:?}");
    }
    server.command(&[b"PUBLISH", b"another", &signal(1).to_bytes()]);
    say(&signal(1).to_bytes());
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Signal(signal(1))]);
}

/// No time goes by, so nobody looks by himself.
#[tokio::test]
async fn what_one_server_ends_ends_what_runs_at_the_other() {
    let server = Server::start().await;
    let (one, other) = (server.client().await, server.client().await);
    let [one, other] = [one, other].map(|redis| node(&server, &redis));
    let mut alice = other.stream("alice.app.0").await;
    let mut bob = other.stream("bob.app.0").await;
    let mut carol = other.stream("carol.web.0").await;
    // The bus is joined when something runs.
    for _ in 0..3 {
        server.clock.advance(Duration::from_secs(1));
        other.ask("alice.app.0").await;
    }
    let listens = || server.say("PUBSUB NUMSUB portcullis:signals");
    let count = |value| format!("{value:?}").contains("int(1)");
    eventually("the other listens", || count(listens())).await;
    let ended = one.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    eventually("the end of alice", &mut alice).await;
    assert!(!bob() && !carol());
    let app = Revocation::client(ISSUER, "app");
    one.handle.revoke(app).await.unwrap();
    eventually("the end of bob", &mut bob).await;
    assert!(!carol());
}

#[tokio::test]
async fn servers_that_keep_answers_let_in_nobody_who_is_out() {
    let server = Server::start().await;
    let clients = [server.client().await, server.client().await];
    let stores = clients.map(|redis| (redis.sessions(), redis.revocations(), redis.signals()));
    let cut = async || {
        // It may have none any more.
        drop(server.say("CLIENT KILL TYPE pubsub"));
    };
    kept::prove(&server.clock, stores, cut).await;
}
