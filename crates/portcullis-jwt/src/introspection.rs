//! Opaque tokens: asking the issuer what they are worth (RFC 7662, RFC 9701).
//!
//! [`Introspection`] is the configuration; add it to a stack as an authenticator. An opaque token
//! says nothing by itself, so its issuer is asked: whether the token is active, whose it is, and
//! what it permits. The answer is held against the same rules as the claims of a
//! [JWT](crate::Jwt), and becomes the same kind of [`Evidence`](portcullis_core::Evidence).
//!
//! # Example
//!
//! An issuer whose endpoint is found by discovery, and the secret that the agent was registered
//! with there:
//!
//! ```
//! use std::sync::Arc;
//!
//! use portcullis_core::{Secret, Site, SystemClock};
//! use portcullis_jwt::introspection::{ClientCredentials, Introspection};
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! let secret = Secret::from("from where the secrets are");
//! let credentials = ClientCredentials::client_secret_basic("notes-agent", secret);
//! // A stack builds it with its own clock and resource.
//! let site = Site::new(Arc::new(SystemClock::new())).with_resource("https://notes.example");
//! let auth = Introspection::new("https://idp.example", credentials).build(&site)?;
//! # Ok(())
//! # }
//! ```
//!
//! Only tokens with a certain prefix, signed answers, and no cache for longer than ten seconds:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use portcullis_core::{Secret, Site, SystemClock};
//! use portcullis_jwt::introspection::{ClientCredentials, Introspection};
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! # let secret = Secret::from("from where the secrets are");
//! let auth = Introspection::new(
//!     "https://idp.example",
//!     ClientCredentials::client_secret_post("notes-agent", secret),
//! )
//! .with_endpoint("https://idp.example/oauth2/introspect")
//! .with_prefix("ory_at_")
//! .with_signed_answers()
//! .with_audience("https://notes.example")
//! .with_clients(["desktop-app"])
//! .with_cache_for(Duration::from_secs(10))
//! .build(&Site::new(Arc::new(SystemClock::new())))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Whose credential is it
//!
//! A token that looks like a JWT is left to the next authenticator, unless
//! [`with_jwts`](Introspection::with_jwts) is set. Every other bearer credential with one of the
//! [prefixes](Introspection::with_prefix) is asked about; without a prefix, that is every other
//! bearer credential that comes this far. So [`Jwt`](crate::Jwt) and API keys may stand before it
//! or after it where it has a prefix; without one it has to be the last, or it would send the
//! keys of others to the issuer.
//!
//! # What is checked
//!
//! 1. The token has at most 16 KiB.
//! 2. The issuer answers, as itself: over TLS, and with
//!    [`with_signed_answers`](Introspection::with_signed_answers) by a signature of its own, for
//!    this client, not older than a minute.
//! 3. `active` is `true`.
//! 4. `token_type` is `Bearer` or `DPoP`: an issuer knows of refresh tokens as well, and says that
//!    they are active. `token_use`, and the `typ` of Keycloak, do not say that it is one of those.
//! 5. `iss`, where it is there, is the issuer, byte for byte.
//! 6. `exp`, `nbf` and `iat`, where they are there, fit the clock.
//! 7. `aud` names this server; `client_id` is one of
//!    [`with_clients`](Introspection::with_clients), if that is set.
//! 8. `sub` is there, or `client_id` for a token that a client got for itself; all that is read is
//!    of its type.
//!
//! `cnf` is read, so that [proofs of possession](crate::dpop) are asked for as with any token.
//!
//! # What it costs
//!
//! A request for each token and each span of [`with_cache_for`](Introspection::with_cache_for),
//! however many requests come with the token at the same time. That span is also how long a token
//! stays good here after the issuer has revoked it; a revocation at the gate itself
//! takes effect on the next request. A refusal is kept for five seconds at most. Answers are found by
//! a 128-bit hash with a key that is drawn when the authenticator is built.
//!
//! # What runs
//!
//! A stream is not over when the answer about its token is. So the issuer is asked again after each
//! span (of 30 seconds [without a cache](Introspection::without_cache)) for as long as something runs
//! with the token, and what runs is cut when it says that the token is not good any more, unless a
//! later token of the same session covers it. While the issuer cannot be asked, it goes on. For that
//! the token is kept in memory, which is overwritten afterwards: until the span is over, and while
//! something runs with it. Up to 65 536 tokens are looked after at a time.
//!
//! # When the issuer does not answer
//!
//! Then the request is answered with 503, and that is never taken for an answer: not for "active",
//! not for "inactive", and the next request asks again. What is in the cache is good for as long
//! as it would have been.

mod answer;
mod authenticator;
mod cache;
mod credentials;
mod endpoint;
mod explanation;
mod settings;
mod signed;
mod watch;

pub use self::{
    authenticator::{IntrospectionAuthenticator, Stats},
    credentials::ClientCredentials,
    settings::Introspection,
};
