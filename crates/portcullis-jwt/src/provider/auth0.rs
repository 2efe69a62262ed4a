//! [Auth0](https://auth0.com/docs/secure/tokens/access-tokens): [`Issuer::auth0`].
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(Issuer::auth0("acme.eu.auth0.com"));
//! ```
//!
//! The argument is the domain of the tenant, or the custom domain that its clients use: a token
//! names the domain at which it was asked for. Where both are in use, each is an issuer.
//!
//! # Settings of the tenant
//!
//! - *Applications* → *APIs* → *Create API*: its *Identifier* is the resource of the stack, byte
//!   for byte, a slash at the end included. Clients have to ask for it as `audience`; who asks for
//!   none gets a token that is opaque or encrypted, which nothing here reads.
//! - *Access Token Settings* → *JSON Web Token (JWT) Profile* is *RFC 9068*, if you can choose: its
//!   tokens say in their header what they are. *Auth0*, which is the default, works too.
//! - *JSON Web Token (JWT) Signing Algorithm* is `RS256` or `PS256`. With `HS256`, the secret of
//!   the API signs, and no token is accepted here.
//! - *Add Permissions in the Access Token*, if permissions are to be looked at; see below.
//!
//! # What the tokens look like
//!
//! Of the profile *RFC 9068*, the header's `typ` is `at+jwt`, and nothing else is asked for. Of
//! the profile *Auth0* it is `JWT`, as it is for ID tokens, which are signed with the same key. An
//! access token is then told by this, or refused with [`AUTH0_KIND`](crate::reason::AUTH0_KIND):
//!
//! - it names the client it was given to, in `azp`; ID tokens do not;
//! - `aud` is not that client, as it is in ID tokens;
//! - it has none of `nonce`, `at_hash`, `c_hash`. Nobody's actions can set or remove these, nor
//!   `azp`.
//!
//! | evidence | claim |
//! |---|---|
//! | [client](portcullis_core::Evidence::client) | `client_id`, in the profile *Auth0* `azp` |
//! | [kind](portcullis_core::Evidence::kind) | a client where `sub` is the client with `@clients` behind it; otherwise a user |
//! | [scopes](portcullis_core::Evidence::scopes) | `scope` |
//! | [token id](portcullis_core::Evidence::token_id) | `jti`, in the profile *RFC 9068* alone |
//!
//! With [`with_roles_as_scopes("permission:")`](Issuer::with_roles_as_scopes), each entry
//! `notes:write` of `permissions` is the scope `permission:notes:write`. It is what the user may
//! do; `scope` is what the client may do for the user, which with *Enable RBAC* is never more.
//!
//! # What is not there
//!
//! - `auth_time`, `acr`, `amr` and `sid`: nothing that asks how old or how strong a login is can be
//!   met. A session that has ended opens again with the next token.
//! - Roles. An action can write them into a claim of its own, which is not looked at; permissions
//!   do better.
//! - Organizations: `org_id` is not looked at. Where each has data of its own, keep them apart by
//!   other means.
//! - The profile *Auth0* has no `jti`, so no single token of it can be revoked.
//!
//! Claims and profiles are those of Auth0's documentation, whose examples of ID tokens have no
//! `azp`. That `sub` ends in `@clients` is documented for client credentials; ids of users have a
//! `|` in them, which those of clients do not. What the profile *RFC 9068* says of a login, could
//! not be tried against a tenant.

use crate::{Issuer, profile::Profile};

impl Issuer {
    /// A tenant of Auth0, by its domain or by a custom domain, such as `acme.eu.auth0.com`. See
    /// the [page on Auth0](crate::provider::auth0) for the settings that it needs.
    pub fn auth0(domain: impl AsRef<str>) -> Self {
        let name = format!("https://{}/", domain.as_ref());
        Self::with_profile(name.into(), Profile::Auth0)
    }
}
