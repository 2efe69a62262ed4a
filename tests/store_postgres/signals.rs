//! Signals over a real server: what is heard, and what is known to have been missed.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use portcullis::revocation::Revocation;
use portcullis_core::{Heard, OwnerKey, Signal, SignalBus as _, SignalListener};
use portcullis_store_postgres::PostgresSignals;
use portcullis_testing::signal_bus_contract;
use portcullis_tests::{kept, patience::eventually};

use crate::{logins::node, server::Server};

signal_bus_contract!(signals, async {
    let server = Server::start().await;
    (
        server.client().await.signals(),
        server.lazy_client().signals(),
    )
});

const ISSUER: &str = "https://idp.example";

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

async fn listening(bus: &PostgresSignals) -> Arc<Notes> {
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
    let server = Server::start_own(&[]).await;
    let (other, bus) = (
        server.client().await.signals(),
        server.client().await.signals(),
    );
    let notes = listening(&bus).await;
    assert_eq!(notes.take(), [Heard::Gap], "nobody knows what was before");
    other.publish(&[signal(1)]).await.unwrap();
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Signal(signal(1))]);
    for _ in 0..2 {
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        server.say(all).await;
        other.publish(&[signal(2)]).await.unwrap();
        bus.catch_up().await.unwrap();
        let heard = notes.take();
        assert!(heard.contains(&Heard::Gap), "{heard:?}");
        other.publish(&[signal(3)]).await.unwrap();
        bus.catch_up().await.unwrap();
        assert_eq!(notes.take(), [Heard::Signal(signal(3))]);
    }
}

/// No time goes by, so nobody looks by himself.
#[tokio::test]
async fn what_one_server_ends_ends_what_runs_at_the_other() {
    let server = Server::start().await;
    let (one, other) = (server.client().await, server.client().await);
    let notes = listening(&other.signals()).await;
    let [one, other] = [&one, &other].map(|postgres| node(&server, postgres));
    let mut alice = other.stream("alice.app.0").await;
    let mut bob = other.stream("bob.app.0").await;
    let mut carol = other.stream("carol.web.0").await;
    let ended = one.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    eventually("the end of alice", &mut alice).await;
    assert!(!bob() && !carol());
    let app = Revocation::client(ISSUER, "app");
    one.handle.revoke(app).await.unwrap();
    eventually("the end of bob", &mut bob).await;
    assert!(!carol());
    assert!(notes.take().len() >= 2);
}

#[tokio::test]
async fn a_server_that_stands_still_or_is_gone_has_nobody_caught_up() {
    let server = Server::start_own(&[]).await;
    let bus = server.client().await.signals();
    let notes = listening(&bus).await;
    drop(notes.take());
    server.cluster.signal("STOP");
    let caught_up = tokio::spawn({
        let bus = bus.clone();
        async move { bus.catch_up().await }
    });
    server.clock.wait_for_timers(1).await;
    server.clock.advance(Duration::from_millis(500));
    let error = caught_up.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "postgres did not answer within 500ms");
    server.cluster.signal("CONT");
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Gap], "on another connection");
    server.cluster.kill();
    bus.catch_up().await.unwrap_err();
    bus.publish(&[signal(1)]).await.unwrap_err();
}

#[tokio::test]
async fn what_a_stranger_says_on_the_channel_is_a_gap_at_most() {
    let server = Server::start().await;
    let bus = server.client().await.signals();
    let notes = listening(&bus).await;
    drop(notes.take());
    let channel = format!("{}:signals", server.schema);
    for message in ["logout everybody", "", "0273"] {
        server
            .say(&format!("NOTIFY \"{channel}\", '{message}'"))
            .await;
        bus.catch_up().await.unwrap();
        let expected = match message {
            "" => vec![],
            _ => vec![Heard::Gap],
        };
        assert_eq!(notes.take(), expected, "{message}");
    }
    server.say("NOTIFY \"another:signals\", 'x'").await;
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), []);
}

#[tokio::test]
async fn servers_that_keep_answers_let_in_nobody_who_is_out() {
    let server = Server::start_own(&[]).await;
    let clients = [server.client().await, server.client().await];
    let stores = clients.map(|postgres| {
        (
            postgres.sessions(),
            postgres.revocations(),
            postgres.signals(),
        )
    });
    let cut = async || {
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE query ~ '^(LISTEN|SELECT 1|SELECT pg_notify)' AND pid <> pg_backend_pid()";
        server.say(all).await;
    };
    kept::prove(&server.clock, stores, cut).await;
}
