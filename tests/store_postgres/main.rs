//! Stores in PostgreSQL, against a real server.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod contracts;
mod faults;
mod logins;
mod losses;
mod quotas;
mod schema;
mod server;
mod settings;
mod signals;
mod skew;
mod world;
