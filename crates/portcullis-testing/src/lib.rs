//! For tests of agent servers that stand behind portcullis, and of plug-ins for it.
//!
//! Everything here is ordinary code for a `[dev-dependencies]` section. What cannot be set up
//! panics and says why; no published crate of portcullis depends on this one.
//!
//! | to | use |
//! |---|---|
//! | move time by hand | [`clock::VirtualClock`] |
//! | read what was decided | [`audit::RecordingAudit`] |
//! | have tokens, good and bad, and the keys behind them | [`identity_provider::IdentityProvider`] |
//! | have keys that tokens are bound to, and proofs, good and bad | [`dpop::ProofKey`] |
//! | prove an authenticator of your own | [`authenticator_contract!`] |
//! | prove a session store of your own | [`session_store_contract!`] |
//! | prove a store of API keys | [`api_key_store_contract!`] |
//! | prove a store of revocations, or of one-time credentials | [`revocation_store_contract!`], [`replay_store_contract!`] |
//! | prove a bus between servers | [`signal_bus_contract!`] |
//! | have a store that fails, or a bus | [`faulty_store`], [`faulty_signals`] |
//! | have a store that is far away, and count what it is asked | [`far_store`] |
//! | have callers without tokens | [`mock_auth::MockAuth`] |
//! | give a handler a session | [`mock_session::MockSession`] |
//! | have it come from somewhere else | [`mock_binding::MockBinding`] |
//! | let a handler do things, or not | [`mock_step_up::MockStepUp`] |
//! | see whether a layer calls what it wraps, and how | [`http_probe`] |
//! | run a real server as the other side | [`counterpart::Counterpart`] |
//!
//! [`guide`] goes from one handler to the whole server, step by step.
//!
//! # A whole server
//!
//! The stack that production runs, with another clock and sink, and tokens of an identity
//! provider in the test. A request without the host of the resource is answered 403, as it
//! would be in production.
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use portcullis::{Principal, Stack, jwt::{Issuer, Jwt}};
//! use portcullis_testing::{
//!     audit::RecordingAudit, clock::VirtualClock, identity_provider::IdentityProvider,
//! };
//! use std::time::Duration;
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (clock, audit) = (VirtualClock::new(), RecordingAudit::new());
//! let idp = IdentityProvider::new().with_clock(clock.clone()).serve().await;
//! let (gate, handle) = Stack::builder()
//!     .with_clock(clock.clone())
//!     .with_audit(audit.clone())
//!     .with_resource("https://agent.example/")
//!     // The provider is on this machine; a real one needs no such permission.
//!     .add_authenticator(Jwt::new(
//!         Issuer::new(idp.issuer()).dangerously_allow_local_network(),
//!     ))
//!     .build()?;
//! handle.ready().await?;
//! let router = Router::new()
//!     .route("/", get(async |principal: Principal| principal.subject().to_owned()));
//! let guarded = gate.guard(router);
//!
//! let token = idp.token("alice").with_audience("https://agent.example/").mint();
//! let request = || {
//!     http::Request::builder()
//!         .header("host", "agent.example")
//!         .header("authorization", format!("Bearer {token}"))
//!         .body(Body::empty())
//! };
//! let response = guarded.clone().oneshot(request()?).await?;
//! assert_eq!(response.status(), 200);
//! audit.assert_admitted("alice");
//! # drop(audit.take());
//!
//! clock.advance(Duration::from_secs(24 * 3600));
//! let response = guarded.oneshot(request()?).await?;
//! assert_eq!(response.status(), 401);
//! audit.assert_refused("jwt_expired", 401);
//! # Ok(())
//! # }
//! ```
//!
//! Without tokens, [`mock_auth::MockAuth`] takes the place of the authenticator.

pub mod api_key_contract;
pub mod audit;
pub mod clock;
pub mod contract;
pub mod counterpart;
pub mod dpop;
pub mod far_store;
pub mod faulty_signals;
pub mod faulty_store;
pub mod guide;
pub mod http_probe;
pub mod identity_provider;
pub mod mock_auth;
pub mod mock_binding;
pub mod mock_session;
pub mod mock_step_up;
pub mod quota_contract;
pub mod replay_contract;
pub mod revocation_contract;
pub mod signal_contract;
pub mod store_contract;
