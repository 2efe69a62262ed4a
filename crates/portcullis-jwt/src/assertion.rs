//! Single sign-on in front of the agent: what a proxy says of who has logged in to it.
//!
//! [`ProxyAssertion`] is the configuration; add it to a stack as an authenticator. An identity-aware
//! proxy lets people log in, and adds to each request a header with a signed token that says who it
//! is. The token is checked like an [access token](crate::Jwt): issuer, audience, times and
//! signature. So a request that comes past the proxy, or from the proxy for another application,
//! opens nothing.
//!
//! # Example
//!
//! Behind Identity-Aware Proxy of Google Cloud; the argument is the audience that its console shows
//! ("Signed Header JWT Audience"):
//!
//! ```
//! use portcullis_jwt::ProxyAssertion;
//!
//! let auth = ProxyAssertion::google_iap("/projects/12345/global/backendServices/67890");
//! ```
//!
//! Behind Cloudflare Access, Pomerium, or another proxy that signs what it says:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use http::HeaderName;
//! use portcullis_core::{Site, SystemClock};
//! use portcullis_jwt::{Issuer, ProxyAssertion};
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! let cloudflare = ProxyAssertion::cloudflare_access(
//!     "acme",
//!     "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228",
//! );
//! let pomerium = ProxyAssertion::pomerium("notes.example").with_roles_as_scopes("group:");
//! let other = ProxyAssertion::new(
//!     HeaderName::from_static("teleport-jwt-assertion"),
//!     Issuer::new("acme.teleport.sh")
//!         .with_jwks_url("https://acme.teleport.sh/.well-known/jwks.json"),
//! )
//! .with_audience("http://localhost:8080")
//! .with_leeway(Duration::from_secs(10));
//!
//! // A stack builds them with its own clock.
//! let site = Site::new(Arc::new(SystemClock::new()));
//! for proxy in [cloudflare, pomerium, other] {
//!     let _ = proxy.build(&site)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Which proxy says what
//!
//! | | Google IAP | Cloudflare Access | Pomerium |
//! |---|---|---|---|
//! | header | `X-Goog-IAP-JWT-Assertion` | `Cf-Access-Jwt-Assertion` | `X-Pomerium-Jwt-Assertion` |
//! | `iss` | `https://cloud.google.com/iap` | `https://<team>.cloudflareaccess.com` | the host of the route |
//! | `aud` | the backend service or the application | the AUD tag of the application | the host of the route |
//! | keys | `https://www.gstatic.com/iap/verify/public_key-jwk` | `/cdn-cgi/access/certs` of the team | `/.well-known/pomerium/jwks.json` of the route |
//! | `alg` | ES256 | RS256 | ES256 |
//! | subject | `sub`, `accounts.google.com:…` | `sub`; for a service token `common_name` | `sub` |
//!
//! An email address is not the subject of anybody: it can be given to somebody else. The kind is a
//! user; for a service token of Cloudflare, a client. [AWS Application Load Balancer](crate::alb)
//! has an authenticator of its own, because what it writes is no JWT.
//!
//! # Settings of the proxy
//!
//! - **Google IAP**: none; the audience stands in the console, in the menu of the resource.
//! - **Cloudflare Access**: name the addresses of Cloudflare, or of `cloudflared`, with
//!   `PerimeterBuilder::add_trusted_proxy`, or all users share one budget of refusals;
//!   `X-Forwarded-For` is read there, and `CF-Connecting-IP` is not. The AUD tag stands in the overview
//!   of the application. Health checks and bypass policies send no token.
//! - **Pomerium**: `pass_identity_headers: true` on the route, and a `signing_key`. With
//!   `jwt_issuer_format: uri`, use [`ProxyAssertion::new`].
//!
//! # What such a proxy does not do
//!
//! It does not keep others from the agent: whoever reaches the agent past the proxy needs a token,
//! but a token that was seen once is good until it ends, from wherever it comes. Let nobody but the
//! proxy connect. The headers in which these proxies say the same without a signature
//! (`X-Goog-Authenticated-User-Email` and alike) are removed before the handler.
//!
//! The values in the table are those that the makers document; no token of Google or Cloudflare was
//! at hand.

use std::{fmt, num::NonZeroUsize, time::Duration};

use http::HeaderName;
use portcullis_core::{ConfigError, ConfigErrors, IntoAuthenticator, Site};

use crate::{
    HttpClient, Issuer, Jwt, JwtAuthenticator,
    authenticator::Carrier,
    profile::{Profile, Proxy},
};

/// What Google says beside, unsigned.
static GOOGLE: [HeaderName; 2] = [
    HeaderName::from_static("x-goog-authenticated-user-email"),
    HeaderName::from_static("x-goog-authenticated-user-id"),
];
/// What Cloudflare says beside, unsigned.
static CLOUDFLARE: [HeaderName; 1] = [HeaderName::from_static(
    "cf-access-authenticated-user-email",
)];
/// What Pomerium says beside, unsigned, where it is told to.
static POMERIUM: [HeaderName; 5] = [
    HeaderName::from_static("x-pomerium-claim-email"),
    HeaderName::from_static("x-pomerium-claim-groups"),
    HeaderName::from_static("x-pomerium-claim-name"),
    HeaderName::from_static("x-pomerium-claim-sub"),
    HeaderName::from_static("x-pomerium-claim-user"),
];

/// The configuration of an authenticator of signed assertions. See the [module docs](self).
///
/// Setters keep their mistakes; [`build`](Self::build), or the stack that this is added to, reports
/// all of them.
#[must_use]
pub struct ProxyAssertion {
    header: HeaderName,
    unsigned: &'static [HeaderName],
    issuer: Issuer,
    /// What is to be done to the rest of the configuration.
    jwt: Jwt,
    has_profile_twice: bool,
}

impl ProxyAssertion {
    /// Identity-Aware Proxy of Google Cloud, for this audience: `/projects/<number>/global/
    /// backendServices/<id>`, or `/projects/<number>/apps/<project>`.
    pub fn google_iap(audience: impl Into<Box<str>>) -> Self {
        let issuer = Issuer::with_profile(
            "https://cloud.google.com/iap".into(),
            Profile::Proxy(Proxy::GoogleIap),
        )
        .with_jwks_url("https://www.gstatic.com/iap/verify/public_key-jwk");
        Self::of("x-goog-iap-jwt-assertion", &GOOGLE, issuer).with_audience(audience)
    }

    /// Cloudflare Access, for the application with this AUD tag of this team.
    pub fn cloudflare_access(team: impl AsRef<str>, tag: impl Into<Box<str>>) -> Self {
        let name = format!("https://{}.cloudflareaccess.com", team.as_ref());
        let keys = format!("{name}/cdn-cgi/access/certs");
        let profile = Profile::Proxy(Proxy::CloudflareAccess);
        let issuer = Issuer::with_profile(name.into(), profile).with_jwks_url(keys);
        Self::of("cf-access-jwt-assertion", &CLOUDFLARE, issuer).with_audience(tag)
    }

    /// Pomerium, for the route from this host, such as `notes.example`.
    pub fn pomerium(host: impl AsRef<str>) -> Self {
        let host = host.as_ref();
        let keys = format!("https://{host}/.well-known/pomerium/jwks.json");
        let profile = Profile::Proxy(Proxy::Pomerium);
        let issuer = Issuer::with_profile(host.into(), profile).with_jwks_url(keys);
        Self::of("x-pomerium-jwt-assertion", &POMERIUM, issuer).with_audience(host)
    }

    /// Another proxy that writes a JWT into this header. `typ` may be `JWT` or missing; access
    /// tokens, and ID tokens with their `nonce` or `at_hash`, are refused. The audience is the
    /// resource of the stack, unless [`with_audience`](Self::with_audience) says another.
    pub fn new(header: HeaderName, issuer: Issuer) -> Self {
        let profile = Profile::Proxy(Proxy::Other);
        let (issuer, has_profile_twice) = match issuer.clone().into_profile(profile) {
            Some(issuer) => (issuer, false),
            None => (issuer, true),
        };
        Self {
            has_profile_twice,
            ..Self::with_header(header, &[], issuer)
        }
    }

    fn of(header: &'static str, unsigned: &'static [HeaderName], issuer: Issuer) -> Self {
        Self::with_header(HeaderName::from_static(header), unsigned, issuer)
    }

    fn with_header(header: HeaderName, unsigned: &'static [HeaderName], issuer: Issuer) -> Self {
        Self {
            header,
            unsigned,
            jwt: Jwt::new(issuer.clone()),
            issuer,
            has_profile_twice: false,
        }
    }

    /// What `aud` has to name, byte for byte.
    pub fn with_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.jwt = self.jwt.with_audience(audience);
        self
    }

    /// Where the keys are, if not where the proxy has them by default: such as that of a Pomerium
    /// that is reached by another name from here.
    pub fn with_jwks_url(mut self, url: impl Into<Box<str>>) -> Self {
        self.issuer = self.issuer.with_jwks_url(url);
        self
    }

    /// The keys themselves, so that none are retrieved.
    pub fn with_static_keys(mut self, jwks: impl Into<Box<str>>) -> Self {
        self.issuer = self.issuer.with_static_keys(jwks);
        self
    }

    /// Takes the `groups` of the user as scopes with this prefix.
    pub fn with_roles_as_scopes(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.issuer = self.issuer.with_roles_as_scopes(prefix);
        self
    }

    /// How far the clocks of proxy and server may be apart: 30 seconds by default, at most 60.
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.jwt = self.jwt.with_leeway(leeway);
        self
    }

    /// The longest time between `iat` and `exp`: 24 hours by default. The tokens of Cloudflare live
    /// as long as its session.
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.jwt = self.jwt.with_max_lifetime(lifetime);
        self
    }

    /// How many tokens are known whose signature has been checked: 4096 by default.
    pub fn with_token_cache(mut self, capacity: NonZeroUsize) -> Self {
        self.jwt = self.jwt.with_token_cache(capacity);
        self
    }

    /// Lets the keys be in the local network, and then also be retrieved over `http`.
    pub fn dangerously_allow_local_network(mut self) -> Self {
        self.issuer = self.issuer.dangerously_allow_local_network();
        self
    }

    /// Retrieves keys with this client. It replaces the built-in one of the feature `reqwest`.
    pub fn with_http_client(mut self, client: impl HttpClient) -> Self {
        self.jwt = self.jwt.with_http_client(client);
        self
    }

    /// Builds the authenticator, for the place where it will stand. A stack does this by itself.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    pub fn build(self, site: &Site) -> Result<JwtAuthenticator, ConfigErrors> {
        let carrier = Carrier::Proxy(self.header, self.unsigned);
        let built = self
            .jwt
            .with_only_issuer(self.issuer)
            .build_for(site, carrier);
        if self.has_profile_twice {
            let mut errors = built.err().unwrap_or_default();
            errors.push(ConfigError::new(
                "ProxyAssertion::new",
                "has the issuer of a provider, whose tokens are access tokens; give an \
                 `Issuer::new`",
            ));
            return Err(errors);
        }
        built
    }
}

impl IntoAuthenticator for ProxyAssertion {
    type Authenticator = JwtAuthenticator;

    fn into_authenticator(self, site: &Site) -> Result<JwtAuthenticator, ConfigErrors> {
        self.build(site)
    }
}

impl fmt::Debug for ProxyAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyAssertion")
            .field("header", &self.header)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
