//! The writer, on a disk that fails when it is told to.

mod bench;
mod disk;
mod ends;
mod files;
mod floods;
mod lines;
#[cfg(feature = "metrics")]
mod metrics;
mod queue;
mod recovery;
