//! Stores in Redis, against a real server.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod contracts;
mod faults;
mod quotas;
mod settings;
mod signals;
