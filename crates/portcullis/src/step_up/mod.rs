//! What a caller has to show beyond a good credential: scopes, and a strong or recent
//! authentication.
//!
//! ```
//! use http::{Request, StatusCode};
//! use portcullis::{authn::AuthnLayer, step_up::{Requirement, StepUpLayer}};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//! # use portcullis::{Authenticator, Check, Description, Evidence, EvidenceKind, RequestView, Scopes, Verdict};
//! # struct Tokens;
//! # impl Authenticator for Tokens {
//! #     fn describe(&self) -> Description { Description::bearer("tokens") }
//! #     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
//! #         let scopes = Scopes::parse(request.bearer().unwrap_or_default()).unwrap();
//! #         let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
//! #         Check::Done(Verdict::accept(alice.with_scopes(scopes)))
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let step_up = StepUpLayer::builder()
//!     .with_requirement(Requirement::new().with_scopes("notes.read"))
//!     .build()?;
//! let service = ServiceBuilder::new()
//!     .layer(AuthnLayer::builder().add_authenticator(Tokens).build()?)
//!     .layer(step_up)
//!     .service(service_fn(async |_: Request<String>| {
//!         Ok::<_, std::convert::Infallible>(http::Response::new(String::from("a note")))
//!     }));
//!
//! let request = |scope| {
//!     let request = Request::builder().header("authorization", format!("Bearer {scope}"));
//!     request.body(String::new())
//! };
//! assert_eq!(service.clone().oneshot(request("notes.read")?).await?.status(), StatusCode::OK);
//!
//! let refused = service.oneshot(request("mail.read")?).await?;
//! assert_eq!(refused.status(), StatusCode::FORBIDDEN);
//! let challenge = refused.headers()["www-authenticate"].to_str()?;
//! assert!(challenge.contains(r#"error="insufficient_scope", scope="notes.read""#));
//! # Ok(())
//! # }
//! ```
//!
//! Customised: more on one route, more for an operation that a handler asks for while it
//! answers, and a scope that stands for another.
//!
//! ```
//! use portcullis::step_up::{Requirement, StepUpLayer};
//! use std::time::Duration;
//!
//! let layer = StepUpLayer::builder()
//!     .add_implied_scope("payments.write", "payments.read")
//!     .add_route_requirement("/payments/{id}", Requirement::new().with_scopes("payments.read"))
//!     .require(
//!         "payments.transfer",
//!         Requirement::new()
//!             .with_scopes("payments.write")
//!             .add_acr("phr")
//!             .with_max_age(Duration::from_secs(300)),
//!     )
//!     .require("payments.list", Requirement::new())
//!     .build()?;
//! # let _ = layer;
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # Where a requirement holds
//!
//! - [`with_requirement`](StepUpBuilder::with_requirement): for every request and every call.
//! - [`add_route_requirement`](StepUpBuilder::add_route_requirement): on one route besides,
//!   which is matched as anonymous routes are.
//! - [`require`](StepUpBuilder::require): for one named operation besides, when a handler asks
//!   for it with [`Exchange::authorize`](crate::Exchange::authorize); see
//!   [`authorize`](crate::authorize).
//!
//! In the stack the layer stands innermost, and is off unless `with_step_up` is called. A layer
//! of its own may stand around single routes as well, inside a gate that has one already: inner
//! layers only tighten. A request has to meet all of them; an operation has to be named by the
//! outermost, and to meet what every one requires for it.
//!
//! A gate has recorded that it let a request in by the time that such an inner layer refuses
//! it. The refusal is then a second record with the same id.
//!
//! # What is answered
//!
//! | request | status | challenge |
//! |---|---|---|
//! | a path that can be read in two ways, where routes have requirements and none was matched | 400 | none |
//! | an anonymous caller, where anything is required | 401 | that of `authn` |
//! | a user who has authenticated too weakly, or too long ago | 401 | `error="insufficient_user_authentication"` (RFC 9470), with `acr_values` and `max_age` as required |
//! | a scope that is missing | 403 | `error="insufficient_scope"` (RFC 6750), with `scope` |
//! | a machine whose credential does not stand for a user who has authenticated so | 403 | none |
//! | a user for whom challenges have not helped | 403 | none |
//! | a credential that is not bound to its sender, where it has to be; a token that was issued too long ago | 401 | `error="invalid_token"` |
//! | the same of a credential that cannot be fetched anew, or does not say when it was issued | 403 | none |
//!
//! A challenge asks for everything that is required at this place at once, also for scopes that
//! were granted already; what the token had besides it does not know, and clients keep. One to
//! authenticate again names the scopes as well, or the new token might lack them. For a method
//! (`amr`) it has no parameter, and names the class that
//! [stands for it](Requirement::add_acr_hint). With each of them goes `resource_metadata`, where
//! there is an authorization server to find.
//!
//! # Why nobody is sent round for ever
//!
//! Some clients fetch a new token and do not read what the challenge asks for, and some
//! authorization servers cannot give it. So there is an answer beside the challenge: a plain
//! 403, at which a client has nothing to try again.
//!
//! - Without any memory it is given where no authorization server could help: to API keys, to
//!   certificates and to client applications on their own behalf, where a user would have to
//!   authenticate.
//! - A user is challenged three times for the same requirement with a new token each, that is,
//!   one that was issued later than those before. The fourth new token in a row that lacks the
//!   same is answered with the plain 403, until five minutes have passed without an attempt.
//!   Sending the same token again counts as nothing and is answered as before. Nor does it
//!   count if the user has authenticated since the last time and is only too late once more.
//!
//! What is remembered is bounded, is kept in this process alone, and decides between those two
//! answers. It never decides who passes.
//!
//! # What the handler gets
//!
//! The request as it was.

mod builder;
mod decide;
mod demand;
mod layer;
mod requirement;
mod requirements;
mod rounds;
mod settings;
mod unknown;

pub use self::{
    builder::StepUpBuilder,
    layer::{StepUp, StepUpLayer},
    requirement::Requirement,
};
pub(crate) use self::{requirements::Requirements, settings::StepUpSettings};
