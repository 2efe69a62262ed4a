//! Who is at the other end of a connection.

use std::net::SocketAddr;

use portcullis_core::PeerCertificate;

/// Who is at the other end of a connection: its address, and the certificate that it proved.
#[derive(Clone, Debug)]
pub struct Remote {
    address: SocketAddr,
    certificate: Option<PeerCertificate>,
}

impl Remote {
    pub(super) const fn new(address: SocketAddr, certificate: Option<PeerCertificate>) -> Self {
        Self {
            address,
            certificate,
        }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificate, if it showed one. It has been checked against the authorities.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_ref()
    }
}
