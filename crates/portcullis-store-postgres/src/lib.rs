//! Sessions, revocations, one-time credentials, API keys and quotas of portcullis in PostgreSQL.
//!
//! One [`Postgres`] is a database by a few connections; [`sessions`](Postgres::sessions),
//! [`revocations`](Postgres::revocations), [`replays`](Postgres::replays),
//! [`api_keys`](Postgres::api_keys) and [`quotas`](Postgres::quotas) are the stores in it, each for the setting of that name. It
//! takes PostgreSQL 13 or later, and is tested with 15. [`signals`](Postgres::signals) is a bus between
//! the servers that share them, on a connection of its own.
//!
//! # Example
//!
//! With the default settings:
//!
//! ```no_run
//! use portcullis_store_postgres::Postgres;
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let postgres = Postgres::connect("postgres://agent@10.0.0.7/agents").await?;
//! let sessions = postgres.sessions(); // for `SessionLayer::builder().with_store(..)`
//! let signals = postgres.signals(); // for `Stack::builder().with_signals(..)`
//! # Ok(())
//! # }
//! ```
//!
//! With others:
//!
//! ```no_run
//! use std::time::Duration;
//! use portcullis_store_postgres::Postgres;
//!
//! # async fn open(password: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let postgres = Postgres::builder(format!("postgres://agent:{password}@10.0.0.7:5432/agents"))
//!     .with_schema("agent_eu")
//!     .with_timeout(Duration::from_millis(200))
//!     .with_retention(Duration::from_secs(90 * 86_400))
//!     .with_pool_size(32)
//!     .without_migrations()
//!     .connect()
//!     .await?;
//! let (sessions, revocations) = (postgres.sessions(), postgres.revocations());
//! # Ok(())
//! # }
//! ```
//!
//! # The schema
//!
//! It is made by the first process that connects, under a lock for which the others wait; or by
//! you: [`Postgres::migrations`]. A program that finds an older schema brings it up to date. One
//! that finds a newer schema goes on with it if that says that older programs may, and otherwise
//! says that it has to be updated; so an older and a newer program run side by side while one is
//! exchanged for the other.
//!
//! With the feature `tls` a connection is encrypted if the server offers it, and with
//! `?sslmode=require` it is or fails. The server's certificate is always checked; that it may also
//! be none is said by `?sslmode=disable`.
//!
//! What a connection is set to must last as long as it does, so a pooler in between has to pool
//! sessions, not transactions.
//!
//! # What is guaranteed when it fails
//!
//! Each question is one statement, there and back once, which the server runs wholly or not at
//! all: a function that locks the row of one owner, or several budgets in one order, so nothing waits
//! in a circle, and nothing has to be tried again. A server that is gone, late, full, starting, shut down, read-only, a replica,
//! without a connection to spare, or that answers with anything else than what this store has
//! written is an error, which the layers answer with 503; and the next question finds it when it is
//! there again. After an error a change may have been made; not by half.
//!
//! Questions that lock the row of one owner have no more than a quarter of the connections of a
//! process at a time, so nobody keeps the others from being answered by asking often.
//!
//! | what happens | what is lost of what was answered |
//! |---|---|
//! | the process is killed | nothing |
//! | the server crashes | nothing: a connection waits for the disk (`synchronous_commit`), also where the server has turned that off. The exceptions are times of last activity and last use, of which the last second may be missing, and quotas |
//! | the server crashes, and has `fsync = off` | anything: a warning is logged when it connects |
//! | failover to a synchronous replica | nothing, and this store cannot know it: see below |
//! | failover to another replica | what the replica had not received: noticed |
//! | restored from a backup, or a disk that was set back | whatever came after it: noticed |
//! | read-only, or a full disk | nothing: writes are errors, and what is there is still said |
//!
//! What the server has *lost* is another matter: it answers, and knows of nothing. So the row of
//! the table `life` says where it is: in which cluster, database and table, and on which timeline,
//! which is another one after each failover and each restoration to a point in time. Who connects
//! compares that with what is so, and with what this process has seen: the name of that life, and
//! how far the log of the server was on its disk. A loss is written into the row for the others,
//! who notice by their next question. From then on:
//!
//! | of | what happened before the loss was noticed |
//! |---|---|
//! | sessions | whoever authenticated before it authenticates again. The exception are standing credentials (API keys, certificates): a session of one that was *ended* can be opened again, so also revoke the credential |
//! | revocations | whatever was issued before it is over, API keys too |
//! | one-time credentials | one that may have been used is 503 until it ends. One that was made after it, and lasts as long, is good within a minute |
//! | API keys | of a process that has seen them before, everything is 503 until [`accept_loss`](PostgresApiKeys::accept_loss) is called; one that is started anew takes them as they are |
//!
//! Quotas are none of this. Their table is not logged: a crash or a failover empties it, and everybody
//! begins anew, which is one burst for each. They are paid off by the clock of the server alone, which
//! is one for all who ask. When it is set forward, as much is paid off; when it goes back, nobody waits
//! for longer than a quota takes to come back as a whole. An answer that got lost may have charged a
//! budget, and the request is 503.
//!
//! A moment of the sessions and revocations is a minute later than the clock says, since the clock of
//! an issuer may be ahead by as much.
//!
//! A failover counts as a loss, whether anything was lost or not. Where it never is, as with
//! synchronous replicas and orderly switchovers, say
//! [`dangerously_trust_failovers`](PostgresBuilder::dangerously_trust_failovers).
//!
//! What nobody can notice: rows that somebody changes or puts back by hand; a disk that was set
//! back while no process of yours was running, or on which others had written as much again before
//! one that has seen more of it connects; and a former primary that goes on answering beside the
//! new one, which the failover has to prevent.
//!
//! # What is kept
//!
//! | table | what |
//! |---|---|
//! | `owners` | whose sessions: their revision, and until when they are kept. A day after the [retention](PostgresBuilder::with_retention) they are thrown away, eight with each commit of somebody else; those of whom a standing credential was ended never |
//! | `sessions` | a row for each session, ended ones too |
//! | `revocations` | a cut-off for each key that was revoked, for a day longer than needed |
//! | `taken`, `takers` | what each owner has used, for an hour longer than needed |
//! | `api_keys` | a row for each |
//! | `quotas` | a number for each budget, unlogged; thrown away when it has been paid off for a minute and others come |
//! | `life`, `migrations` | one row; one for each version of the schema |
//!
//! Signals are notifications (`LISTEN`, `NOTIFY`) on the channel `schema:signals`, and are kept nowhere.
//!
//! Owners and keys are keyed hashes; API keys stand there without their secrets, and what handlers
//! keep in sessions as the layer has sealed it. The clocks of the processes may differ by as much as is kept longer.

mod api_keys;
mod builder;
mod life;
mod link;
mod problem;
mod quotas;
mod replays;
mod revocations;
mod schema;
mod sessions;
mod signals;
mod stores;
mod tls;
mod turns;

pub use self::{
    api_keys::PostgresApiKeys,
    builder::{ConnectError, PostgresBuilder},
    quotas::PostgresQuotas,
    replays::PostgresReplays,
    revocations::PostgresRevocations,
    sessions::PostgresSessions,
    signals::PostgresSignals,
    stores::Postgres,
};
