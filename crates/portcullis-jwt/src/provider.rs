//! Providers whose access tokens are not those of RFC 9068, one page each.
//!
//! Each page says which settings of the provider are needed, what its tokens look like, and what
//! they lack. The constructor of an [`Issuer`](crate::Issuer) that it documents knows these
//! tokens: how an access token is told from whatever else the provider signs with the same
//! keys, and where it writes client, scopes and roles. All other checks stay as they are.
//!
//! An issuer that is not here, and whose tokens say `typ: at+jwt`, needs none of this:
//! [`Issuer::new`](crate::Issuer::new) is for it.
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(Issuer::keycloak("https://id.example/realms/notes"));
//! ```
//!
//! # Roles
//!
//! A role is not a scope: a scope is what the user let a client do, a role is what an
//! administrator lets the user do. Roles are therefore looked at only where
//! [`Issuer::with_roles_as_scopes`](crate::Issuer::with_roles_as_scopes) says so, and are then
//! told from scopes by a prefix.

pub mod auth0;
pub mod cognito;
pub mod entra;
pub mod google;
pub mod keycloak;
pub mod okta;
pub mod openbao;
