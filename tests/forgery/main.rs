//! Nobody becomes somebody else by what lies in request extensions.
//!
//! The middlewares here do what no honest one does: they keep the extensions of one request
//! and put them into another. They are code inside the server, with all the rights of it.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

mod handlers;
mod planted_before_a_handler;
mod planted_before_a_quota;
mod planted_between_layers;
mod thief;
mod wrappers;
