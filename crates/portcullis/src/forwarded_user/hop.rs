//! What a proxy proves itself with.

use std::fmt;

use http::HeaderName;
use portcullis_core::{ConfigError, ConfigErrors, RequestView, Secret, sabotaged};

/// The length of 32 bytes as base64url.
const DIGEST: usize = 43;
/// The shortest secret, in bytes.
const MIN_SECRET: usize = 16;

/// How it is known that a request comes from the proxy.
///
/// `Debug` shows the thumbprints or the name of the header, no secret.
#[derive(Clone)]
#[must_use]
pub struct Hop(Proof);

#[derive(Clone)]
enum Proof {
    Certificates(Vec<Box<str>>),
    Secret(HeaderName, Secret),
}

impl Hop {
    /// By the certificate of its connection: the SHA-256 digest of its DER as base64url, as
    /// [`PeerCertificate::thumbprint`](crate::PeerCertificate::thumbprint) says it.
    pub fn certificate(thumbprint: impl Into<Box<str>>) -> Self {
        Self(Proof::Certificates(vec![thumbprint.into()]))
    }

    /// By a secret that it writes into this header of each request: at least 16 random bytes.
    /// Where the hop is not encrypted, whoever listens has it too.
    pub fn shared_secret(header: HeaderName, secret: Secret) -> Self {
        Self(Proof::Secret(header, secret))
    }

    /// One more certificate, such as the next one of a rotation. Nothing for a
    /// [secret](Self::shared_secret).
    pub fn add_certificate(mut self, thumbprint: impl Into<Box<str>>) -> Self {
        if let Proof::Certificates(thumbprints) = &mut self.0 {
            thumbprints.push(thumbprint.into());
        }
        self
    }

    /// The header that carries the proof, if one does.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        match &self.0 {
            Proof::Certificates(_) => None,
            Proof::Secret(header, _) => Some(header),
        }
    }

    /// Whether a request comes over this hop.
    pub(super) fn carries(&self, request: &RequestView<'_>) -> bool {
        if sabotaged!("forwarded_user.hop") {
            return true;
        }
        match &self.0 {
            Proof::Certificates(thumbprints) => {
                request.peer_certificate().is_some_and(|certificate| {
                    let own = certificate.thumbprint();
                    thumbprints.iter().any(|thumbprint| **thumbprint == *own)
                })
            }
            Proof::Secret(header, secret) => request
                .single_header(header)
                .is_some_and(|value| secret.matches(value.as_bytes())),
        }
    }

    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        match &self.0 {
            Proof::Certificates(thumbprints) => {
                let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                let is_digest = |text: &str| text.len() == DIGEST && text.bytes().all(is_digit);
                if !thumbprints.iter().all(|text| is_digest(text)) {
                    errors.push(ConfigError::new(
                        "Hop::certificate",
                        "is no SHA-256 digest as base64url without padding; give the thumbprint of \
                         the proxy's certificate",
                    ));
                }
            }
            Proof::Secret(_, secret) if secret.expose().len() < MIN_SECRET => {
                errors.push(ConfigError::new(
                    "Hop::shared_secret",
                    "is shorter than 16 bytes, so that it could be guessed; give random bytes",
                ));
            }
            Proof::Secret(..) => {}
        }
    }
}

impl fmt::Debug for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Hop");
        match &self.0 {
            Proof::Certificates(thumbprints) => shown.field("certificates", thumbprints),
            Proof::Secret(header, _) => shown.field("secret_in", header),
        };
        shown.finish()
    }
}
