//! What is measured: every layer, and beside it what the same work costs without the layer.
//!
//! A [`Variant`] is one request from its making to the end of its response, or one check of
//! a credential; a [`Pair`](pairs::Pair) is two kinds of input to one piece of work. Nothing in
//! here knows how it is measured, and nothing in here counts allocations: that would replace the
//! allocator of whoever is timing.
#![expect(
    clippy::expect_used,
    reason = "a figure of something that failed is worse than none"
)]

#[cfg(feature = "peers")]
mod composite;
pub mod credentials;
pub mod flood;
pub mod growth;
#[cfg(feature = "peers")]
mod idle;
pub mod pairs;
#[cfg(feature = "peers")]
mod peers;
pub mod possession;
mod quotas;
pub mod records;
pub mod remote;
pub mod requests;
pub mod services;
pub mod sessions;
pub mod streams;
mod threads;
mod variant;
pub mod variants;
mod whole;

pub use self::variant::Variant;

/// Who the guarded server says it is.
pub const RESOURCE: &str = "https://agent.example/";
