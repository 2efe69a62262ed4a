//! What a request may look like before anybody asks who sent it.
//!
//! ```
//! use http::{Request, StatusCode};
//! use portcullis::perimeter::PerimeterLayer;
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = PerimeterLayer::builder().add_allowed_host("agent.example").build()?;
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_| {
//!     Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
//! }));
//!
//! let ours = Request::builder().header("host", "agent.example").body(String::new())?;
//! assert_eq!(service.clone().oneshot(ours).await?.status(), StatusCode::OK);
//!
//! let rebound = Request::builder().header("host", "evil.example").body(String::new())?;
//! assert_eq!(service.oneshot(rebound).await?.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```
//!
//! Customised: behind a proxy, for a browser application, with limits of its own.
//!
//! ```
//! use portcullis::perimeter::PerimeterLayer;
//! use std::time::Duration;
//!
//! let layer = PerimeterLayer::builder()
//!     .add_allowed_host("agent.example")
//!     .add_allowed_origin("https://app.example")
//!     .add_trusted_proxy("10.0.0.0/8")
//!     .with_max_body(64 * 1024)
//!     .with_refusal_budget(30, Duration::from_secs(60))
//!     .build()?;
//! # let _ = layer;
//! # Ok::<(), portcullis::ConfigErrors>(())
//! ```
//!
//! # What is answered
//!
//! | request | status |
//! |---|---|
//! | `CONNECT`; a path that can be read in two ways; `Content-Length` twice or malformed | 400 |
//! | a certificate header of a trusted proxy that is there twice, or cannot be read | 400 |
//! | `Host` missing, twice, or not ours; `Origin` twice or not on the list | 403 |
//! | a body that is longer than the limit by its own account | 413 |
//! | a URI that is longer than the limit | 414 |
//! | headers beyond the limits | 431 |
//! | any of these, from a sender that has spent its budget of refusals | 429 |
//!
//! A body that turns out longer than the limit ends with an error, which axum answers with
//! 413. The budget of refusals is spent by what other layers refuse as well, as long as nobody
//! knows the caller, and `authn` too answers 429 then.
//!
//! # What the handler gets
//!
//! The request without headers that name a caller (see
//! [`PerimeterBuilder::add_identity_header`]), without `Upgrade` but on
//! [routes that may](PerimeterBuilder::add_upgrade_route), and with its body limited.
//! The client's address stands in the [`Exchange`](crate::Exchange).
//!
//! # Where the certificate of a client comes from
//!
//! From a listener that ends TLS, or from a trusted proxy that does, in the header that
//! [`with_certificate_header`](PerimeterBuilder::with_certificate_header) names. Never from both: on a
//! connection on which the other end has proved itself with a certificate of its own, the header
//! counts only if that is [the proxy's](PerimeterBuilder::add_proxy_certificate). From everybody else
//! the header is removed, and so are those in which other proxies say the same.
//!
//! # Where the address comes from
//!
//! The peer of the connection is the client, unless proxies are named with
//! [`add_trusted_proxy`](PerimeterBuilder::add_trusted_proxy): then it is the right-most hop
//! that is none of them. The server says who the peer is:
//! `Gate::guard` does so by itself, others attach a
//! [`PeerAddress`](crate::PeerAddress). Without one, all senders share one budget, and the
//! first request logs a WARN. Behind a proxy that is not named they share the proxy's.

mod address;
mod authority;
mod budget;
mod builder;
mod certificate_header;
mod decide;
mod identity_headers;
mod layer;

pub use self::{
    address::ForwardedHeader,
    builder::PerimeterBuilder,
    certificate_header::CertificateHeader,
    layer::{Perimeter, PerimeterLayer},
};
pub(crate) use self::{builder::PerimeterSettings, decide::Charge};
