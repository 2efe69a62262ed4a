//! What a request leaves in the logs and traces of whoever operates the server.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails where something is not as it should be"
)]

mod fields;
mod hostile;
mod places;
mod records;
mod streams;
