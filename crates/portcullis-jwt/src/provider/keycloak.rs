//! [Keycloak](https://www.keycloak.org): [`Issuer::keycloak`].
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(
//!     Issuer::keycloak("https://id.example/realms/notes").with_roles_as_scopes("role:"),
//! );
//! ```
//!
//! The argument is the URL of the realm, as it stands in `issuer` of *Realm settings* → *OpenID
//! Endpoint Configuration*. Servers before version 17 have `/auth` before `/realms`.
//!
//! # Settings of the realm
//!
//! - **Audience.** Keycloak puts no audience of yours into a token by itself; by default it is
//!   `account`, or there is none. *Client scopes* → *Create client scope*; in it *Mappers* →
//!   *Configure a new mapper* → *Audience*: write the resource of the stack into *Included Custom
//!   Audience*, and switch *Add to access token* on and *Add to ID token* off. Then assign the
//!   scope to the clients that may call this server.
//! - **Subject and time of login.** Both come with the client scope `basic` (version 25 and
//!   later), which is assigned to each client by default. Leave it there.
//! - **Lightweight access tokens.** *Always use lightweight access token* stays off: such tokens
//!   have neither the audience nor the subject, unless each mapper is told to add them.
//! - **Clients on their own behalf.** *Service accounts roles* is on, and the client scope
//!   `service_account` is assigned, which is so by default. *Use refresh tokens for client
//!   credentials grant* stays off.
//! - *Use "at+jwt" as access token header type* (*Advanced* → *OpenID Connect Compatibility
//!   Modes*, since version 26.2) may be on or off.
//!
//! # What the tokens look like
//!
//! The header's `typ` is `JWT`, or `at+jwt` with the setting above. What the token is, says a
//! claim that is called `typ` too:
//!
//! | `typ` in the claims | what it is | here |
//! |---|---|---|
//! | `Bearer` | an access token | accepted |
//! | `DPoP` | an access token that is bound to a key | accepted with `cnf` |
//! | `ID` | an ID token | [`KEYCLOAK_TYP`](crate::reason::KEYCLOAK_TYP) |
//! | anything else, or none | a refresh token, a logout token, … | `KEYCLOAK_TYP` |
//!
//! `nonce`, which access tokens carried before version 25, says nothing here and is ignored.
//!
//! | evidence | claim |
//! |---|---|
//! | [client](portcullis_core::Evidence::client) | `azp` |
//! | [kind](portcullis_core::Evidence::kind) | a client where `client_id` is there and equals `azp`, and neither `sid` nor `auth_time` is there; otherwise a user |
//! | [scopes](portcullis_core::Evidence::scopes) | `scope` |
//! | [session id](portcullis_core::Evidence::session_id) | `sid` |
//! | [acr](portcullis_core::Evidence::acr) | `acr`: `0` and `1` without a map, or the name that *Realm settings* → *ACR to `LoA` Mapping* gives to the level |
//! | [amr](portcullis_core::Evidence::amr) | `amr`, with the mapper *Authentication Method Reference (`AMR`)* alone |
//! | [time of authentication](portcullis_core::Evidence::auth_time) | `auth_time` |
//!
//! With [`with_roles_as_scopes("role:")`](Issuer::with_roles_as_scopes), a realm role `admin` (in
//! `realm_access`) is the scope `role:admin`, and the role `edit` of the client `notes` (in
//! `resource_access`) is `role:notes/edit`. A role with a slash in its name is left out: it could
//! be taken for one of the other kind. Roles of a client have to be in the token: *Full scope
//! allowed*, or assigned to its client scopes.
//!
//! # What is not there
//!
//! - The subject of a client on its own behalf is not its client id but the id of a user that
//!   Keycloak keeps for it. Versions that write `clientId` instead of `client_id` have such a
//!   client taken for a user. It has no `auth_time`, so once its session has ended, a later
//!   token opens another.
//! - `auth_time` and `sid` are lacking in tokens of some grants, such as token exchange.
//! - Another client of the realm with the same audience in its tokens is let in. Where that is
//!   not meant, see [`Issuer::with_clients`].
//!
//! The names of the claims were compared with the published sources and documentation of
//! Keycloak 26; that a client on its own behalf has no `sid` is what its sources say and could
//! not be tried against a running server here.

use crate::{Issuer, profile::Profile};

impl Issuer {
    /// A realm of Keycloak, by its URL: `https://<host>/realms/<realm>`. See the
    /// [page on Keycloak](crate::provider::keycloak) for the settings that it needs.
    pub fn keycloak(realm: impl Into<Box<str>>) -> Self {
        Self::with_profile(realm.into(), Profile::Keycloak)
    }
}
