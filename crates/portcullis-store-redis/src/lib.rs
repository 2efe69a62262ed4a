//! Sessions, revocations, one-time credentials, API keys and quotas of portcullis in Redis or Valkey.
//!
//! One [`Redis`] is one connection; [`sessions`](Redis::sessions),
//! [`revocations`](Redis::revocations), [`replays`](Redis::replays), [`api_keys`](Redis::api_keys)
//! and [`quotas`](Redis::quotas) are the stores on it, each for the setting of that name. It takes
//! Redis 6.2 or later, or any Valkey. [`signals`](Redis::signals) is a bus between the servers that
//! share them, on a connection of its own.
//!
//! # Example
//!
//! With the default settings:
//!
//! ```no_run
//! use portcullis_store_redis::Redis;
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::connect("redis://10.0.0.7:6379/").await?;
//! let sessions = redis.sessions(); // for `SessionLayer::builder().with_store(..)`
//! let signals = redis.signals(); // for `Stack::builder().with_signals(..)`
//! # Ok(())
//! # }
//! ```
//!
//! With others:
//!
//! ```no_run
//! use std::time::Duration;
//! use portcullis_store_redis::Redis;
//!
//! # async fn open(password: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder(format!("redis://agent:{password}@10.0.0.7:6379/1"))
//!     .with_prefix("agent-eu")
//!     .with_timeout(Duration::from_millis(200))
//!     .with_retention(Duration::from_secs(90 * 86_400))
//!     .connect()
//!     .await?;
//! let (sessions, revocations) = (redis.sessions(), redis.revocations());
//! # Ok(())
//! # }
//! ```
//!
//! # What is guaranteed when it fails
//!
//! Each question is one script, which the server runs wholly or not at all. A server that is gone,
//! late, full, still loading, a replica, or that answers with anything else than what this store has
//! written is an error, which the layers answer with 503; and the next question finds it when it is
//! there again. After an error a change may have been made; not by half.
//!
//! What the server has *lost* is another matter: it answers, and knows of nothing. So what is kept
//! is kept in buckets, all but quotas, each with a marker that counts its writes. A process that has seen a marker
//! notices when it is gone, or has gone back behind what it has seen, and writes that into the
//! bucket for the others. From then on:
//!
//! | of | what happened before the loss was noticed |
//! |---|---|
//! | sessions | whoever authenticated before it authenticates again. The exception are standing credentials (API keys, certificates): a session of one that was *ended* can be opened again, so also revoke the credential |
//! | revocations | whatever was issued before it is over, API keys too |
//! | one-time credentials | one that may have been used is 503 until it ends. One that was made after it, and lasts as long, is good at once |
//! | API keys | everything is 503 until they are restored, or [`accept_loss`](RedisApiKeys::accept_loss) is called |
//! | quotas | is forgotten: everybody begins anew, which is one burst for each |
//!
//! A moment of the sessions and revocations is a minute later than the clock says, since the clock of
//! an issuer may be ahead by as much.
//!
//! What nobody can notice: a loss while no process of yours is running, or before one that has seen
//! what was lost asks again in the same bucket; and the loss of writes that no process has seen
//! answered, or in whose place others have made as many. How much there is to lose is a setting of
//! the server:
//!
//! | mode of the server | what it can lose that it has answered |
//! |---|---|
//! | no persistence | everything, by a restart: noticed as long as one process goes on |
//! | `appendonly yes`, `appendfsync everysec` | the last second or two, by a crash |
//! | `appendonly yes`, `appendfsync always` | nothing, as long as the disk keeps what it was told to |
//! | failover to a replica | what the replica had not received; `min-replicas-to-write 1` with `min-replicas-max-lag` bounds it. `WAIT` is not used: it does not bring back what a failover drops |
//! | cluster | the same, for each of its servers. Every script keeps to one slot, and this is tested on a cluster of one server; with more, connect through a proxy that knows the cluster: one that is asked for the slot of another answers `MOVED`, which is an error |
//! | `maxmemory-policy` other than `noeviction` | anything at any time, without a trace: a warning is logged when it connects |
//!
//! All is written to and read from the server that the address names, which has to be the primary.
//! Its clock may differ from those of the processes by a day; a jump by more ages what is kept.
//!
//! Quotas are paid off by that clock alone. It is one for all servers, so that none of them gives
//! away more by a clock that is ahead. When it is set forward, or a failover leads to one that is
//! ahead, as much is paid off; when it goes back, nobody waits for longer than a quota takes to come
//! back as a whole. An answer that got lost may have charged a budget, and the request is 503.
//!
//! # What is kept
//!
//! | keys | what |
//! |---|---|
//! | `{prefix:s:00}:` to `{prefix:s:ff}:` | `o:OWNER`, a hash: a field for each session, and the revision. Gone a day after the [retention](RedisBuilder::with_retention) |
//! | `{prefix:p:00}:` to `{prefix:p:ff}:` | `o:OWNER`, a sorted set: what he has used, by when it is forgotten |
//! | `{prefix:r}:` | a cut-off for each key that was revoked, in one bucket |
//! | `{prefix:k}:` | `keys`, a hash of all API keys by id; `owners`, their ids by owner |
//! | `{prefix:q}:` | a number for each budget, in one slot; gone a minute after it is paid off |
//! | `..:m` | the marker of a bucket |
//!
//! Signals go over the channel `prefix:signals`, and are kept nowhere. Whoever restricts the user lets
//! it `SUBSCRIBE` and `PUBLISH` there, and `DEL` a key of that name, which is never there.
//!
//! Owners and keys are keyed hashes; API keys stand there without their secrets, and what handlers
//! keep in sessions as the layer has sealed it.

mod api_keys;
mod bucket;
mod builder;
mod layout;
mod link;
mod problem;
mod quotas;
mod replays;
mod revocations;
mod script;
mod sessions;
mod signals;
mod stores;

pub use self::{
    api_keys::RedisApiKeys,
    builder::{ConnectError, RedisBuilder},
    quotas::RedisQuotas,
    replays::RedisReplays,
    revocations::RedisRevocations,
    sessions::RedisSessions,
    signals::RedisSignals,
    stores::Redis,
};
