//! What the authenticator does, seen from outside. No test here uses a network but for
//! `http_client`, which talks to a listener of its own on loopback.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test"
)]

#[path = "../support/mod.rs"]
mod support;

mod alb;
mod assertions;
mod configuration;
mod discovery;
mod explain;
#[cfg(feature = "reqwest")]
mod http_client;
mod introspection;
mod key_rotation;
mod known_tokens;
mod possession;
mod published;
mod retrieval;
mod signatures;
mod tokens;
