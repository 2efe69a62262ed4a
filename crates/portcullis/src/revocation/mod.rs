//! Credentials that are over before they end.
//!
//! A token is good until it expires, and its issuer is not asked again for each request. So an
//! operator who learns that a laptop is gone, an employee has left or an API key stands in a
//! public repository needs a way to say so here, which counts from the next request on. It is
//! there without a setting:
//!
//! ```
//! use http::{Request, StatusCode};
//! use portcullis::{Stack, revocation::Revocation};
//! use tower::{Layer as _, ServiceExt as _, service_fn};
//! # use portcullis::{Authenticator, Check, Description, Evidence, EvidenceKind, RequestView, Verdict};
//! # struct Tokens;
//! # impl Authenticator for Tokens {
//! #     fn describe(&self) -> Description { Description::bearer("tokens") }
//! #     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
//! #         let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
//! #             .with_auth_time(portcullis::Timestamp::UNIX_EPOCH);
//! #         Check::Done(request.bearer().map_or(Verdict::Absent, |_| Verdict::accept(alice)))
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Tokens)
//!     .build()?;
//! let service = gate.layer(service_fn(async |_| {
//!     Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
//! }));
//! let request = || {
//!     let builder = Request::builder().header("host", "agent.example");
//!     builder.header("authorization", "Bearer of-alice").body(String::new())
//! };
//! assert_eq!(service.clone().oneshot(request()?).await?.status(), StatusCode::OK);
//!
//! handle.revoke(Revocation::subject("https://idp.example", "alice")).await?;
//! assert_eq!(service.oneshot(request()?).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! Customised: a store that two gates share. What one of them is told, both know.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use portcullis::{
//!     Secret, Stack,
//!     revocation::{MemoryRevocations, Revocation},
//! };
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Tokens;
//! # impl Authenticator for Tokens {
//! #     fn describe(&self) -> Description { Description::bearer("tokens") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, key) = (Arc::new(MemoryRevocations::with_capacity(10_000)), [7; 16]);
//! let stack = |resource| {
//!     Stack::builder()
//!         .with_resource(resource)
//!         .add_authenticator(Tokens)
//!         .with_revocations(Arc::clone(&store))
//!         .with_revocation_key(Secret::new(key))
//! };
//! let (notes, handle) = stack("https://notes.example/").build()?;
//! let (mail, _) = stack("https://mail.example/").build()?;
//!
//! let month = Duration::from_secs(30 * 86_400);
//! handle.revoke(Revocation::client("https://idp.example", "app").with_kept_for(month)).await?;
//! assert_eq!(store.len(), 1);
//! # let _ = (notes, mail);
//! # Ok(())
//! # }
//! ```
//!
//! # What is over
//!
//! A revocation is a *cut-off*: under a name, everything that was issued no later than a moment
//! is over, and what is issued later is good. So a signal that comes late harms nobody who has
//! logged in meanwhile.
//!
//! | of | over is | compared with the cut-off |
//! |---|---|---|
//! | [`subject`](Revocation::subject) | all that was issued to it | time |
//! | [`grant`](Revocation::grant) | what a subject has granted to one client | time |
//! | [`client`](Revocation::client) | all that a client holds | time |
//! | [`session`](Revocation::session) | one session at the issuer (`sid`) | time |
//! | [`issuer`](Revocation::issuer) | everything that an issuer vouches for | time |
//! | [`device`](Revocation::device), [`tenant`](Revocation::tenant) | what was issued to one, where the authenticator names it in its evidence | time |
//! | [`token`](Revocation::token) | one token (`jti`), or certificate (its serial number in hexadecimal) | nothing: it is over |
//! | [`credential`](Revocation::credential) | one API key | nothing: it is over |
//!
//! The time of a person's token is when the person authenticated (`auth_time`): whoever has a
//! refresh token gets new tokens, but not a later authentication. Where the issuer does not
//! say it, the time of the token (`iat`) has to do, and a refreshed token is good again: have
//! the issuer revoke the grant as well. The time of all other credentials is when they were
//! issued. A credential that says no time, or one that is more than a minute ahead, is over
//! under any cut-off; and so is what a proxy vouches for with each request, because the time of that
//! says nothing of a login. Such a revocation ends when it is no longer
//! [kept](Revocation::with_kept_for).
//!
//! # When it counts
//!
//! - For each *request* that begins after [`GateHandle::revoke`](crate::GateHandle::revoke) has
//!   returned, whether the authenticator knew its credential already or not. On another server that
//!   [keeps answers](crate::signal#what-is-kept-of-stores) of the store, from when it has heard of it.
//! - For each *call* that a handler [asks for](crate::authorize) after that, also in an answer
//!   that has been streaming for an hour.
//! - For what *runs*, where there is a [`session`](crate::session) layer: what was let in with the
//!   credential is cut, on the server that is told at once, before `revoke` returns. With anything
//!   but one token or key, its sessions end as well, and what was spawned in them; one in which
//!   somebody has authenticated later goes on. With one token or key its session
//!   goes on: others may have been let in to it with another.
//! - On other servers that share the stores, for what runs there: at once where they have a
//!   [bus](crate::signal); otherwise within a second where the store answers at once, and within 15
//!   seconds where it has to be asked.
//!
//! What it does not reach: an answer that streams already where there is no `session` layer. It goes
//! on until it is complete or its own end comes, and is permitted nothing more meanwhile.
//!
//! # What is answered
//!
//! | credential | status | challenge | reason |
//! |---|---|---|---|
//! | revoked | 401 | `error="invalid_token"` | `credential_revoked` |
//! | so old that the store may have forgotten its revocation | 401 | `error="invalid_token"` | `revocation_forgotten` |
//! | one of which the store cannot say it | 503 | none; `Retry-After` | `revocation_store_unavailable` |
//!
//! # What a store is told
//!
//! Keyed hashes and times: neither issuers, subjects nor the ids of tokens. No request writes
//! into it but a [signed notice](crate::notices) of an issuer, so nobody can fill it by sending some. [`MemoryRevocations`] ends with the process;
//! another one implements [`RevocationStore`], and needs a key that all who use it share
//! (`with_revocation_key`). While nothing is revoked, a request costs one look at a counter.
//!
//! # Credentials that can be used once
//!
//! A [`ReplayStore`] is for authenticators: of a proof or a code that must not be used twice,
//! it says to one of all who present it that it is fresh. [`MemoryReplays`] is one in memory.

mod cache;
mod decide;
mod keys;
mod memory;
mod replays;
mod revoker;
mod settings;
mod store;
mod what;

pub use portcullis_core::{
    ReplayKey, ReplayOwner, ReplayStore, RevocationKey, RevocationStore, RevokedKey, StoreError,
    Taken,
};

pub(crate) use self::what::Reach;
pub(crate) use self::{
    decide::{Bar, Revocations},
    revoker::Revoker,
    settings::RevocationSettings,
};
pub use self::{
    memory::MemoryRevocations,
    replays::MemoryReplays,
    what::{Revocation, RevokeError},
};
