//! What is kept of stores that have to be asked: what it saves, and what it must never let in.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be set up fails the test"
)]

mod bounds;
mod changes;
mod hits;
mod settings;
mod time;
mod world;
