//! What is particular about signals over PostgreSQL.

use portcullis_core::{Heard, SignalBus as _};
use portcullis_testing::signal_bus_contract;
use portcullis_tests::{
    heard::Notes,
    kept,
    stores::{Place as _, postgres::PostgresServer},
};

signal_bus_contract!(signals, async {
    let server = PostgresServer::start().await;
    (
        server.stores().await.signals(),
        server.lazy_client().signals(),
    )
});

#[tokio::test]
async fn whoever_is_cut_off_by_the_server_is_told_of_a_gap() {
    let server = PostgresServer::start_own().await;
    let bus = server.stores().await.signals();
    let notes = Notes::of(&bus).await;
    drop(notes.take());
    let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    server.say(all).await;
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Gap]);
}

#[tokio::test]
async fn what_a_stranger_says_on_the_channel_is_a_gap_at_most() {
    let server = PostgresServer::start().await;
    let bus = server.stores().await.signals();
    let notes = Notes::of(&bus).await;
    drop(notes.take());
    let channel = format!("{}:signals", server.schema);
    for (message, heard) in [
        ("logout everybody", &[Heard::Gap][..]),
        ("", &[]),
        ("0273", &[Heard::Gap]),
    ] {
        let words = format!("NOTIFY \"{channel}\", '{message}'");
        server.say(&words).await;
        bus.catch_up().await.unwrap();
        assert_eq!(notes.take(), heard, "{message}");
    }
    server.say("NOTIFY \"another:signals\", 'x'").await;
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), []);
}

#[tokio::test]
async fn servers_that_keep_answers_let_in_nobody_who_is_out() {
    let server = PostgresServer::start_own().await;
    let clients = [server.stores().await, server.stores().await];
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
    kept::prove(server.clock(), stores, cut).await;
}
