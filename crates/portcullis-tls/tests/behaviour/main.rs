//! What the listener and the authenticator do, seen from outside: with certificates that are made
//! here, over loopback.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test"
)]

mod authority;
#[cfg(feature = "axum-server")]
mod axum_server;
mod identity;
mod listener;
