//! What issuers tell us: receivers of our own, and one of a plug-in author.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be set up fails the test"
)]

mod hosting;
mod logout;
mod signals;
mod world;
