//! Identity tokens of [service accounts of Google Cloud](https://cloud.google.com/docs/authentication/get-id-token):
//! [`Issuer::google`].
//!
//! # Example
//!
//! ```
//! use portcullis_jwt::{Issuer, Jwt};
//!
//! let jwt = Jwt::new(Issuer::google(["112233445566778899000"]));
//! ```
//!
//! # Who can come this way
//!
//! Workloads: whatever runs as a service account, and whoever may impersonate one. They ask Google
//! for an identity token for the resource of the agent:
//!
//! ```text
//! gcloud auth print-identity-token --impersonate-service-account=reports@acme.iam.gserviceaccount.com \
//!     --audiences=https://notes.example/
//! ```
//!
//! **People cannot.** The access tokens of Google are opaque, and Google has no endpoint that says
//! whom they are for (RFC 7662); the ID tokens that people get are for the client that they logged
//! in to, and are refused here. Put [Identity-Aware Proxy](crate::assertion) before the agent, or an
//! authorization server of your own that lets people log in with Google.
//!
//! # Settings of the provider
//!
//! - None for the agent: the audience is what the caller asks for. Give it the resource of the
//!   stack.
//! - **Every service account of every customer of Google can get such a token.** It says who calls,
//!   not that it may. So the accounts that may are named, by their unique id (`gcloud iam
//!   service-accounts describe`, member `uniqueId`), and no other is let in. An email address is not looked at: it can be given to another account later.
//!
//! # What the tokens look like
//!
//! `typ` is `JWT`, `alg` is `RS256`; they live for an hour.
//!
//! | evidence | claim |
//! |---|---|
//! | [subject](portcullis_core::Evidence::subject), [client](portcullis_core::Evidence::client) | `sub`, which `azp` repeats: the unique id of the account |
//! | [kind](portcullis_core::Evidence::kind) | always a client |
//!
//! # What is not there
//!
//! - Scopes: require nothing of them, or let such callers in at a route of their own.
//! - `jti`: a single token cannot be revoked, only its subject.
//!
//! The claims are those that Google documents; no token of Google was at hand.

use crate::{Issuer, profile::Profile};

impl Issuer {
    /// The identity tokens that these service accounts get for themselves, by their unique ids. See
    /// the [page on Google](crate::provider::google).
    pub fn google(accounts: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let name = "https://accounts.google.com";
        Self::with_profile(name.into(), Profile::Google).with_clients(accounts)
    }
}
