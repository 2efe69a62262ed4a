//! What an operator does with a gate while it runs: counting, and shutting it down.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod metrics;
mod operator;
mod records;
mod replace;
mod shutdown;
mod stats;
mod tasks;
mod wire;
mod world;
