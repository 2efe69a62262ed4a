//! Stores in one file, on a real disk.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod contracts;
mod damage;
mod kill;
mod logins;
mod settings;
mod world;
