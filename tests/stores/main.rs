//! Promises that every kind of store keeps, each held against all of them: in memory, in a file, in
//! Redis and in PostgreSQL.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be set up fails the test"
)]

/// A test of each of these promises at each of these places.
macro_rules! at {
    ([] $promises:tt) => {};
    ([$module:ident $place:ident, $($others:tt)*] [$($promise:ident)*]) => {
        mod $module {
            use portcullis_tests::stores::$module::$place;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise::<$place>().await;
            })*
        }
        at! { [$($others)*] [$($promise)*] }
    };
}

/// At all of them.
macro_rules! at_every_place {
    ($($promise:ident)*) => {
        at! {
            [memory InMemory, redb InFile, redis RedisServer, postgres PostgresServer,]
            [$($promise)*]
        }
    };
}

/// At those that are there after a restart as they were.
macro_rules! at_places_that_last {
    ($($promise:ident)*) => {
        at! { [redb InFile, redis RedisServer, postgres PostgresServer,] [$($promise)*] }
    };
}

/// At those that a process of its own serves.
macro_rules! at_servers {
    ($($promise:ident)*) => {
        at! { [redis RedisServer, postgres PostgresServer,] [$($promise)*] }
    };
}

mod faults;
mod logins;
mod model;
mod restarts;
mod signals;
mod watched;

const ISSUER: &str = "https://idp.example";
