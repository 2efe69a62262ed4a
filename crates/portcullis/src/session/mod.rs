//! How long a caller is in.

mod keys;
mod memory;
mod policy;
mod rules;

pub use self::memory::MemorySessions;
