//! What rustls is told.

use std::{sync::Arc, time::Duration};

use portcullis_core::{ConfigError, ConfigErrors};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{
        NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier,
    },
};

use x509_parser::{
    oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT,
    prelude::{CertificateRevocationList, FromDer as _},
};

use super::TlsSettings;

const MAX_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) fn build(settings: &TlsSettings) -> Result<Arc<ServerConfig>, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    if settings.timeout.is_zero() || settings.timeout > MAX_TIMEOUT {
        errors.push(ConfigError::new(
            "with_handshake_timeout",
            "is zero or longer than one minute; choose a time in between",
        ));
    }
    let provider = provider(settings, &mut errors);
    let verifier = provider
        .as_ref()
        .and_then(|provider| verifier(settings, provider, &mut errors));
    let chain = items::<CertificateDer<'static>>(&settings.chain);
    let chain = chain.filter(|chain| !chain.is_empty());
    if chain.is_none() {
        errors.push(ConfigError::new(
            "TlsSettings::new",
            "the chain holds no certificate as PEM; give the server's, and those above it",
        ));
    }
    // The text of an error could hold a part of the key.
    let key = PrivateKeyDer::from_pem_slice(settings.key.expose()).ok();
    if key.is_none() {
        errors.push(ConfigError::new(
            "TlsSettings::new",
            "the key is no private key as PEM; give that of the certificate",
        ));
    }
    let (Some(provider), Some(verifier), Some(chain), Some(key), true) =
        (provider, verifier, chain, key, errors.is_empty())
    else {
        return Err(errors);
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain, key)
        });
    let mut config = config.map_err(|error| {
        ConfigError::new(
            "TlsSettings::new",
            format!("certificate and key cannot be used: {error}; give a pair"),
        )
    })?;
    // A client that resumes a session is not asked for its certificate again, which may have been
    // revoked meanwhile.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = match settings.has_http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    Ok(Arc::new(config))
}

fn provider(settings: &TlsSettings, errors: &mut ConfigErrors) -> Option<Arc<CryptoProvider>> {
    let provider = settings.provider.clone();
    #[cfg(feature = "aws-lc-rs")]
    let provider =
        provider.or_else(|| Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider())));
    if provider.is_none() {
        errors.push(ConfigError::new(
            "with_crypto_provider",
            "is not set, and the feature `aws-lc-rs` is off; set it, or switch the feature on",
        ));
    }
    provider
}

/// Who looks at the certificates of clients.
fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
    errors: &mut ConfigErrors,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut complain = |setting: &str, problem: &str| {
        errors.push(ConfigError::new(setting, problem));
    };
    let Some(authorities) = &settings.authorities else {
        if settings.is_optional {
            complain(
                "with_optional_client_certificates",
                "was called without `with_client_authorities`, so that no certificate is asked \
                 for; name the authorities, or leave it out",
            );
        }
        if settings.revoked.is_some() {
            complain(
                "with_revocation_lists",
                "was called without `with_client_authorities`, so that no certificate is asked \
                 for; name the authorities, or leave it out",
            );
        }
        return Some(Arc::new(NoClientAuth));
    };
    let mut roots = RootCertStore::empty();
    let found = items::<CertificateDer<'static>>(authorities).unwrap_or_default();
    let are_added = found.into_iter().all(|root| roots.add(root).is_ok());
    if roots.is_empty() || !are_added {
        complain(
            "with_client_authorities",
            "holds no certificate as PEM, or one that is no authority; give those that sign the \
             certificates of clients",
        );
        return None;
    }
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
            .enforce_revocation_expiration();
    if let Some(lists) = &settings.revoked {
        let lists = items::<CertificateRevocationListDer<'static>>(lists).unwrap_or_default();
        if lists.is_empty() {
            complain(
                "with_revocation_lists",
                "holds no revocation list as PEM; give those of the authorities",
            );
            return None;
        }
        if !are_of_different_issuers(&lists) {
            complain(
                "with_revocation_lists",
                "holds two lists of one authority, or one that cannot be read: only one of them would \
                 be looked at; keep the newest",
            );
            return None;
        }
        builder = builder.with_crls(lists);
    }
    if settings.is_optional {
        builder = builder.allow_unauthenticated();
    }
    match builder.build() {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            let problem = format!("authorities and revocation lists cannot be used: {error}");
            complain("with_client_authorities", &problem);
            None
        }
    }
}

/// Whether each list is of another authority, or for another part of its certificates.
fn are_of_different_issuers(lists: &[CertificateRevocationListDer<'_>]) -> bool {
    let mut seen = Vec::new();
    lists.iter().all(|list| {
        let Ok((_, list)) = CertificateRevocationList::from_der(list) else {
            return false;
        };
        let part = list
            .extensions()
            .iter()
            .find(|extension| extension.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT)
            .map(|extension| extension.value.to_vec());
        let of = (list.issuer().as_raw().to_vec(), part);
        let is_new = !seen.contains(&of);
        seen.push(of);
        is_new
    })
}

/// Everything of one kind in a PEM text; `None`, if a part of it cannot be read.
fn items<T: PemObject>(pem: &[u8]) -> Option<Vec<T>> {
    T::pem_slice_iter(pem).collect::<Result<_, _>>().ok()
}
