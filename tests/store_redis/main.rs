//! Stores in Redis, against a real server.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod contracts;
mod faults;
mod front;
mod logins;
mod quotas;
mod server;
mod settings;
mod signals;
mod world;
