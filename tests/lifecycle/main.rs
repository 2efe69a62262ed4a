//! How each layer treats what stands inside it, from readiness to the last drop; and that the
//! same table of requests is answered alike whatever serves it.
#![expect(
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed"
)]

mod accessors;
mod auto_traits;
mod body_errors;
mod cancellation;
mod debug;
mod ends;
mod layers;
mod local;
mod panics;
mod readiness;
mod refusals;
mod table;
