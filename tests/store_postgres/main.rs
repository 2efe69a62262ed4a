//! Stores in PostgreSQL, against a real server.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod contracts;
mod faults;
mod losses;
mod quotas;
mod schema;
mod settings;
mod signals;
mod skew;
