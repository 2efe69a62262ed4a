//! Stores in Redis, against a real server.

mod contracts;
mod faults;
mod settings;
mod signals;
