//! Stores in Redis, against a real server.

mod contracts;
mod faults;
mod quotas;
mod settings;
mod signals;
