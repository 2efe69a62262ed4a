//! What speaks TLS to a server, if anything does.

#[cfg(feature = "tls")]
use portcullis_core::ConfigError;

/// How connections are protected, where the address asks for it.
#[derive(Clone)]
pub(crate) struct Tls(
    #[cfg(feature = "tls")] pub(crate) tokio_postgres_rustls::MakeRustlsConnect,
    #[cfg(not(feature = "tls"))] pub(crate) tokio_postgres::NoTls,
);

#[cfg(not(feature = "tls"))]
impl Tls {
    pub(crate) fn new() -> Self {
        Self(tokio_postgres::NoTls)
    }
}

#[cfg(feature = "tls")]
impl Tls {
    /// Believes these authorities (PEM), or those that the system believes, which are many, and
    /// looked for only if this is used.
    pub(crate) fn new(authorities: Option<&[u8]>, is_used: bool) -> Result<Self, ConfigError> {
        use std::sync::Arc;

        use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

        let mut roots = RootCertStore::empty();
        match authorities {
            Some(pem) => read(pem, &mut roots)?,
            None if !is_used => {}
            None => {
                let found = rustls_native_certs::load_native_certs();
                // Of those of a system, some may be too old to be read.
                roots.add_parsable_certificates(found.certs);
            }
        }
        // Not what the process has chosen: nobody may have.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| ConfigError::new("with_authorities", "leaves no version of TLS"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(tokio_postgres_rustls::MakeRustlsConnect::new(config)))
    }
}

#[cfg(feature = "tls")]
fn read(pem: &[u8], roots: &mut rustls::RootCertStore) -> Result<(), ConfigError> {
    use rustls_pki_types::{CertificateDer, pem::PemObject as _};

    let wrong = || ConfigError::new("with_authorities", "are no certificates in PEM");
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| wrong())?;
        roots.add(certificate).map_err(|_| wrong())?;
    }
    match roots.is_empty() {
        true => Err(wrong()),
        false => Ok(()),
    }
}
