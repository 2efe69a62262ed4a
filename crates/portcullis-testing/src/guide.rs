//! How to test an agent of your own, from one handler to the whole server.
//!
//! Everything below runs as it stands. The rule behind all of it: **there is no mock of a
//! decision**. A mock layer brings a caller and the layers that come before the one you want to
//! see, and runs the real ones. What your test sees is what production does.
//!
//! # The agent
//!
//! A handler that does one dangerous thing, and asks first. The tool takes a
//! [`Permit`](portcullis::Permit), so there is no way to it around the question:
//!
//! ```
//! use axum::{Router, routing::post};
//! use portcullis::{Denial, Exchange, Permit};
//!
//! fn transfer(permit: Permit<u64>) -> String {
//!     format!("sent {} cents", permit.spend())
//! }
//!
//! async fn pay(exchange: Exchange) -> Result<String, Denial> {
//!     let permit = exchange.authorize("payments.transfer", 500).await?;
//!     Ok(transfer(permit))
//! }
//!
//! fn agent() -> Router {
//!     Router::new().route("/pay", post(pay))
//! }
//! # let _ = agent();
//! ```
//!
//! # Who may, and who may not
//!
//! [`MockStepUp`](crate::mock_step_up::MockStepUp) permits or refuses what the handler asks for;
//! with settings of your own it holds the caller of your choice against your requirements. Give
//! it the settings that production has, and the test is one of them too:
//!
//! ```
//! # use axum::{Router, routing::post};
//! # use portcullis::{Denial, Exchange, Permit};
//! # async fn pay(exchange: Exchange) -> Result<String, Denial> {
//! #     let permit: Permit<u64> = exchange.authorize("payments.transfer", 500).await?;
//! #     Ok(format!("sent {} cents", permit.spend()))
//! # }
//! # fn agent() -> Router { Router::new().route("/pay", post(pay)) }
//! use axum::body::Body;
//! use portcullis::step_up::{Requirement, StepUpBuilder, StepUpLayer};
//! use portcullis_testing::{mock_auth::MockAuth, mock_step_up::MockStepUp};
//! use tower::ServiceExt as _;
//!
//! /// What production requires too.
//! fn requirements() -> StepUpBuilder {
//!     StepUpLayer::builder().require(
//!         "payments.transfer",
//!         Requirement::new().with_scopes("payments").add_acr("urn:example:strong"),
//!     )
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let status = async |caller: MockAuth| {
//!     let app = agent().layer(MockStepUp::new(caller, requirements()));
//!     let request = http::Request::post("/pay").body(Body::empty()).unwrap();
//!     app.oneshot(request).await.unwrap().status()
//! };
//! let alice = MockAuth::user("alice");
//! assert_eq!(status(alice.clone()).await, 401); // she could authenticate more strongly
//! let alice = alice.with_acr("urn:example:strong");
//! assert_eq!(status(alice.clone()).await, 403); // a scope is missing
//! assert_eq!(status(alice.with_scopes("payments")).await, 200);
//! # }
//! ```
//!
//! # What ends, and with it what runs
//!
//! [`MockSession`](crate::mock_session::MockSession) gives every request a session of the same
//! caller. Time is a [`VirtualClock`](crate::clock::VirtualClock): nothing sleeps, and an hour
//! passes in no time. That nothing is left running is seen by what it would have done:
//!
//! ```
//! use std::{sync::{Arc, atomic::{AtomicU64, Ordering}}, time::Duration};
//! use axum::{Router, body::Body, routing::post};
//! use portcullis::{Clock as _, session::{Session, SessionLayer}};
//! use portcullis_testing::{clock::VirtualClock, mock_auth::MockAuth, mock_session::MockSession};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (clock, steps) = (VirtualClock::new(), Arc::new(AtomicU64::new(0)));
//!
//! // An agent that goes on after it has answered: once a second it does something.
//! let (time, counter) = (clock.clone(), Arc::clone(&steps));
//! let start = async move |session: Session| {
//!     let work = async move {
//!         loop {
//!             time.sleep_until(time.instant() + Duration::from_secs(1)).await;
//!             counter.fetch_add(1, Ordering::SeqCst);
//!         }
//!     };
//!     tokio::spawn(async move { session.run(work).await });
//! };
//! let settings = SessionLayer::builder()
//!     .with_clock(clock.clone())
//!     .with_idle(Duration::from_secs(60));
//! let app = Router::new()
//!     .route("/start", post(start))
//!     .layer(MockSession::new(MockAuth::user("alice"), settings));
//!
//! let request = http::Request::post("/start").body(Body::empty()).unwrap();
//! assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 200);
//!
//! let pass = async |seconds: u64| {
//!     for _ in 0..seconds {
//!         clock.advance(Duration::from_secs(1));
//!         for _ in 0..20 {
//!             tokio::task::yield_now().await; // let the tasks of this thread get on
//!         }
//!     }
//! };
//! pass(30).await;
//! assert!(steps.load(Ordering::SeqCst) > 20); // it works
//! pass(60).await;
//! let at_the_end = steps.load(Ordering::SeqCst);
//! pass(60).await;
//! assert_eq!(steps.load(Ordering::SeqCst), at_the_end); // and has stopped
//! # }
//! ```
//!
//! # From another device
//!
//! [`MockBinding`](crate::mock_binding::MockBinding) lets a test be the thief who has the token
//! and not the device:
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::{HeaderName, Request};
//! use portcullis::binding::{BindingLayer, Reaction};
//! use portcullis_testing::{mock_auth::MockAuth, mock_binding::MockBinding};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let settings = BindingLayer::builder()
//!     .with_device_header(HeaderName::from_static("x-device-id"))
//!     .with_device(Reaction::Ask);
//! let app = Router::new()
//!     .route("/", get(async || "done"))
//!     .layer(MockBinding::new(MockAuth::user("alice"), settings));
//! let from = async |device: &str| {
//!     let request = Request::get("/").header("x-device-id", device);
//!     let request = request.body(Body::empty()).unwrap();
//!     app.clone().oneshot(request).await.unwrap().status()
//! };
//! assert_eq!(from("laptop").await, 200);
//! assert_eq!(from("thief").await, 401);
//! assert_eq!(from("laptop").await, 200); // the owner is still in
//! # }
//! ```
//!
//! # When a store is down
//!
//! A [`FaultyStore`](crate::faulty_store::FaultyStore) is the store you have, until you say that
//! it fails. Nobody is let in then, and a good caller is let in again afterwards:
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use portcullis::session::{MemorySessions, SessionLayer};
//! use portcullis_testing::{
//!     faulty_store::FaultyStore, mock_auth::MockAuth, mock_session::MockSession,
//! };
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let store = FaultyStore::new(MemorySessions::default());
//! let settings = SessionLayer::builder().with_store(store.clone());
//! let app = Router::new()
//!     .route("/", get(async || "done"))
//!     .layer(MockSession::new(MockAuth::user("alice"), settings));
//! let ask = async || app.clone().oneshot(http::Request::new(Body::empty())).await.unwrap();
//!
//! store.set_failing(true);
//! assert_eq!(ask().await.status(), 503);
//! store.set_failing(false);
//! assert_eq!(ask().await.status(), 200);
//! # }
//! ```
//!
//! # What was written down
//!
//! A [`RecordingAudit`](crate::audit::RecordingAudit) takes the place of the sink. Its
//! assertions say which record they miss, and which were there:
//!
//! ```
//! # use axum::{Router, routing::post};
//! # use portcullis::{Denial, Exchange, Permit};
//! # async fn pay(exchange: Exchange) -> Result<String, Denial> {
//! #     let permit: Permit<u64> = exchange.authorize("payments.transfer", 500).await?;
//! #     Ok(format!("sent {} cents", permit.spend()))
//! # }
//! # fn agent() -> Router { Router::new().route("/pay", post(pay)) }
//! use axum::body::Body;
//! use portcullis::{Stack, step_up::{Requirement, StepUpLayer}};
//! use portcullis_testing::{audit::RecordingAudit, mock_auth::MockAuth};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let audit = RecordingAudit::new();
//! let (gate, _handle) = Stack::builder()
//!     .with_resource("https://agent.example/")
//!     .with_audit(audit.clone())
//!     .add_authenticator(MockAuth::user("alice"))
//!     .with_step_up(
//!         StepUpLayer::builder()
//!             .require("payments.transfer", Requirement::new().with_scopes("payments")),
//!     )
//!     .build()?;
//! let request = http::Request::post("/pay")
//!     .header("host", "agent.example")
//!     .body(Body::empty())?;
//! let response = gate.guard(agent()).oneshot(request).await?;
//! assert_eq!(response.status(), 403);
//! audit.assert_admitted("alice"); // the request was let in,
//! audit.assert_call_refused("payments.transfer", "scope_missing"); // the call was not
//! # Ok(())
//! # }
//! ```
//!
//! # The whole server, with tokens
//!
//! The [crate page](crate#a-whole-server) has the stack of production with an identity provider
//! in the test; [`Counterpart`](crate::counterpart::Counterpart) runs a real one, or any other
//! server, for as long as a test needs it.
//!
//! # A plug-in of your own
//!
//! An authenticator, or a store, is proved by one line: the contract is a module of tests.
//! See [`authenticator_contract!`](crate::authenticator_contract),
//! [`session_store_contract!`](crate::session_store_contract) and
//! [`api_key_store_contract!`](crate::api_key_store_contract).
