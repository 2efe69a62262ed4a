//! [Okta](https://developer.okta.com/docs/concepts/auth-servers/), custom authorization servers:
//! [`Issuer::okta`].
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(Issuer::okta("acme.okta.com", "default"));
//! ```
//!
//! The arguments are the domain of the organization, or its custom domain, and the id of the
//! authorization server: what follows `/oauth2/` in its *Issuer URI*.
//!
//! # Settings of the organization
//!
//! - *Security* → *API* → *Authorization Servers*. The one of the organization itself, whose issuer
//!   has no `/oauth2/`, gives tokens that are for Okta alone and that nobody else can check: it
//!   cannot be named here.
//! - **Audience.** *Settings* → *Audience* is the resource of the stack. An authorization server has
//!   one audience for all its tokens, so give this server one of its own.
//! - *Scopes*: those of this server. *Access Policies*: which clients get them.
//! - *Claims*: `groups`, for access tokens, if groups are to be looked at; see below.
//!
//! # What the tokens look like
//!
//! The header has no `typ`, for access tokens and ID tokens alike (`JWT` and `at+jwt` are taken as
//! well). An access token is told by this, or refused with
//! [`OKTA_KIND`](crate::reason::OKTA_KIND):
//!
//! - it names the client it was given to, in `cid`; ID tokens do not;
//! - `aud` is not that client, as it is in ID tokens;
//! - it has none of `nonce`, `at_hash`, `c_hash`.
//!
//! | evidence | claim |
//! |---|---|
//! | [subject](portcullis_core::Evidence::subject) | `sub`: by default the login of the user, which an administrator can change. *Claims* lets you map it to `user.id` |
//! | [client](portcullis_core::Evidence::client) | `cid` |
//! | [kind](portcullis_core::Evidence::kind) | a client where `sub` equals `cid` and there is no `uid`; otherwise a user |
//! | [scopes](portcullis_core::Evidence::scopes) | `scp`, a list |
//! | [token id](portcullis_core::Evidence::token_id) | `jti` |
//! | [time of authentication](portcullis_core::Evidence::auth_time) | `auth_time` |
//!
//! With [`with_roles_as_scopes("group:")`](Issuer::with_roles_as_scopes), each entry `admins` of
//! `groups` is the scope `group:admins`. A group with a blank in its name is left out.
//!
//! # What is not there
//!
//! - `sid`: the logins of one user with one client are one session here.
//! - `amr`, which ID tokens alone have. `acr` is taken where it is there.
//! - Every client that a policy lets in gets the same audience. Where that is not meant, see
//!   [`Issuer::with_clients`].
//!
//! The claims were compared with tokens that users of Okta have published, and not with a running
//! organization; newer ones may have a `typ`.

use crate::{Issuer, profile::Profile};

impl Issuer {
    /// A custom authorization server of Okta, by the domain of the organization, such as
    /// `acme.okta.com`, and its id, such as `default`. See the
    /// [page on Okta](crate::provider::okta).
    pub fn okta(domain: impl AsRef<str>, server: impl AsRef<str>) -> Self {
        let name = format!("https://{}/oauth2/{}", domain.as_ref(), server.as_ref());
        Self::with_profile(name.into(), Profile::Okta)
    }
}
