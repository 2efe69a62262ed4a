//! A first gate, in five steps. Each is a program that could be deployed.
//!
//! # 1. Somebody has to be known
//!
//! The least that a gate needs is its own name and one way to tell who calls. Its name is the
//! URL under which clients reach it: the audience that tokens must be for, and the `Host` that
//! requests must have.
//!
#![cfg_attr(all(feature = "jwt", feature = "axum"), doc = "```")]
#![cfg_attr(not(all(feature = "jwt", feature = "axum")), doc = "```ignore")]
//! use axum::{Router, routing::post};
//! use portcullis::{Principal, Stack, jwt::Jwt};
//!
//! async fn chat(principal: Principal) -> String {
//!     format!("hello {}", principal.subject())
//! }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Jwt::issuer("https://idp.example"))
//!     .build()?;
//! let guarded = gate.guard(Router::new().route("/chat", post(chat)));
//! // handle.ready().await?;                    // the issuer's keys are there
//! // axum::serve(listener, guarded).await?;
//! # let _ = (guarded, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! Everything that can be wrong with the settings comes out of `build`, at once, and names the
//! setting. A client without a token is answered 401 with a challenge that leads it to the
//! issuer (RFC 9728): MCP clients follow it by themselves.
//!
//! # 2. Not everything is for everybody
//!
//! A health check has no token. Routes are declared anonymous one by one, as they stand in the
//! router, with the prefix under which the router is nested, if it is; nothing else is. (Whether the
//! process lives is better asked [outside the gate](super::operation).) A machine that cannot log in
//! has an API key:
//!
#![cfg_attr(feature = "api-keys", doc = "```")]
#![cfg_attr(not(feature = "api-keys"), doc = "```ignore")]
//! use portcullis::{Secret, Stack, api_keys::{ApiKeys, KeyRing}};
//!
//! # let secret = [7; 32];
//! let keys = KeyRing::new("acme", &Secret::new(secret));
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(ApiKeys::new(keys))
//!     .add_anonymous_route("/health")
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! Keys that callers issue, rotate and revoke themselves are in a store that all servers share: a
//! `KeyRegistry` in the place of the ring. The example `api-keys` is such an agent.
//!
//! Behind a proxy the client's address is what a named proxy says it is, and nobody else: see
//! [`add_trusted_proxy`](crate::perimeter::PerimeterBuilder::add_trusted_proxy).
//!
//! # 3. Nobody is in for ever
//!
//! A check at the door says nothing about an answer that streams for an hour. With sessions, what
//! a caller began ends when the caller's time does: handlers, streams, and what was spawned with
//! [`Session::run`](crate::Session::run).
//!
//! ```
//! use std::time::Duration;
//! use portcullis::{Stack, session::SessionLayer};
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .with_session(
//!         SessionLayer::builder()
//!             .with_idle(Duration::from_secs(15 * 60))
//!             .with_absolute(Duration::from_secs(8 * 3600)),
//!     )
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # 4. Some things need more than being in
//!
//! The tool that moves money takes a [`Permit`](crate::Permit), and there is one place to get it
//! from. What is missing is told to the client, in the middle of the stream, as the challenge
//! that it would have got for a request:
//!
//! ```
//! use std::time::Duration;
//! use portcullis::{Denial, Exchange, Permit, Stack, step_up::{Requirement, StepUpLayer}};
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! fn transfer(permit: Permit<u64>) -> String {
//!     format!("sent {} cents", permit.spend())
//! }
//!
//! async fn agent_loop(exchange: Exchange) -> Result<String, Denial> {
//!     let permit = exchange.authorize("payments.transfer", 500).await?;
//!     Ok(transfer(permit))
//! }
//!
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .add_authenticator(Keys)
//!     .with_step_up(StepUpLayer::builder().require(
//!         "payments.transfer",
//!         Requirement::new()
//!             .with_scopes("payments")
//!             .with_max_age(Duration::from_secs(300)),
//!     ))
//!     .build()?;
//! # let _ = (gate, handle, agent_loop);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # 5. Somebody will ask who did it
//!
//! Each decision is one record, with a [reason code](crate::reason) that stays what it is. By
//! default records go to `tracing`, target `portcullis::decision`; [`audit`](crate::audit) says
//! how they go elsewhere. Clients are told the kind of the error and the id of the record, so a
//! user who complains can name the line of the log. What your own handlers log stands in a span
//! with the same id: see [`spans`](super::spans).
