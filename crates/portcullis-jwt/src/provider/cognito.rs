//! [Amazon Cognito](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html)
//! user pools: [`Issuer::cognito`].
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(Issuer::cognito(
//!     "eu-central-1_a1B2c3D4e",
//!     ["1example23456789", "2example23456789"],
//! ));
//! ```
//!
//! The arguments are the id of the user pool, which begins with its region, and the ids of the app
//! clients that may call this server.
//!
//! # Settings of the user pool
//!
//! - **Clients.** An access token has no `aud` unless the client asked for a resource, so what
//!   says for whom it is are its client and its scopes. Give this server app clients of its own:
//!   one that calls another server as well can show the token for the one to the other.
//! - **Scopes.** *Branding* → *Domain* → *Resource servers*: their custom scopes say what a token is
//!   for. Require one of them; `openid` and the others say nothing about this server.
//! - **Resource binding**, where the feature plan has it: the client asks for the resource of the
//!   stack as `resource`. `aud` is then in the token and has to name this server.
//! - *App clients* → *Authentication flows*: `ALLOW_USER_PASSWORD_AUTH` and the like give tokens
//!   with the scope `aws.cognito.signin.user.admin` alone, which meet no custom scope.
//!
//! # What the tokens look like
//!
//! The header has no `typ`, for access tokens and ID tokens alike. `token_use` tells them apart:
//! it is `access` ([`TOKEN_USE`](crate::reason::TOKEN_USE)).
//!
//! | evidence | claim |
//! |---|---|
//! | [client](portcullis_core::Evidence::client) | `client_id`, which has to be one of those that are named |
//! | [kind](portcullis_core::Evidence::kind) | a client where `sub` equals `client_id`; otherwise a user |
//! | [scopes](portcullis_core::Evidence::scopes) | `scope`; a custom one has its resource server before it, as in `notes/read` |
//! | [token id](portcullis_core::Evidence::token_id) | `jti` |
//! | [time of authentication](portcullis_core::Evidence::auth_time) | `auth_time` |
//!
//! With [`with_roles_as_scopes("group:")`](Issuer::with_roles_as_scopes), each entry `admins` of
//! `cognito:groups` is the scope `group:admins`.
//!
//! # What is not there
//!
//! - `sid`: the logins of one user with one client are one session here. `origin_jti`, which names
//!   the refresh token, is not looked at.
//! - `acr` and `amr`: how strong a login was cannot be required.
//! - ID tokens, which some servers take in place of access tokens: their claims are what the user
//!   may change. They are refused.
//! - The regions in China, which have other hosts.
//!
//! The names of the claims are those of the developer guide, which shows no `typ` in the header. A
//! `typ` of `JWT` would be taken as well. That `sub` equals `client_id` in the tokens of machines
//! is how such tokens look in practice; where it does not, the machine is taken for a user.

use crate::{Issuer, profile::Profile};

impl Issuer {
    /// A user pool of Amazon Cognito, by its id, such as `eu-central-1_a1B2c3D4e`, and the app
    /// clients whose tokens are accepted. See the [page on Cognito](crate::provider::cognito).
    pub fn cognito(
        pool: impl AsRef<str>,
        clients: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Self {
        let pool = pool.as_ref();
        let region = pool.split('_').next().unwrap_or_default();
        let name = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
        Self::with_profile(name.into(), Profile::Cognito).with_clients(clients)
    }
}
