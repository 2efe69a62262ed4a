//! Nobody is answered as somebody else, and nobody finds what is somebody else's, whatever happens
//! to the requests around.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the settings and requests here are fixed or generated valid"
)]

mod interleaved;
mod storm;
