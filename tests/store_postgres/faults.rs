//! A server that cannot say: an error each time, nothing half done, and nobody has to mend it.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use portcullis_core::{SessionStore as _, Taken};
use portcullis_store_postgres::Postgres;
use portcullis_tests::{
    patience::{eventually, until},
    stores::{
        Place as _, START,
        kept::{OWNER, assert_kept, assert_says_nothing, assert_takes_nothing, fill, silent, take},
        postgres::PostgresServer,
    },
};

#[tokio::test]
async fn a_question_that_waits_for_another_is_given_up_and_its_connection_with_it() {
    let server = PostgresServer::start().await;
    let postgres = server.builder().with_pool_size(1).connect().await.unwrap();
    fill(&postgres).await;
    let operator = server.operator().await;
    operator.say("BEGIN; LOCK TABLE sessions").await;
    let sessions = postgres.sessions();
    let asked = tokio::spawn(async move { sessions.load(OWNER).await });
    server.clock().wait_for_timers(1).await;
    server.clock().advance(Duration::from_millis(500));
    asked.await.unwrap().unwrap_err();
    // Of one connection, which is another one now.
    let revocations = postgres.revocations();
    portcullis_core::RevocationStore::look(&revocations, &[])
        .await
        .unwrap();
    operator.say("ROLLBACK").await;
    assert_kept(&postgres).await;
}

#[tokio::test]
async fn a_question_that_somebody_ends_is_an_error_and_the_next_one_is_answered() {
    let server = PostgresServer::start().await;
    let postgres = server.stores().await;
    fill(&postgres).await;
    let (locker, operator) = (server.operator().await, server.operator().await);
    for (function, said) in [
        ("pg_cancel_backend", "postgres says 57014: "),
        // What reads is asked twice.
        ("pg_terminate_backend", "postgres says 57P01: "),
    ] {
        locker.say("BEGIN; LOCK TABLE sessions").await;
        let sessions = postgres.sessions();
        let asked = tokio::spawn(async move { sessions.load(OWNER).await });
        let words = format!(
            "SELECT count({function}(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
             AND wait_event_type = 'Lock' AND query LIKE '%\"{}\".session_load%'",
            server.schema
        );
        let mut ended = 0;
        let times = if function == "pg_cancel_backend" {
            1
        } else {
            2
        };
        until("the end of a question", async || {
            ended += operator.say(&words).await.parse::<usize>().unwrap();
            ended >= times
        })
        .await;
        let error = asked.await.unwrap().unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
        locker.say("ROLLBACK").await;
        assert_kept(&postgres).await;
    }
    // Those that wait for work are found gone before they are asked.
    operator
        .say(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
             WHERE application_name = 'portcullis' AND pid <> pg_backend_pid() AND query LIKE \
             (SELECT '%' || current_schema || '%')",
        )
        .await;
    assert_kept(&postgres).await;
}

#[tokio::test]
async fn a_server_that_is_read_only_takes_nothing_and_still_says_what_it_has() {
    let server = PostgresServer::start_own().await;
    let postgres = server.stores().await;
    fill(&postgres).await;
    let set = async |value: &str| {
        let operator = server.operator().await;
        for words in [
            "SET default_transaction_read_only = off",
            &format!("ALTER ROLE postgres SET default_transaction_read_only = {value}"),
            // What is connected goes on as it was.
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
             WHERE application_name = 'portcullis'",
        ] {
            operator.say(words).await;
        }
    };
    set("on").await;
    let said = assert_takes_nothing(&postgres).await;
    assert_eq!(said, "postgres says 25006: it is a replica, or read-only");
    assert_eq!(
        postgres.sessions().load(OWNER).await.unwrap().records.len(),
        2
    );
    set("off").await;
    assert_kept(&postgres).await;
}

#[tokio::test]
async fn a_server_without_a_connection_to_spare_is_an_error_until_it_has_one() {
    let args = [
        "-c",
        "max_connections=5",
        "-c",
        "superuser_reserved_connections=0",
    ];
    let server = PostgresServer::start_own_with(&args).await;
    let postgres = server.stores().await;
    fill(&postgres).await;
    let held = join_all((0..4).map(|_| server.operator())).await;
    let sessions = postgres.sessions();
    // No more than may wait at its socket.
    let asked = join_all((0..8).map(|_| sessions.load(OWNER))).await;
    let said: BTreeSet<_> = asked
        .into_iter()
        .filter_map(|answer| answer.err().map(|error| error.to_string()))
        .collect();
    let said: Vec<_> = said.into_iter().collect();
    assert_eq!(said, ["postgres says 53300: it takes no more connections"]);
    drop(held);
    until("a connection to spare", async || {
        join_all((0..4).map(|_| sessions.load(OWNER)))
            .await
            .iter()
            .all(Result::is_ok)
    })
    .await;
    assert_kept(&postgres).await;
}

/// The store that a table belongs to says nothing; the others do.
async fn assert_one_is_silent(postgres: &Postgres, table: &str) {
    let of = |tables: &[&str]| tables.contains(&table);
    let replays = of(&["taken"]);
    let api_keys = of(&["api_keys"]);
    let sessions = of(&["sessions", "owners"]);
    let expected = [sessions, of(&["revocations"]), replays, api_keys, api_keys];
    assert_eq!(silent(postgres).await, expected, "{table}");
    if of(&["takers"]) {
        // What was used is found without it.
        take(postgres, 5, START).await.unwrap_err();
    }
}

#[tokio::test]
async fn what_this_store_has_not_written_is_an_error() {
    let server = PostgresServer::start().await;
    let postgres = server.stores().await;
    fill(&postgres).await;
    let strange = [
        ("sessions", "SET record = 'garbage'"),
        ("sessions", "SET record = substr(record, 2)"),
        ("sessions", "SET state = 8"),
        ("sessions", "SET id = decode(repeat('09', 16), 'hex')"),
        ("api_keys", "SET key = 'garbage'"),
        ("api_keys", "SET revision = revision + 7"),
    ];
    for (table, change) in strange {
        server
            .say(&format!("CREATE TABLE aside AS TABLE {table}"))
            .await;
        server.say(&format!("UPDATE {table} {change}")).await;
        assert_one_is_silent(&postgres, table).await;
        server
            .say(&format!(
                "DELETE FROM {table}; INSERT INTO {table} TABLE aside; DROP TABLE aside"
            ))
            .await;
        assert_kept(&postgres).await;
    }
    for table in [
        "sessions",
        "owners",
        "revocations",
        "taken",
        "takers",
        "api_keys",
    ] {
        server
            .say(&format!("ALTER TABLE {table} RENAME TO aside"))
            .await;
        assert_one_is_silent(&postgres, table).await;
        server
            .say(&format!("ALTER TABLE aside RENAME TO {table}"))
            .await;
        assert_kept(&postgres).await;
    }
    server
        .say("CREATE TABLE aside AS TABLE life; DELETE FROM life")
        .await;
    assert_says_nothing(&postgres).await;
    assert_takes_nothing(&postgres).await;
    server.say("INSERT INTO life TABLE aside").await;
    assert_kept(&postgres).await;
}

/// Whoever sends many proofs at once waits for himself, and leaves the others their connections.
#[tokio::test]
async fn one_who_takes_many_at_once_keeps_nobody_else_waiting() {
    let server = PostgresServer::start().await;
    let postgres = server.builder().with_pool_size(4).connect().await.unwrap();
    let other = server.stores().await;
    fill(&postgres).await;
    let operator = server.operator().await;
    operator
        .say("BEGIN; SELECT kept_until FROM takers FOR UPDATE")
        .await;
    let asked: Vec<_> = (10..18)
        .map(|number| {
            let postgres = postgres.clone();
            tokio::spawn(async move { take(&postgres, number, START).await })
        })
        .collect();
    server.clock().wait_for_timers(8).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted \
                   AND transactionid = pg_current_xact_id()::xid";
    until("somebody waits", async || {
        operator.say(waiting).await != "0"
    })
    .await;
    // All that need no row of his are answered.
    for _ in 0..3 {
        let sessions = postgres.sessions();
        let loading = tokio::spawn(async move { sessions.load(OWNER).await });
        eventually("an answer", || loading.is_finished()).await;
        loading.await.unwrap().unwrap();
    }
    // And what was used before is, elsewhere.
    assert_eq!(take(&other, 4, START).await, Ok(Taken::Seen));
    operator.say("ROLLBACK").await;
    for asked in asked {
        assert_eq!(asked.await.unwrap(), Ok(Taken::Fresh));
    }
}
