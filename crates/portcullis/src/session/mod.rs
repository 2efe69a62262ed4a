//! How long a caller is in.

mod memory;

pub use self::memory::MemorySessions;
