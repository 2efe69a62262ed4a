//! Access tokens for portcullis: authenticators for resource servers.
//!
//! [`Jwt`] reads tokens that say themselves what they are worth; [`Introspection`] asks about
//! those that do not; [`Dpop`] has callers prove that a token is theirs; [`BackChannelLogout`] and
//! [`SharedSignals`] hear that they are over.
//!
//! [`Jwt`] is the configuration; add it to a stack as an authenticator. It accepts
//! access tokens of the configured issuers (RFC 9068), checks them with the
//! issuers' published keys, and turns their claims into
//! [`Evidence`](portcullis_core::Evidence).
//!
//! # Example
//!
//! One issuer, whose keys are found by discovery; the audience is the resource of the stack.
//!
//! ```
//! use std::sync::Arc;
//!
//! use portcullis_core::{Site, SystemClock};
//! use portcullis_jwt::Jwt;
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! // A stack does this with its own clock and resource.
//! let site = Site::new(Arc::new(SystemClock::new())).with_resource("https://notes.example");
//! let auth = Jwt::issuer("https://idp.example").build(&site)?;
//! # Ok(())
//! # }
//! ```
//!
//! Two issuers, one of them with keys that are given and never retrieved:
//!
//! ```
//! use std::{num::NonZeroUsize, sync::Arc, time::Duration};
//!
//! use portcullis_core::{
//!     Authenticator, Check, RequestView, Site, SystemClock, Timestamp, Verdict,
//! };
//! use portcullis_jwt::{Algorithm, Issuer, Jwt, reason};
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = r#"{"keys": [{
//!     "kty": "OKP", "crv": "Ed25519", "kid": "2026-01",
//!     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
//! }]}"#;
//! let jwt = Jwt::new(Issuer::new("https://builds.example").with_static_keys(keys))
//!     .add_issuer(
//!         Issuer::new("https://idp.example")
//!             .with_jwks_url("https://idp.example/keys")
//!             .with_algorithms([Algorithm::Es256, Algorithm::Es384])
//!             .with_max_stale(Duration::from_mins(10)),
//!     )
//!     .with_audience("https://notes.example")
//!     .with_leeway(Duration::from_secs(10))
//!     .with_max_lifetime(Duration::from_hours(1))
//!     .with_token_cache(NonZeroUsize::new(50_000).ok_or("zero")?);
//! let auth = jwt.build(&Site::new(Arc::new(SystemClock::new())))?;
//!
//! // `{"alg":"none"}`, without a signature.
//! let (parts, ()) = http::Request::builder()
//!     .header("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2J1aWxkcy5leGFtcGxlIn0.")
//!     .body(())?
//!     .into_parts();
//! let view = RequestView::new(&parts, Timestamp::from_unix_seconds(1_800_000_000));
//! let Check::Done(Verdict::Reject(rejection)) = auth.check(&view) else {
//!     return Err("no rejection".into());
//! };
//! assert_eq!(rejection.reason(), reason::TYP);
//! # Ok(())
//! # }
//! ```
//!
//! # Whose credential is it
//!
//! A bearer credential that does not look like a JWT (segments with dots, the first of which
//! is base64url of something that begins with `{`) is left to the next authenticator, and so
//! is a token whose `iss` is none of the configured issuers. Every other token is accepted or
//! refused here.
//!
//! # What is checked
//!
//! In this order; whatever fails ends it, with a code of [`reason`]:
//!
//! 1. The token has at most 16 KiB, three segments, and is canonical base64url.
//! 2. Header and payload are one JSON object each, with every member once.
//! 3. `iss` is a configured issuer, byte for byte.
//! 4. The header has no `crit`, `b64`, `zip` or `cty`; its `typ` is `at+jwt`, or the token is of
//!    a [`provider`] and is known for an access token of it otherwise; its `alg` is
//!    asymmetric and allowed. Members that carry or point to keys are ignored.
//! 5. `exp`, `nbf`, `iat` and the lifetime fit the clock; `aud` names this server. (Tokens of
//!    [Cognito](provider::cognito) may go without; their client is one that is named.)
//! 6. The key is the one of this issuer with the token's `kid`, and is for its `alg`; without
//!    `kid`, the only one for that `alg`.
//! 7. The signature.
//! 8. `sub` and `client_id` are there, and every other claim that is read is of its type.
//!
//! The evidence is of a client where `sub` equals `client_id`, otherwise of a user. An issuer
//! that lets users choose their `sub` lets them pass as clients (RFC 9700 §4.15).
//!
//! # What a known token skips
//!
//! The signature, and nothing else that can change: the time and whether the issuer has
//! withdrawn the key are looked at for every request. Tokens are known by a 128-bit hash with
//! a key that is drawn when the authenticator is built; none is kept.
//!
//! A signature is computed where the request is handled, without waiting: at most one per
//! worker thread at a time. For a [restricted](portcullis_core::RequestView::is_restricted)
//! request none is.
//!
//! # Features
//!
//! - `aws-lc-rs` (default): computes with AWS-LC.
//! - `rust-crypto`: computes with the `RustCrypto` crates instead. Their `rsa` crate carries
//!   RUSTSEC-2023-0071, which concerns private keys; none is used here. Where both are on,
//!   AWS-LC computes.
//! - `reqwest` (default): a built-in [`HttpClient`].

pub mod alb;
mod algorithm;
pub mod assertion;
mod authenticator;
mod backend;
mod claims;
pub mod dpop;
mod explanation;
mod fault;
mod flights;
mod header;
mod http;
pub mod introspection;
mod issuer;
mod json;
mod judge;
mod jwt;
mod key;
mod key_source;
pub mod logout;
mod once;
mod profile;
pub mod provider;
pub mod reason;
pub mod shared_signals;
mod signed_notice;
mod token;
mod token_cache;

pub use self::{
    alb::{AlbAuthenticator, AlbUserClaims},
    algorithm::Algorithm,
    assertion::ProxyAssertion,
    authenticator::{JwtAuthenticator, Stats},
    dpop::{Dpop, DpopVerifier},
    explanation::{ExplainedStep, Explanation, StepOutcome},
    http::{HttpClient, HttpError, HttpRequest},
    introspection::{ClientCredentials, Introspection, IntrospectionAuthenticator},
    issuer::Issuer,
    jwt::Jwt,
    logout::{BackChannelLogout, LogoutReceiver},
    shared_signals::{SharedSignals, SignalsReceiver},
};

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
compile_error!("portcullis-jwt needs one of the features `aws-lc-rs` and `rust-crypto`");
