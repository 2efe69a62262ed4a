//! What is guaranteed when a store fails: in memory, in a file (feature `redb`), in Redis (feature
//! `redis`) and in PostgreSQL (feature `postgres`).
//!
//! The stores are those of sessions and revocations, and the [bus](crate::signal) between servers is
//! that of Redis or PostgreSQL. Whatever fails, nobody is let in by it who is out, but where the table
//! says so; nothing is made by half; and whoever cannot be answered is answered 503 with `Retry-After`.
//!
//! The words of the table:
//!
//! - **refused**: new requests are 503. With [a cache](crate::signal#what-is-kept-of-stores), those who
//!   are known here are let in until the bus was not heard for
//!   [`with_max_unheard`](crate::stack::StackBuilder::with_max_unheard), two seconds by default.
//! - **held**: what runs goes on until its own deadlines (*best effort*), or is cut after
//!   [`with_max_unconfirmed`](crate::session::SessionBuilder::with_max_unconfirmed) (*strict*).
//! - **heals**: nobody has to do anything. The first request after the fault is answered as before it.
//! - **lost**: whoever authenticated before the loss was noticed, and a minute longer for the clock of his
//!   issuer, is 401 until he authenticates again, also where his stream runs, which ends at the next look:
//!   within 16 seconds. Standing credentials (API keys, certificates) that were issued before are over
//!   where revocations are lost; where sessions alone are, one that was ended can be opened again.
//! - **—**: cannot happen there. **†**: follows from how it is made, and no test of its own plays it.
//!
//! | what happens | memory | redb | Redis | PostgreSQL |
//! |---|---|---|---|---|
//! | `killed`: the process of the store ends, and comes back with what it had on its disk | it is that of the server: all is forgotten, what was ended or revoked too, and whoever has a good credential is in again | it is that of the server: nothing is lost that was answered | refused, held, heals; with `appendfsync always` nothing is lost, otherwise what the setting allows is *lost* | refused, held, heals; nothing is lost that was answered |
//! | `late`: it stands still, or takes too long | — | waits for the disk, and with it whoever waits for a change † | refused after half a second for each question (`with_timeout`), held, heals | refused after half a second for each question (`with_timeout`), held, heals |
//! | `emptied`: it comes back with nothing | as when killed | a file that is damaged or of no bytes is an error at start; in the place of none one is made, and nobody notices † | *lost*, as soon as a process asks that has seen what was there; what no running process has seen is lost without notice | *lost*, as soon as a process asks that was there before |
//! | `rolled-back`: it comes back with what it had before | — | nobody can notice: whoever was ended or revoked since is in again, until everything up to now is revoked | *lost*, where a process has seen more than is there now | *lost* |
//! | `partitioned`: one server cannot reach it | — | — | there refused, held, heals; at the others nothing | there refused, held, heals; at the others nothing |
//! | `lagging`: a replica is asked that has not heard everything | — | — | refused, held: a replica is never believed | refused, held: a replica is never believed |
//! | `promoted`: a replica takes over | — | — | what it had not received is *lost*, where a process has seen it answered | counts as *lost*, unless `dangerously_trust_failovers` is said |
//! | `bus-silent`: signals do not come, while the store answers | — | — | new requests as the store says, with a cache after two seconds; what was ended on another server ends within 16 seconds, or the bound of *strict* if that is less; heals within three seconds | new requests as the store says, with a cache after two seconds; what was ended on another server ends within 16 seconds, or the bound of *strict* if that is less; heals within three seconds |
//! | `all-silent`: neither is heard, and no connection breaks | — | — | refused after half a second, held, heals | refused after half a second, held, heals |
//! | `clock-stepped`: the clock of a server is set by an hour, or is wrong by one | nothing lasts longer, and who is idle by it is in again once it is right; two gates that share it and differ by an hour may take an idle session for active for as much longer, and nothing more | as in memory | as in memory | as in memory |
//! | `full`: there is no room | new sessions are 503, and who is in stays in; those that are over are forgotten first, and keep whoever may have been in one out until he authenticates again | new sessions are 503, and who is in stays in | changes are 503, and what is there is still said | changes are 503, and what is there is still said |
//!
//! A revocation says by the clock of the server that was asked what was issued before it. One whose clock
//! is behind takes in less: let no server run without a time server.
//!
//! What a handler waits for is its own matter: one that panics, or whose client goes away at any point,
//! leaves at most one session that has begun, and ends none. A client that goes away while it logs out is
//! in, or out, and the same at all servers.
//!
//! How much each of these servers can lose, by its settings, stands on the pages of
//! `portcullis-store-redb`, `portcullis-store-redis` and `portcullis-store-postgres`.
