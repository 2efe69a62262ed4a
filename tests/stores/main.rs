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
    ($threads:tt [] $promises:tt) => {};
    ($threads:tt [$module:ident $place:ident, $($others:tt)*] [$($promise:ident)*]) => {
        mod $module {
            use portcullis_tests::stores::$module::$place;

            $(#[tokio::test $threads]
            async fn $promise() {
                super::$promise::<$place>().await;
            })*
        }
        at! { $threads [$($others)*] [$($promise)*] }
    };
}

/// At all of them.
macro_rules! at_every_place {
    ($($promise:ident)*) => {
        at! {
            (flavor = "multi_thread", worker_threads = 2)
            [memory InMemory, redb InFile, redis RedisServer, postgres PostgresServer,]
            [$($promise)*]
        }
    };
}

/// At all of them, with one thread: a test has to know when all is done that is done besides.
macro_rules! at_every_place_by_one_thread {
    ($($promise:ident)*) => {
        at! {
            (flavor = "current_thread")
            [memory InMemory, redb InFile, redis RedisServer, postgres PostgresServer,]
            [$($promise)*]
        }
    };
}

/// At those that are there after a restart as they were.
macro_rules! at_places_that_last {
    ($($promise:ident)*) => {
        at! {
            (flavor = "multi_thread", worker_threads = 2)
            [redb InFile, redis RedisServer, postgres PostgresServer,]
            [$($promise)*]
        }
    };
}

/// At those that a process of its own serves.
macro_rules! at_servers {
    ($($promise:ident)*) => {
        at! {
            (flavor = "multi_thread", worker_threads = 2)
            [redis RedisServer, postgres PostgresServer,]
            [$($promise)*]
        }
    };
}

mod cancellations;
mod clocks;
mod faults;
mod logins;
mod many;
mod model;
mod replicas;
mod restarts;
mod signals;
mod silent_bus;
mod stated;
mod under_load;
mod watched;

const ISSUER: &str = "https://idp.example";
