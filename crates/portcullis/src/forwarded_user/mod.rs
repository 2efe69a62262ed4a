//! Users that a proxy names in plain headers, for proxies that cannot sign what they say.
//!
//! oauth2-proxy, and the `auth_request` or `forward_auth` of other proxies, let a person log in and
//! write into each request who it is: `X-Forwarded-User`, `X-Forwarded-Groups`. Such a header proves
//! nothing: anybody can write it. So it counts only on a hop on which the proxy has proved itself,
//! and everything here that says so begins with `dangerously_`.
//!
//! **Prefer an assertion** where there is one: `jwt::ProxyAssertion` is for proxies that sign. Or
//! have oauth2-proxy hand on the access token (`--pass-access-token`), and check that.
//!
//! # Example
//!
//! The proxy connects with a certificate, of which this is the SHA-256 digest:
//!
//! ```
//! use portcullis::{Stack, forwarded_user::{ForwardedUser, Hop}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let proxy = Hop::certificate("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
//! let users = ForwardedUser::dangerously_from_headers_of(proxy, "https://sso.acme.example");
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://notes.example/")
//!     .add_authenticator(users)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! The proxy writes a secret beside, the user stands in another header, and groups count:
//!
//! ```
//! use http::HeaderName;
//! use portcullis::{Secret, Stack, forwarded_user::{ForwardedUser, Hop}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let secret = Secret::from("the same as in the configuration of the proxy");
//! let proxy = Hop::shared_secret(HeaderName::from_static("x-proxy-secret"), secret);
//! let users = ForwardedUser::dangerously_from_headers_of(proxy, "https://sso.acme.example")
//!     .with_user_header(HeaderName::from_static("x-auth-request-user"))
//!     .with_groups_as_scopes(HeaderName::from_static("x-auth-request-groups"), "group:");
//! let (gate, handle) = Stack::builder()
//!     .with_resource("https://notes.example/")
//!     .add_authenticator(users)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What the proxy owes
//!
//! - It removes these headers from what clients send, under every spelling that it passes on.
//! - It proves itself on each connection ([`Hop::certificate`]: the listener asks for client
//!   certificates and puts a [`PeerCertificate`](crate::PeerCertificate) into the request) or in each
//!   request ([`Hop::shared_secret`]). That it comes from a certain address proves nothing: other
//!   programs of that machine do too.
//! - What it writes into the user header is the user's id, not an address that is given to somebody
//!   else later.
//!
//! # What is decided
//!
//! Without the proof of the hop, a user who is named is nobody: 401. A request that brings a credential
//! of its own as well has two, and is refused with 400. With the proof, a user header that is there
//! twice, is empty, longer than 256 bytes or no plain text is refused with 400. All these headers are
//! removed before the handler, and so are the others in which oauth2-proxy speaks of the user.

mod authenticator;
mod hop;
mod settings;

pub use self::{authenticator::ForwardedUserAuthenticator, hop::Hop, settings::ForwardedUser};
