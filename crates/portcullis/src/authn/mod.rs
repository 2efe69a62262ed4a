//! Who calls: turns evidence into a [`Principal`](crate::Principal).
//!
//! ```
//! use http::{Request, StatusCode};
//! use portcullis::{Exchange, authn::AuthnLayer};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//! # use portcullis::{Authenticator, Check, Description, Evidence, EvidenceKind, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
//! #         Check::Done(match request.bearer() {
//! #             Some("good") => Verdict::accept(Evidence::new(EvidenceKind::Standing, "keys", "alice")),
//! #             Some(_) => Verdict::NotMine,
//! #             None => Verdict::Absent,
//! #         })
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = AuthnLayer::builder().add_authenticator(Keys).build()?;
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(
//!     async |request: Request<String>| {
//!         let exchange = Exchange::of(request.extensions()).expect("the layer is there");
//!         let name = exchange.principal().expect("no route is anonymous").subject().to_owned();
//!         Ok::<_, std::convert::Infallible>(http::Response::new(name))
//!     },
//! ));
//!
//! let request = Request::builder().header("authorization", "Bearer good").body(String::new())?;
//! assert_eq!(service.clone().oneshot(request).await?.status(), StatusCode::OK);
//!
//! let response = service.oneshot(Request::new(String::new())).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"agent\"");
//! # Ok(())
//! # }
//! ```
//!
//! Customised: two authenticators in order, a route without a credential, and metadata for
//! clients that look for the authorization server.
//!
//! ```
//! use portcullis::authn::AuthnLayer;
//! # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
//! # struct Keys;
//! # impl Authenticator for Keys {
//! #     fn describe(&self) -> Description { Description::bearer("keys") }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//! # struct Tokens;
//! # impl Authenticator for Tokens {
//! #     fn describe(&self) -> Description {
//! #         Description::bearer("tokens").add_authorization_server("https://idp.example")
//! #     }
//! #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
//! # }
//!
//! let layer = AuthnLayer::builder()
//!     .with_resource("https://agent.example/mcp")
//!     .with_challenge_scopes("notes.read")
//!     .add_authenticator(Tokens)
//!     .add_authenticator(Keys)
//!     .add_anonymous_route("/health")
//!     .build()?;
//! # let _ = layer;
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # What is answered
//!
//! | request | status | challenge |
//! |---|---|---|
//! | no credential | 401 | where to get one, without `error` |
//! | `Authorization` twice or malformed, two kinds of credential, a token in the query or a cookie | 400 | `error="invalid_request"` |
//! | a credential that is bad, or that no authenticator knows | 401 | `error="invalid_token"` |
//! | a credential that is bound to a key, from whoever has not shown that he holds it | 401 | `error="invalid_token"`, `invalid_dpop_proof` or `use_dpop_nonce` |
//! | a credential that has been [revoked](crate::revocation) | 401 | `error="invalid_token"` |
//! | the [cookie](crate::session#cookies) of a session that is there twice or spelled otherwise | 400 | `error="invalid_request"` |
//! | such a cookie that leads nowhere, or was replaced | 401 | `error="invalid_token"` |
//! | such a cookie, with what may change something, from a page of another site | 403 | none |
//! | a credential that is good, and has been used as often as it may be for now | 429 | none; `Retry-After` |
//! | a credential that cannot be judged now | 503 | none; `Retry-After` |
//! | any of these, from a sender that has spent its budget of refusals | 429 | none; `Retry-After` |
//! | a CORS preflight | 204 | none; it never reaches the handler |
//!
//! The body is a problem of RFC 9457 with the request's id, and nothing about the reason: that
//! stands in the record.
//!
//! # What the handler gets
//!
//! The request without the headers that carried a credential, and the principal by
//! [`Exchange::of`](crate::Exchange::of). The response gets `Cache-Control: no-store` unless
//! the handler has set the header itself.

mod admit;
mod anonymous;
mod builder;
mod chain;
mod decide;
mod descriptions;
mod layer;
mod possession;
mod service;

pub use self::{builder::AuthnBuilder, layer::AuthnLayer, service::Authn};
pub(crate) use self::{
    builder::{AuthnSettings, authn_setters, keep},
    chain::{AnyAuthenticator, Ending, Readying, Verifying},
};
