//! The certificates that axum-server hands out.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use axum_server::tls::TlsInfo;
use http::Request;
use portcullis_core::PeerCertificate;
use tower_layer::Layer;
use tower_service::Service;

/// Hands the certificate of the connection on to the gate, where axum-server runs the server: it
/// puts a `TlsInfo` into each request.
///
/// It stands outside the gate. That axum-server checks the certificates of clients, its rustls
/// configuration says.
///
/// ```
/// use portcullis_tls::AxumServerPeer;
/// use tower::ServiceBuilder;
///
/// let outside = ServiceBuilder::new().layer(AxumServerPeer::new());
/// # let _ = outside;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AxumServerPeer(());

impl AxumServerPeer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for AxumServerPeer {
    type Service = AxumServerPeerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AxumServerPeerService { inner }
    }
}

/// The service of [`AxumServerPeer`].
#[derive(Clone, Debug)]
pub struct AxumServerPeerService<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for AxumServerPeerService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let info = request.extensions().get::<Arc<TlsInfo>>();
        let certificate = info.and_then(|info| PeerCertificate::from_der(&info.peer_certificates));
        attach(&mut request, certificate);
        self.inner.call(request)
    }
}

/// A request that came with another certificate has none of this connection.
#[expect(
    clippy::disallowed_methods,
    reason = "written from outside the gate, for the server"
)]
fn attach<B>(request: &mut Request<B>, certificate: Option<PeerCertificate>) {
    let extensions = request.extensions_mut();
    match certificate {
        Some(certificate) => {
            extensions.insert(certificate);
        }
        None => {
            extensions.remove::<PeerCertificate>();
        }
    }
}
