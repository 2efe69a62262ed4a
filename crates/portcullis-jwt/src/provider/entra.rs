//! [Microsoft Entra ID](https://learn.microsoft.com/entra/identity-platform/access-tokens):
//! [`Issuer::entra`], [`Issuer::entra_tenants`] and [`Issuer::entra_v1`].
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(
//!     Issuer::entra("8eaef023-2b34-4da1-9baa-8bc8c9d6a490").with_roles_as_scopes("role:"),
//! )
//! .with_audience("6e74172b-be56-4843-9ff4-e66a39bb12e3");
//! ```
//!
//! The issuer is named by the tenant id, the audience by the application id of this server.
//!
//! An application that several tenants use names each of them. No tenant is accepted that is not
//! on the list, whoever has it:
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(Issuer::entra_tenants([
//!     "8eaef023-2b34-4da1-9baa-8bc8c9d6a490",
//!     "72f988bf-86f1-41af-91ab-2d7cd011db47",
//! ]))
//! .with_audience("6e74172b-be56-4843-9ff4-e66a39bb12e3");
//! ```
//!
//! Each tenant stays an issuer of its own: the same `sub` in two tenants is two principals. What
//! they share is the key set, that of `common`. Every key in it says for whose tokens it is; a
//! key that says nothing, or another tenant, such as that of personal accounts, is refused with
//! [`KEY_ISSUER`](crate::reason::KEY_ISSUER).
//!
//! # Settings of the tenant
//!
//! All of them are settings of the registration of *this server*, not of its clients:
//!
//! - *App registrations* → *Manifest*: `requestedAccessTokenVersion` (in older manifests
//!   `accessTokenAcceptedVersion`) is `2`. With `null` or `1`, tokens of version 1 come,
//!   whichever endpoint the client asks: for these, [`Issuer::entra_v1`] is there.
//! - **Audience.** In version 2, `aud` is the *Application (client) ID* of this server; in version
//!   1 it is that, or its *Application ID URI*, as the client asked for it. Give it to
//!   [`Jwt::with_audience`](crate::Jwt::with_audience); the resource of the stack is not in
//!   the tokens.
//! - *Expose an API*: the scopes. *App roles*: what users and applications can be assigned.
//! - *Token configuration* → *Add optional claim* → *Access*: `idtyp` tells applications from
//!   users for certain. `auth_time` and `sid` are there as well, and without them nothing that
//!   asks how old a login is can be met.
//!
//! # What the tokens look like
//!
//! The header's `typ` is `JWT` for access tokens and ID tokens, which are signed with the same
//! keys. An access token is told by this, or refused with
//! [`ENTRA_KIND`](crate::reason::ENTRA_KIND):
//!
//! - `ver` is `2.0`, or `1.0` for `entra_v1`;
//! - it names the client it was given to: `azp` in version 2, `appid` in version 1. ID tokens
//!   name none;
//! - it has none of `nonce`, `at_hash`, `c_hash`.
//!
//! Two more checks are made:
//!
//! - `tid` is the tenant of the issuer, byte for byte
//!   ([`ENTRA_TENANT`](crate::reason::ENTRA_TENANT)).
//! - It has a permission: `scp` or at least one of `roles`
//!   ([`ENTRA_PERMISSION`](crate::reason::ENTRA_PERMISSION)). Without one, *every* application of
//!   the tenant is given a token for this server on its own behalf. Where clients are named by
//!   [`Issuer::with_clients`], that is permission enough.
//!
//! | evidence | claim |
//! |---|---|
//! | [client](portcullis_core::Evidence::client) | `azp`, in version 1 `appid` |
//! | [kind](portcullis_core::Evidence::kind) | a client where `idtyp` is `app`; where there is no `idtyp`, if there is no `scp` and `sub` equals `oid`; otherwise a user |
//! | [scopes](portcullis_core::Evidence::scopes) | `scp`; users alone have it |
//! | [token id](portcullis_core::Evidence::token_id) | `uti` |
//! | [session id](portcullis_core::Evidence::session_id) | `sid`, an optional claim |
//! | [acr](portcullis_core::Evidence::acr), [amr](portcullis_core::Evidence::amr) | `acr` (`0` or `1`) and `amr`, in version 1 alone |
//! | [time of authentication](portcullis_core::Evidence::auth_time) | `auth_time`, an optional claim |
//!
//! With [`with_roles_as_scopes("role:")`](Issuer::with_roles_as_scopes), each entry `Notes.Admin`
//! of `roles` is the scope `role:Notes.Admin`: the app roles of a user, or the application
//! permissions of a client.
//!
//! # What is not there
//!
//! - Groups are not looked at. Past 200 they are not in the token but behind a link; assign
//!   app roles to groups instead.
//! - `acrs`, the authentication contexts, are not looked at: a challenge that asks for one is
//!   not made here.
//! - `sub` differs for each application that a user calls. `oid`, which does not, is no part
//!   of the evidence.
//! - Clients with continuous access evaluation get tokens that are good for up to 28 hours:
//!   see [`Jwt::with_max_lifetime`](crate::Jwt::with_max_lifetime).
//! - Applications with keys of their own (claims mapping) publish them under a URL with the query
//!   `appid`: see [`Issuer::with_jwks_url`].
//! - The national clouds, which have other hosts, and external tenants (`ciamlogin.com`).
//!
//! The names of the claims are those of Microsoft's claims references, which list no `azp` and no
//! `appid` for ID tokens. That `sub` equals `oid` in the tokens of applications is what samples
//! show; the references do not promise it, so `idtyp` is the safe way.

use crate::{
    Issuer,
    profile::{EntraVersion, Profile},
};

impl Issuer {
    /// A tenant of Microsoft Entra ID, by its id, whose tokens are of version 2. See the
    /// [page on Entra ID](crate::provider::entra) for the settings that it needs.
    pub fn entra(tenant: impl AsRef<str>) -> Self {
        let version = EntraVersion::V2;
        Self::with_profile(version.issuer(tenant.as_ref()), Profile::Entra(version))
    }

    /// Several tenants of Microsoft Entra ID, by their ids, at most 100, whose tokens are of
    /// version 2. See the [page on Entra ID](crate::provider::entra).
    pub fn entra_tenants(tenants: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let version = EntraVersion::V2Tenants;
        let mut names = tenants
            .into_iter()
            .map(|tenant| version.issuer(tenant.as_ref()));
        // Without any, the name is that of no tenant, which the build reports.
        let first = names.next().unwrap_or_else(|| version.issuer(""));
        Self::with_profile(first, Profile::Entra(version))
            .with_other_names(names)
            .with_jwks_url("https://login.microsoftonline.com/common/discovery/v2.0/keys")
    }

    /// A tenant of Microsoft Entra ID, by its id, whose tokens are of version 1. See the
    /// [page on Entra ID](crate::provider::entra).
    pub fn entra_v1(tenant: impl AsRef<str>) -> Self {
        let version = EntraVersion::V1;
        let tenant = tenant.as_ref();
        // The name of the issuer is not where its metadata is.
        let keys = format!("https://login.microsoftonline.com/{tenant}/discovery/keys");
        Self::with_profile(version.issuer(tenant), Profile::Entra(version)).with_jwks_url(keys)
    }
}
