//! Where a connection comes from.

use std::net::{IpAddr, SocketAddr};

use http::Extensions;
use portcullis_core::PeerCertificate;

/// The address at the other end of the connection: the client's, or that of the last proxy.
///
/// `Gate::guard` supplies it by itself when `axum::serve` runs it. A server that accepts its own
/// connections attaches it to each request, outside the gate; axum's
/// `ConnectInfo<SocketAddr>` is read as well (feature `axum`).
///
/// ```
/// use portcullis::PeerAddress;
///
/// let mut request = http::Request::new(());
/// let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 5000));
/// PeerAddress::from(peer).attach(request.extensions_mut());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddress(Option<IpAddr>);

impl PeerAddress {
    /// A peer without an IP address, as on a Unix socket.
    pub const NONE: Self = Self(None);

    /// Tells the layers where a request comes from.
    #[expect(
        clippy::disallowed_methods,
        reason = "written from outside the gate, by the server"
    )]
    pub fn attach(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }

    /// The IP address, if the peer has one.
    #[must_use]
    pub const fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// What the server has attached. `None` if it has attached nothing.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        if let Some(peer) = extensions.get() {
            return Some(*peer);
        }
        #[cfg(feature = "axum")]
        if let Some(peer) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
            return Some(peer.0.into());
        }
        None
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self(Some(address.ip()))
    }
}

impl From<IpAddr> for PeerAddress {
    fn from(address: IpAddr) -> Self {
        Self(Some(address))
    }
}

impl From<&SocketAddr> for PeerAddress {
    fn from(address: &SocketAddr) -> Self {
        (*address).into()
    }
}

#[cfg(all(unix, feature = "axum"))]
impl From<&tokio::net::unix::SocketAddr> for PeerAddress {
    fn from(_address: &tokio::net::unix::SocketAddr) -> Self {
        Self::NONE
    }
}

/// What is known of the other end of a connection: its address, and the certificate with which it
/// proved itself.
///
/// `Gate::guard` asks a listener's address for it. A listener of your own has
/// `impl From<&ItsAddress> for Peer`.
///
/// ```
/// use portcullis::{Peer, PeerAddress, PeerCertificate};
///
/// let address = std::net::SocketAddr::from(([127, 0, 0, 1], 5000));
/// let certificate = PeerCertificate::from_digest([7; 32]);
/// let peer = Peer::from(PeerAddress::from(address)).with_certificate(certificate);
///
/// let mut request = http::Request::new(());
/// peer.attach(request.extensions_mut());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Peer {
    address: PeerAddress,
    certificate: Option<PeerCertificate>,
}

impl Peer {
    /// With the certificate with which it proved itself in the handshake.
    pub fn with_certificate(mut self, certificate: PeerCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Tells the layers where a request comes from.
    pub fn attach(self, extensions: &mut Extensions) {
        self.address.attach(extensions);
        set_certificate(extensions, self.certificate);
    }
}

impl<A: Into<PeerAddress>> From<A> for Peer {
    fn from(address: A) -> Self {
        Self {
            address: address.into(),
            certificate: None,
        }
    }
}

#[cfg(feature = "tls")]
impl From<&portcullis_tls::Remote> for Peer {
    fn from(remote: &portcullis_tls::Remote) -> Self {
        let peer = Self::from(PeerAddress::from(remote.address()));
        match remote.certificate() {
            Some(certificate) => peer.with_certificate(certificate.clone()),
            None => peer,
        }
    }
}

/// The certificate of a client, or that there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "written by the server, or by the perimeter in its place"
)]
pub(crate) fn set_certificate(extensions: &mut Extensions, certificate: Option<PeerCertificate>) {
    match certificate {
        Some(certificate) => {
            extensions.insert(certificate);
        }
        None => {
            extensions.remove::<PeerCertificate>();
        }
    }
}
