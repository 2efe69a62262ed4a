//! Certificates as the identity of a caller.

mod authenticator;
mod naming;
mod settings;

pub use self::{authenticator::ClientCertificateAuthenticator, settings::ClientCertificates};
