//! Credentials that are over before they end, and such as can be used once.
mod memory;
mod replays;

pub use portcullis_core::{
    ReplayKey, ReplayOwner, ReplayStore, RevocationStore, RevokedKey, StoreError, Taken,
};

pub use self::{memory::MemoryRevocations, replays::MemoryReplays};
