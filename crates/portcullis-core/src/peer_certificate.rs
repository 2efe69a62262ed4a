//! The certificate with which the other end of a connection proved itself.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The certificate with which a client proved itself to whoever ended its TLS.
///
/// A listener puts it into the extensions of each request of the connection; where TLS ends at
/// a proxy, the perimeter makes it of the proxy's header. No request can bring one along:
/// extensions do not travel.
///
/// Whoever constructs one vouches for it: the handshake that proved the private key, and the
/// chain to a trusted authority, have been checked by then. Reading it proves nothing anew.
///
/// Cheap to clone.
///
/// # Example
///
/// ```
/// use portcullis_core::PeerCertificate;
///
/// let certificate = PeerCertificate::from_der([b"the bytes of a certificate".as_slice()])
///     .ok_or("no certificate")?;
/// assert_eq!(certificate.thumbprint().len(), 43);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
#[must_use]
pub struct PeerCertificate(Arc<Inner>);

#[derive(Clone, Eq, PartialEq)]
struct Inner {
    chain: Vec<Box<[u8]>>,
    thumbprint: Box<str>,
    uris: Vec<Box<str>>,
}

impl PeerCertificate {
    /// The client's own certificate, then those of the authorities that it sent along, each as
    /// DER. `None` if there is none at all.
    pub fn from_der<T: AsRef<[u8]>>(chain: impl IntoIterator<Item = T>) -> Option<Self> {
        let chain: Vec<Box<[u8]>> = chain.into_iter().map(|der| der.as_ref().into()).collect();
        let digest: [u8; 32] = Sha256::digest(chain.first()?).into();
        Some(Self(Arc::new(Inner {
            chain,
            ..Inner::new(digest)
        })))
    }

    /// A certificate of which no more is known than the SHA-256 digest of its DER, as some
    /// proxies hand it on.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(Arc::new(Inner::new(digest)))
    }

    /// One more URI that the certificate names as its subject (RFC 5280 §4.2.1.6), such as a
    /// SPIFFE ID. A certificate without its DER has those only that are added.
    pub fn add_uri(mut self, uri: impl Into<Box<str>>) -> Self {
        Arc::make_mut(&mut self.0).uris.push(uri.into());
        self
    }

    /// The client's own certificate, then those of authorities, as DER. Empty where only the
    /// digest is known.
    #[must_use]
    pub fn chain(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.chain.iter().map(|der| &**der)
    }

    /// The thumbprint: the SHA-256 digest of the DER as base64url, as in `x5t#S256` (RFC 8705
    /// §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// The URIs that were added.
    #[must_use]
    pub fn uris(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.uris.iter().map(|uri| &**uri)
    }
}

impl Inner {
    fn new(digest: [u8; 32]) -> Self {
        Self {
            chain: Vec::new(),
            thumbprint: URL_SAFE_NO_PAD.encode(digest).into(),
            uris: Vec::new(),
        }
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate")
            .field("thumbprint", &self.0.thumbprint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_first_certificate() {
        let certificate = PeerCertificate::from_der(["abc", "another"]).unwrap();
        // The digest of "abc" (FIPS 180-4), as base64url.
        let expected = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        assert_eq!(certificate.thumbprint(), expected);
        assert_eq!(certificate.chain().len(), 2);
        let digest = Sha256::digest("abc").into();
        assert_eq!(PeerCertificate::from_digest(digest).thumbprint(), expected);
    }

    #[test]
    fn there_is_none_without_a_certificate() {
        assert_eq!(PeerCertificate::from_der::<&[u8]>([]), None);
    }

    #[test]
    fn what_is_added_to_a_clone_is_not_in_the_original() {
        let one = PeerCertificate::from_digest([0; 32]);
        let other = one.clone().add_uri("spiffe://td.example/agent/a");
        assert_eq!(one.uris().len(), 0);
        assert_eq!(
            other.uris().collect::<Vec<_>>(),
            ["spiffe://td.example/agent/a"]
        );
    }
}
