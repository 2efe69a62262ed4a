//! Sessions, revocations, one-time credentials and API keys of portcullis in one file.
//!
//! For an agent that runs as one process and is to remember over a restart, without a server beside
//! it. One [`Redb`] is one file; [`sessions`](Redb::sessions), [`revocations`](Redb::revocations),
//! [`replays`](Redb::replays) and [`api_keys`](Redb::api_keys) are the stores in it, each for the
//! setting of that name. What several processes share belongs into `portcullis-store-redis`.
//!
//! # Example
//!
//! With the default settings:
//!
//! ```no_run
//! use portcullis_store_redb::Redb;
//!
//! # fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let redb = Redb::open("/var/lib/agent/portcullis.redb")?;
//! let sessions = redb.sessions(); // for `SessionLayer::builder().with_store(..)`
//! # Ok(())
//! # }
//! ```
//!
//! With others:
//!
//! ```no_run
//! use std::time::Duration;
//! use portcullis_store_redb::Redb;
//!
//! # fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let redb = Redb::builder("/var/lib/agent/portcullis.redb")
//!     .with_retention(Duration::from_secs(90 * 86_400))
//!     .with_max_sessions(50_000)
//!     .with_replays_per_owner(200)
//!     .open()?;
//! let (sessions, revocations) = (redb.sessions(), redb.revocations());
//! # Ok(())
//! # }
//! ```
//!
//! The layers need keys of their own (`with_key`, `with_revocation_key`), the same after a restart:
//! what is kept is found by hashes with these.
//!
//! # What is guaranteed when it fails
//!
//! What changes something is answered when it is on the disk: written in one transaction with all
//! else that was asked for meanwhile, and synced. Whatever goes wrong is an error, which the layers
//! answer with 503. After an error a change may have been made; not by half.
//!
//! | what happens | what is kept |
//! |---|---|
//! | the process is killed | all that was answered. What was about to be written is there wholly, or not at all |
//! | the machine loses its power | the same, as long as the disk keeps what it was told to sync |
//! | the disk is full, or fails | all that was answered. Changes are errors until there is room again: for the next of them, the file is opened anew, which reads all of it; where that fails too, it is tried again after a second, and ever more seldom, up to a minute |
//! | a part of the file is damaged, or missing | opening is an error that names the file. Each page has a checksum, and all of them are read when the file is opened. Damage that comes while it is open is an error for whatever meets it |
//! | the file is empty, or something else | opening is an error that names the file: only where there is no file, one is made |
//! | the file is of a later version of this crate | opening is an error that says so |
//! | the file is open in another process, or a second time in this one | opening is an error that says so |
//! | the file is restored from an older copy | what was there then. **The file alone cannot tell**: sessions that were ended since, credentials that were revoked or used since are good again. Revoke everything up to the moment of the restoration |
//! | the file is removed or replaced while it is open | the process goes on with what it has opened, and all of that is gone when it ends. So let nothing else touch the file, and copy it only while no process has it open |
//!
//! Opening and dropping write to the file and wait for the disk. A file is opened once at start, in
//! the time that it takes to read it, about a second for some hundred megabytes; from async code with
//! `spawn_blocking`, if other tasks are not to wait. The last clone of a store that is dropped closes
//! the file, after what is still to be written.
//!
//! # Quotas
//!
//! There is no store of quotas here. The file is open in one process, and a layer counts in the memory
//! of that just as well; to have each request wait for the disk would cost more than the request, and
//! what a restart forgets is at most one burst for each caller. Servers that count together have
//! `portcullis-store-redis` or `portcullis-store-postgres`.
//!
//! # What forgets, and what is full
//!
//! What need not be kept any longer is removed when something is written, a little each time. The
//! sessions of an owner are forgotten when the last of them has been over for the
//! [retention](RedbBuilder::with_retention). From then on whoever authenticated no later than that
//! has to do it again before a session is opened for him, since one that was his may have been among
//! them. This moment stands in the file, and a clock that goes back does not take it back.
//!
//! Nothing that counts makes room for anything else. Each kind has its bound; a store that is full
//! says so, and the layers answer 503. Of sessions and one-time credentials nobody gets more than his
//! share.
//!
//! # What is kept
//!
//! | table | what |
//! |---|---|
//! | `sessions` | all sessions of an owner: when the last is over, and [`Sessions`](portcullis_core::Sessions) as bytes |
//! | `revocations` | a cut-off by its key: until when it is kept, and the cut-off. In memory as well |
//! | `replays` | a one-time credential by its owner and key: until when it is remembered |
//! | `api_keys` | a [`StoredKey`](portcullis_core::api_keys::StoredKey) as bytes by its id. In memory as well |
//! | `.._by_time` | the keys of the first three by these times |
//! | `meta` | the version of the layout, how many sessions there are, and up to when some were forgotten |
//!
//! Owners and keys are keyed hashes; API keys stand there without their secrets, and what handlers
//! keep in sessions as the layer has sealed it. Nothing else is encrypted: the file is made for its owner alone (0600), and
//! one that others may read is warned about.

mod api_keys;
mod batch;
mod builder;
mod cache;
mod file;
mod patience;
mod problem;
mod replay_counts;
mod replays;
mod revocations;
mod sessions;
mod stores;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

pub use self::{
    api_keys::RedbApiKeys,
    builder::{OpenError, RedbBuilder},
    replays::RedbReplays,
    revocations::RedbRevocations,
    sessions::RedbSessions,
    stores::Redb,
};
