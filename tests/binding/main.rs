//! Binding: a session that moves, and whoever it belongs to.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

mod anew;
mod asked;
mod callers;
mod devices;
mod noted;
mod settings;
mod stores;
