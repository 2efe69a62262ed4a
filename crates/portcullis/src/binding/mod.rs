//! Whether a session still comes from where it came from.
//!
//! A bearer token works for whoever has it. This layer keeps, with each session, the network
//! that it came from, its `User-Agent` and, where clients send one, the id of a device; and it
//! says when a request of the same session comes from elsewhere. These are signals, not
//! proofs: people travel and programs are updated, so that a difference is noted unless the
//! operator has the user authenticate again.
//!
//! ```
//! use http::{Request, StatusCode, header};
//! use portcullis::{
//!     authn::AuthnLayer,
//!     binding::{BindingLayer, Reaction},
//!     session::SessionLayer,
//! };
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//! # use portcullis::{Authenticator, Check, Description, Evidence, EvidenceKind, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
//! #         Check::Done(match request.bearer() {
//! #             Some(name) => Verdict::accept(Evidence::new(EvidenceKind::User, "keys", name)),
//! #             None => Verdict::Absent,
//! #         })
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(AuthnLayer::builder().add_authenticator(Keys).build()?)
//!     .layer(SessionLayer::builder().build()?)
//!     .layer(BindingLayer::builder().with_user_agent(Reaction::Ask).build()?)
//!     .service(service_fn(async |_| {
//!         Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
//!     }));
//!
//! let request = |agent: &str| {
//!     Request::builder()
//!         .header(header::AUTHORIZATION, "Bearer alice")
//!         .header(header::USER_AGENT, agent)
//!         .body(String::new())
//! };
//! let status = async |agent| -> Result<_, Box<dyn std::error::Error>> {
//!     Ok(service.clone().oneshot(request(agent)?).await?.status())
//! };
//! assert_eq!(status("assistant/1.0").await?, StatusCode::OK);
//! assert_eq!(status("thief/0.1").await?, StatusCode::UNAUTHORIZED);
//! // Nobody was logged out.
//! assert_eq!(status("assistant/1.0").await?, StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! Customised, and in a stack: the id of a device, a wider network, and no look at the
//! `User-Agent`.
//!
//! ```
//! use http::HeaderName;
//! use portcullis::{
//!     Stack,
//!     binding::{BindingLayer, Reaction},
//!     session::SessionLayer,
//! };
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
//!     .with_session(SessionLayer::builder())
//!     .with_binding(
//!         BindingLayer::builder()
//!             .with_device_header(HeaderName::from_static("x-device-id"))
//!             .with_device(Reaction::Ask)
//!             .with_ipv4_prefix(16)
//!             .without_user_agent(),
//!     )
//!     .build()?;
//! # let _ = (gate, handle);
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # What is compared
//!
//! | attribute | reference | differs if | reason |
//! |---|---|---|---|
//! | network | the first of each address family: /24 by IPv4, /48 by IPv6 | the address is in another network | `drift_network` |
//! | user agent | the first `User-Agent` | it is another, or there is none | `drift_user_agent` |
//! | device | the first value of the [header](BindingBuilder::with_device_header) | it is another, or there is none | `drift_device` |
//!
//! The first request of a session sets the references. One that is still missing then, such as
//! that of the other address family, is set by the first request that has it and differs in
//! nothing else. A user who has authenticated anew (`auth_time`) sets those that the request
//! shows again, and none becomes unset by it: where there was a device id, a request without
//! one differs for ever.
//!
//! # What is answered
//!
//! | request | status | challenge |
//! |---|---|---|
//! | differs, and the reaction is [`Note`](Reaction::Note) | as the handler answers | none; one record of kind `drift` for each attribute |
//! | differs, and the reaction is [`Ask`](Reaction::Ask), credential of a user | 401 | `error="insufficient_user_authentication"`, `max_age="0"` |
//! | differs, and the reaction is `Ask`, other credentials | 401 | `error="invalid_token"` |
//! | the session ended while this layer asked the store | 401 | `error="invalid_token"` |
//! | the store cannot say | 503 | none, `Retry-After` |
//!
//! A difference never ends a session, so a thief cannot log anybody out; and what is refused
//! here is no activity. A refusal has one record, with the first attribute for which the user
//! is asked. Anonymous requests have no session, and pass.
//!
//! # Where it stands
//!
//! In the stack, by [`StackBuilder::with_binding`](crate::stack::StackBuilder::with_binding);
//! or as a loose layer inside `session`. A network is known only inside a `perimeter`.
//!
//! # What is kept
//!
//! 32 bytes in the record of each session, [`BindingReference`](crate::session::BindingReference):
//! keyed hashes, of 32 bits for each network and 64 bits for the others. No address and no
//! header is kept, and two sessions from one place have nothing in common. The store is told
//! when a reference is set, and is not asked otherwise.

mod builder;
mod decide;
mod drift;
mod layer;

pub(crate) use self::builder::BindingSettings;
pub use self::{
    builder::{BindingBuilder, Reaction},
    layer::{BindingLayer, Bound},
};
