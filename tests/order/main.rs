//! Layers in a wrong order are answered with 500, loudly, and never with a pass.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

mod absent;
mod arrangement;
mod bindings;
mod documented;
mod in_a_gate;
mod misplaced;
mod on_axum;
