//! Certificates as identity for portcullis.
//!
//! - [`TlsListener`] is a listener for `axum::serve` (or your own loop) that ends TLS and asks clients
//!   for certificates. A client that is silent keeps nobody out, and certificate, authorities and
//!   revocation lists are exchanged while it runs.
//! - [`ClientCertificates`] is an authenticator: who calls is what the certificate names, a SPIFFE ID
//!   or another name that you list.
//! - With the feature `axum-server`, `AxumServerPeer` hands on the certificates of a server that
//!   axum-server runs.
//!
//! Where TLS ends at a proxy, the perimeter of `portcullis` takes the certificate from the proxy's
//! header (`PerimeterBuilder::with_certificate_header`). The authenticator sees no difference.
//!
//! # Example
//!
//! An authenticator for the workloads of one SPIFFE trust domain:
//!
//! ```
//! use portcullis_tls::ClientCertificates;
//!
//! let auth = ClientCertificates::spiffe("acme.example").add_path("/agents/");
//! ```
//!
//! A listener that lets nobody connect without a certificate of these authorities, and checks their
//! revocation lists:
//!
//! ```no_run
//! use std::{fs, time::Duration};
//!
//! use portcullis_core::Secret;
//! use portcullis_tls::{TlsListener, TlsSettings};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = || -> std::io::Result<TlsSettings> {
//!     Ok(TlsSettings::new(fs::read("server.pem")?, Secret::new(fs::read("server.key")?))
//!         .with_client_authorities(fs::read("authorities.pem")?)
//!         .with_revocation_lists(fs::read("revoked.pem")?)
//!         .with_handshake_timeout(Duration::from_secs(5)))
//! };
//! let listener = TlsListener::bind("0.0.0.0:8443", &settings()?).await?;
//! let tls = listener.handle();
//! // Later, when a file has changed: connections from now on are made with what it says.
//! tls.rotate(&settings()?)?;
//! # Ok(())
//! # }
//! ```
//!
//! # A bound token is something else
//!
//! A token with `cnf.x5t#S256` (RFC 8705) names its user itself, and the certificate only proves that
//! it is not stolen: `authn` compares it with the certificate of the request, without anything from
//! this crate but the listener. A request with `Authorization` is therefore never taken for the
//! certificate's.

#[cfg(feature = "axum-server")]
mod axum_server;
mod certificate;
mod identity;
mod listener;
pub mod reason;

#[cfg(feature = "axum-server")]
pub use self::axum_server::{AxumServerPeer, AxumServerPeerService};
pub use self::{
    identity::{ClientCertificateAuthenticator, ClientCertificates},
    listener::{Remote, TlsHandle, TlsListener, TlsSettings},
};
