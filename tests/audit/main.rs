//! The record: what waits for it, and what stands on the disk.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

mod head_file;
mod kill;
mod log;
mod metrics;
#[cfg(unix)]
mod owner;
mod start;
mod strict;
mod verify;
