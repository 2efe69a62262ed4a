//! Identity tokens of [OpenBao](https://openbao.org/docs/secrets/identity/identity-token/), and of
//! Vault, from which it came: [`Issuer::openbao`].
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(Issuer::openbao("https://bao.example:8200/v1/identity/oidc"));
//! ```
//!
//! The argument is the issuer, byte for byte. With a namespace it is
//! `https://bao.example:8200/v1/team/identity/oidc`.
//!
//! # Settings of the server
//!
//! For an agent whose resource is `https://notes.example/`:
//!
//! ```text
//! bao write identity/oidc/config issuer=https://bao.example:8200
//! bao write identity/oidc/key/notes algorithm=ES256 allowed_client_ids=https://notes.example/
//! bao write identity/oidc/role/notes key=notes client_id=https://notes.example/ ttl=10m \
//!     template='{"scope": "notes.read", "groups": {{identity.entity.groups.names}}}'
//! ```
//!
//! - **Audience.** `aud` is the `client_id` of the role. Set it to the resource of the stack: the
//!   random one that a role has by default is nobody's name.
//! - **Scopes** come from the template of the role, where one is wanted: OpenBao has none of its
//!   own. A template is written by an administrator; nothing in it may come from what an entity can
//!   set for itself.
//! - A workload logs in (`approle`, `kubernetes`, `cert`, …) and reads `identity/oidc/token/notes`.
//!   Who may, is said by a policy on that path. A root token has no entity and gets none.
//!
//! # What the tokens look like
//!
//! The header has no `typ`, and there is no other kind of token of this issuer: the ID tokens of
//! OpenBao's own OpenID provider have an issuer of their own, below this one.
//!
//! | evidence | claim |
//! |---|---|
//! | [subject](portcullis_core::Evidence::subject), [client](portcullis_core::Evidence::client) | `sub`, the id of the entity |
//! | [kind](portcullis_core::Evidence::kind) | always a client: a token does not say whether its entity is a person |
//! | [scopes](portcullis_core::Evidence::scopes) | `scope`, if the template has it |
//!
//! With [`with_roles_as_scopes("group:")`](Issuer::with_roles_as_scopes), each entry `admins` of
//! `groups` is the scope `group:admins`, if the template has it.
//!
//! # What is not there
//!
//! - `jti`: a single token cannot be revoked, only its subject. Keep `ttl` short.
//! - `auth_time`, `acr`, `amr`, `sid`.
//!
//! This page was held against OpenBao itself: a test has it sign tokens, and rotate its key.

use crate::{Issuer, profile::Profile};

impl Issuer {
    /// The identity tokens of OpenBao or Vault, by their `iss`. See the
    /// [page on OpenBao](crate::provider::openbao).
    pub fn openbao(issuer: impl Into<Box<str>>) -> Self {
        Self::with_profile(issuer.into(), Profile::OpenBao)
    }
}
