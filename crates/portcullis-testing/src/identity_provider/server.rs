//! The server task.
#![expect(
    clippy::expect_used,
    reason = "a loopback port that cannot be had is a fault of the test's machine"
)]

use std::convert::Infallible;

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::{IdentityProvider, endpoints};

/// Accepts connections until it is dropped; then they end, too.
#[derive(Debug)]
pub(super) struct Server(JoinHandle<()>);

pub(super) async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a loopback port is free");
    let address = listener.local_addr().expect("a listener has an address");
    (listener, format!("http://{address}"))
}

impl Server {
    pub(super) fn start(listener: TcpListener, provider: IdentityProvider) -> Self {
        Self(tokio::spawn(accept(listener, provider)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, provider: IdentityProvider) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let provider = provider.clone();
        let service = service_fn(move |request| {
            let provider = provider.clone();
            async move { Ok::<_, Infallible>(endpoints::answer(&provider, request).await) }
        });
        connections.spawn(async move {
            // A client that goes away is no fault of the issuer.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}
