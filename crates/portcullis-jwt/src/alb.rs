//! Behind an Application Load Balancer of AWS that lets users log in.
//!
//! [`AlbUserClaims`] is the configuration; add it to a stack as an authenticator. A rule with the
//! action `authenticate-oidc` or `authenticate-cognito` has the load balancer log users in, and adds
//! a header `x-amzn-oidc-data` to each request: who it is, signed by the load balancer. It looks
//! like a JWT and is none: it is padded, says in its header what a JWT says in its claims, and its
//! keys are published one by one.
//!
//! # Example
//!
//! For the load balancer with this ARN, and the issuer that it lets users log in at:
//!
//! ```
//! use portcullis_jwt::AlbUserClaims;
//!
//! let auth = AlbUserClaims::new(
//!     "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/notes/50dc6c495c0c9188",
//!     "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1B2c3D4e",
//! );
//! ```
//!
//! For one client of the issuer, with a clock that is well set:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use portcullis_core::{Site, SystemClock};
//! use portcullis_jwt::AlbUserClaims;
//!
//! # #[cfg(not(feature = "reqwest"))] fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), portcullis_core::ConfigErrors> {
//! let auth = AlbUserClaims::new(
//!     "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/notes/50dc6c495c0c9188",
//!     "https://idp.example",
//! )
//! .with_clients(["5kx0iq6z7yh2"])
//! .with_leeway(Duration::from_secs(5))
//! .build(&Site::new(Arc::new(SystemClock::new())))?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is checked
//!
//! 1. The header is there once, has at most 16 KiB and three segments of base64url, padded or not.
//! 2. `alg` is `ES256`, `signer` is the ARN, `iss` the issuer, and `client` one of
//!    [`with_clients`](AlbUserClaims::with_clients), if that is set; each byte for byte. **Without
//!    the check of `signer`, the load balancer of anybody would do**: all of a region publish their
//!    keys at one place.
//! 3. `exp` has not come: that of the header, and that of the claims where they have one.
//! 4. The signature is that of the key with this `kid`.
//! 5. `sub` is there. It is the subject, and the kind is a user.
//!
//! # Keys
//!
//! The key of a `kid` is retrieved from `https://public-keys.auth.elb.<region>.amazonaws.com`, once,
//! and kept. A `kid` that is not there is not asked for again for half a minute. At most 16 are asked
//! for in half a minute: whoever reaches the agent past the load balancer could otherwise have it
//! ask for as many as he likes, and has known users let in and new keys wait at most.
//!
//! # Settings of the load balancer
//!
//! - The rule before the one that forwards has `authenticate-oidc` (or `-cognito`) with
//!   `OnUnauthenticatedRequest: authenticate`, or `deny` for an API.
//! - Let nobody but the load balancer connect to the agent: its security group is the only source.
//! - `x-amzn-oidc-identity` and `x-amzn-oidc-accesstoken` say the same without the load balancer's
//!   signature; they are removed before the handler.
//!
//! This follows what AWS documents; no load balancer was at hand.

mod authenticator;
mod data;
mod keys;
mod settings;

pub use self::{authenticator::AlbAuthenticator, settings::AlbUserClaims};
