//! How much a caller who is known may ask for in a while.
//!
//! ```
//! use http::{Request, StatusCode};
//! use portcullis::{authn::AuthnLayer, quota::{Quota, QuotaLayer}};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//! # use portcullis::{Authenticator, Check, Description, Evidence, EvidenceKind, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
//! #         Check::Done(match request.bearer() {
//! #             Some(name) => Verdict::accept(Evidence::new(EvidenceKind::Standing, "keys", name)),
//! #             None => Verdict::Absent,
//! #         })
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(AuthnLayer::builder().add_authenticator(Keys).build()?)
//!     .layer(QuotaLayer::builder().with_per_principal(Quota::per_minute(1)).build()?)
//!     .service(service_fn(async |_| {
//!         Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
//!     }));
//!
//! let alice = || Request::builder().header("authorization", "Bearer alice").body(String::new());
//! assert_eq!(service.clone().oneshot(alice()?).await?.status(), StatusCode::OK);
//!
//! let response = service.clone().oneshot(alice()?).await?;
//! assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
//! assert_eq!(response.headers()["retry-after"], "60");
//!
//! let bob = Request::builder().header("authorization", "Bearer bob").body(String::new())?;
//! assert_eq!(service.oneshot(bob).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! Customised: bursts that are smaller than what a minute allows, a quota for all users of one
//! client together, and room for as many callers as are expected.
//!
//! ```
//! use portcullis::quota::{Quota, QuotaLayer};
//!
//! let layer = QuotaLayer::builder()
//!     .with_per_principal(Quota::per_minute(600).with_burst(60))
//!     .with_per_client(Quota::per_second(200))
//!     .with_capacity(10_000)
//!     .build()?;
//! # let _ = layer;
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # What is answered
//!
//! | request | status |
//! |---|---|
//! | of a principal (issuer and subject) that has spent its quota | 429 |
//! | by way of a client (issuer and client id) that has spent its quota | 429 |
//! | of anybody, while the store of [`with_store`](QuotaBuilder::with_store) cannot say | 503 |
//!
//! `Retry-After` says when a request comes back: in whole seconds, rounded up, at least one;
//! where both quotas are spent, the later of the two.
//!
//! # What is counted
//!
//! Every request that comes as far as this layer with a principal, whatever becomes of it
//! further in. A request that is refused here costs nothing: neither the principal nor the
//! client, nor the [`perimeter`](crate::perimeter)'s budget of refusals, which is for callers
//! who are not known. Anonymous requests pass and are not counted.
//!
//! Each layer counts for itself, in the memory of its process: clones share, two servers do
//! not, unless they have a store. How often one API key may be used is said at the key, and counted where it is accepted:
//! `api_keys::Grant::with_limit` (feature `api-keys`).
//!
//! # On several servers
//!
//! With [`with_store`](QuotaBuilder::with_store) all servers count together, in a store that each
//! request asks once: of Redis (feature `redis`), of PostgreSQL (feature `postgres`), or of your own
//! ([`QuotaStore`]). Both quotas of a request are charged by that one question, or neither; and of
//! any number of requests that are under way at once, no more get in than there is room for.
//!
//! ```no_run
//! # #[cfg(feature = "redis")]
//! # async fn open(key: [u8; 16]) -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis::{Secret, quota::{Quota, QuotaLayer}, redis::Redis};
//!
//! let redis = Redis::connect("redis://10.0.0.7:6379/").await?;
//! let layer = QuotaLayer::builder()
//!     .with_per_principal(Quota::per_minute(600))
//!     .with_store(redis.quotas())
//!     .with_key(Secret::new(key)) // the same 16 random bytes on every server
//!     .build()?;
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! | | in memory | in a store |
//! |---|---|---|
//! | costs a request | well under a microsecond | a way to the store and back |
//! | two servers allow | twice as much | as much as one |
//! | time is told by | this process | the store, so that no clock of a server pays anything off |
//! | a restart of a server | forgets | forgets nothing |
//! | a store that has lost what it kept | | begins anew: one burst more for each caller |
//! | a store that is down | | 503, with the reason `quota_store_unavailable`; or each server counts by itself: [`with_local_fallback`](QuotaBuilder::with_local_fallback) |
//!
//! Gates of one process may count together in [`MemoryQuotas`].
//!
//! # Where it stands
//!
//! In the stack, by [`StackBuilder::with_quota`](crate::stack::StackBuilder::with_quota); or as
//! a loose layer anywhere inside `authn`, also around one handler inside a gate that has none.
//! Such a gate has recorded by then that it let the request in, so that a refusal is a second
//! record with the same id.
//!
//! # What is kept
//!
//! For each principal and each client that has asked lately, a keyed hash of 128 bits and one
//! number: 25 bytes, in tables that are up to twice as large as what is in them, so at most 60
//! bytes where there are many. No name is kept, and there are at most as many entries as
//! [`with_capacity`](QuotaBuilder::with_capacity) says. A store keeps the same of each, until it is
//! paid off.

mod allowance;
mod builder;
mod decide;
mod key;
mod layer;
mod memory;
mod store;
mod together;

pub use portcullis_core::{
    Budget, Charged, QuotaCharge, QuotaKey, QuotaRate, QuotaStore, StoreError,
};

pub(crate) use self::builder::QuotaSettings;
pub use self::{
    allowance::Quota,
    builder::QuotaBuilder,
    layer::{Metered, QuotaLayer},
    memory::MemoryQuotas,
};
