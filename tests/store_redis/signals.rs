//! What is particular about signals over Redis.

use portcullis_core::{Heard, OwnerKey, Signal, SignalBus as _};
use portcullis_testing::signal_bus_contract;
use portcullis_tests::{
    heard::Notes,
    kept,
    stores::{Place as _, redis::RedisServer},
};

signal_bus_contract!(signals, async {
    let server = RedisServer::start().await;
    (
        server.stores().await.signals(),
        server.lazy_client().signals(),
    )
});

const CHANNEL: &[u8] = b"portcullis:signals";

#[tokio::test]
async fn whoever_is_cut_off_by_the_server_is_told_of_a_gap() {
    let server = RedisServer::start().await;
    let bus = server.stores().await.signals();
    let notes = Notes::of(&bus).await;
    drop(notes.take());
    server.say("CLIENT KILL TYPE pubsub");
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Gap]);
}

#[tokio::test]
async fn what_a_stranger_says_on_the_channel_is_a_gap_at_most() {
    let server = RedisServer::start().await;
    let bus = server.stores().await.signals();
    let notes = Notes::of(&bus).await;
    drop(notes.take());
    let say = |message: &[u8]| server.command(&[b"PUBLISH", CHANNEL, message]);
    for message in [&b"logout everybody"[..], b"\x02s0123456789abcdef", &[0; 19]] {
        assert_eq!(say(message), redis::Value::Int(1));
        bus.catch_up().await.unwrap();
        assert_eq!(notes.take(), [Heard::Gap], "{message:?}");
    }
    let signal = Signal::Sessions(OwnerKey::from_u128(1));
    let elsewhere = server.command(&[b"PUBLISH", b"another", &signal.to_bytes()]);
    assert_eq!(elsewhere, redis::Value::Int(0));
    say(&signal.to_bytes());
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Signal(signal)]);
}

#[tokio::test]
async fn servers_that_keep_answers_let_in_nobody_who_is_out() {
    let server = RedisServer::start().await;
    let clients = [server.stores().await, server.stores().await];
    let stores = clients.map(|redis| (redis.sessions(), redis.revocations(), redis.signals()));
    let cut = async || {
        // It may have none any more.
        drop(server.say("CLIENT KILL TYPE pubsub"));
    };
    kept::prove(server.clock(), stores, cut).await;
}
