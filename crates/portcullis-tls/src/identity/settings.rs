//! The configuration.

use std::{collections::HashMap, fmt};

use portcullis_core::{ConfigError, ConfigErrors, IntoAuthenticator, Site};

use super::{
    ClientCertificateAuthenticator,
    naming::{Naming, is_path, is_trust_domain},
};

/// The configuration of an authenticator of clients by their certificates.
///
/// Add it to a stack behind all others: a request that brings another credential is judged by that.
/// Setters keep their mistakes; the stack that this is added to reports all of them.
///
/// Who signed a certificate is checked by whoever ended its TLS, and not here: all authorities that are
/// trusted there can name everybody. So trust those of one trust domain, or of one issuer, and no
/// others. A federated trust domain has authorities of its own, and needs a listener or a proxy of its
/// own, with a stack of its own.
///
/// Whoever shows a certificate that names nobody listed here has shown none; somebody of a SPIFFE
/// trust domain that is, and of a path that is not, is refused.
///
/// # Example
///
/// ```
/// use portcullis_tls::ClientCertificates;
///
/// let workloads = ClientCertificates::spiffe("acme.example");
/// ```
///
/// Only some of them:
///
/// ```
/// use portcullis_tls::ClientCertificates;
///
/// let workloads = ClientCertificates::spiffe("acme.example")
///     .add_path("/agents/")
///     .add_path("/jobs/nightly");
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientCertificates {
    issuer: Option<Box<str>>,
    naming: Naming,
    misplaced: Vec<&'static str>,
}

impl ClientCertificates {
    /// Workloads of a SPIFFE trust domain, such as `acme.example`: the one URI in the certificate is
    /// a SPIFFE ID of it. The subject is the whole ID, the issuer is `spiffe://` with the trust
    /// domain.
    pub fn spiffe(trust_domain: impl Into<Box<str>>) -> Self {
        let (domain, paths) = (trust_domain.into(), Vec::new());
        Self::with(None, Naming::Spiffe { domain, paths })
    }

    /// Clients by a DNS name in their certificate, each of which is listed with
    /// [`add_name`](Self::add_name), byte for byte. The issuer is the name of who signs the
    /// certificates: a URL, or another name that no other authenticator uses.
    pub fn dns(issuer: impl Into<Box<str>>) -> Self {
        Self::with(Some(issuer.into()), Naming::Dns(Vec::new()))
    }

    /// Clients by the one common name of their subject, as [`dns`](Self::dns). For authorities that
    /// write no other.
    pub fn common_name(issuer: impl Into<Box<str>>) -> Self {
        Self::with(Some(issuer.into()), Naming::CommonName(Vec::new()))
    }

    /// Clients by their very certificate, each of which is listed with
    /// [`add_certificate`](Self::add_certificate).
    pub fn thumbprints(issuer: impl Into<Box<str>>) -> Self {
        Self::with(Some(issuer.into()), Naming::Thumbprint(HashMap::new()))
    }

    fn with(issuer: Option<Box<str>>, naming: Naming) -> Self {
        Self {
            issuer,
            naming,
            misplaced: Vec::new(),
        }
    }

    /// One more path of [`spiffe`](Self::spiffe) that may call: `/jobs/nightly`, or with a slash at
    /// its end, `/agents/`, all below it. Without any, the whole trust domain may.
    pub fn add_path(mut self, path: impl Into<Box<str>>) -> Self {
        match &mut self.naming {
            Naming::Spiffe { paths, .. } => paths.push(path.into()),
            _ => self.misplaced.push("add_path"),
        }
        self
    }

    /// One more name of [`dns`](Self::dns) or [`common_name`](Self::common_name). It is the subject.
    pub fn add_name(mut self, name: impl Into<Box<str>>) -> Self {
        match &mut self.naming {
            Naming::Dns(names) | Naming::CommonName(names) => names.push(name.into()),
            _ => self.misplaced.push("add_name"),
        }
        self
    }

    /// One more certificate of [`thumbprints`](Self::thumbprints): the SHA-256 digest of its DER as
    /// base64url, and the subject that it stands for.
    pub fn add_certificate(
        mut self,
        thumbprint: impl Into<Box<str>>,
        subject: impl Into<Box<str>>,
    ) -> Self {
        match &mut self.naming {
            Naming::Thumbprint(known) => {
                known.insert(thumbprint.into(), subject.into());
            }
            _ => self.misplaced.push("add_certificate"),
        }
        self
    }

    fn check(&self, errors: &mut ConfigErrors) {
        let mut complain = |setting: &str, problem: &str| {
            errors.push(ConfigError::new(setting, problem));
        };
        for setting in &self.misplaced {
            complain(
                setting,
                "is for another constructor than the one that was called",
            );
        }
        if let Some(issuer) = &self.issuer
            && (issuer.is_empty() || issuer.len() > 2048 || issuer.chars().any(char::is_control))
        {
            complain(
                "ClientCertificates",
                "the issuer is empty, longer than 2048 bytes or holds a control character; give \
                 the name of who signs the certificates",
            );
        }
        match &self.naming {
            Naming::Spiffe { domain, paths } => {
                if !is_trust_domain(domain) {
                    complain(
                        "ClientCertificates::spiffe",
                        "is no trust domain; give one like `acme.example`, without `spiffe://`",
                    );
                }
                let is_right =
                    |path: &str| path == "/" || is_path(path.strip_suffix('/').unwrap_or(path));
                if !paths.iter().all(|path| is_right(path)) {
                    complain(
                        "add_path",
                        "is no path of a SPIFFE ID; give one like `/agents/` or `/agents/a`",
                    );
                }
            }
            Naming::Dns(names) | Naming::CommonName(names) => {
                if names.is_empty() || names.iter().any(|name| name.is_empty()) {
                    complain(
                        "add_name",
                        "was not called, or with nothing, so that nobody could call; name the \
                         clients",
                    );
                }
            }
            Naming::Thumbprint(known) => {
                let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                let is_digest = |text: &str| text.len() == 43 && text.bytes().all(is_digit);
                if known.is_empty()
                    || !known
                        .iter()
                        .all(|(print, name)| is_digest(print) && !name.is_empty())
                {
                    complain(
                        "add_certificate",
                        "was not called, or with something else than a SHA-256 digest as base64url \
                         and a name; give both",
                    );
                }
            }
        }
    }
}

impl IntoAuthenticator for ClientCertificates {
    type Authenticator = ClientCertificateAuthenticator;

    fn into_authenticator(
        self,
        _site: &Site,
    ) -> Result<ClientCertificateAuthenticator, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        self.check(&mut errors);
        errors.into_result(ClientCertificateAuthenticator::new(
            self.issuer,
            self.naming,
        ))
    }
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates")
            .field("issuer", &self.issuer)
            .field("naming", &self.naming)
            .finish_non_exhaustive()
    }
}
