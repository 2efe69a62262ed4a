//! Servers and clients over real TCP, on ports that the system gives.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt as _, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use portcullis::{BoxError, stack::GuardedRouter};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower::Service;

/// What a client sends.
pub type Payload = BoxBody<Bytes, Infallible>;

/// A server on a loopback port. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves a guarded router as users of axum do.
    ///
    /// # Errors
    ///
    /// There is no loopback port.
    pub async fn axum(router: GuardedRouter) -> std::io::Result<Self> {
        Self::axum_at(Self::bind().await?, router)
    }

    /// A loopback port, for whoever has to know it before there is a router.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn bind() -> std::io::Result<TcpListener> {
        TcpListener::bind(("127.0.0.1", 0)).await
    }

    /// The same, at a port that is bound.
    ///
    /// # Errors
    ///
    /// The port has no address.
    pub fn axum_at(listener: TcpListener, router: GuardedRouter) -> std::io::Result<Self> {
        Ok(Self {
            address: listener.local_addr()?,
            task: tokio::spawn(async move {
                let _ = axum::serve(listener, router).await;
            }),
        })
    }

    /// Serves any service with hyper alone, in HTTP/1.1 and HTTP/2.
    ///
    /// # Errors
    ///
    /// There is no loopback port.
    pub async fn hyper<S, B>(service: S) -> std::io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError> + Send,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection to a server.
#[derive(Clone, Debug)]
pub struct Client(http2::SendRequest<Payload>);

impl Client {
    /// Connects with HTTP/2, over which one connection carries many requests at once.
    ///
    /// # Errors
    ///
    /// The server cannot be reached.
    pub async fn http2(address: SocketAddr) -> Result<Self, BoxError> {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (client, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    ///
    /// The request cannot be sent, or is not answered to the end.
    pub async fn send(&mut self, request: Request<Payload>) -> Result<Response<Bytes>, BoxError> {
        read(self.open(request).await?).await
    }

    /// Sends a request and leaves the body to be read. `Host` becomes the authority, as HTTP/2
    /// wants it.
    ///
    /// # Errors
    ///
    /// The request cannot be sent, or is not answered.
    pub async fn open(
        &mut self,
        mut request: Request<Payload>,
    ) -> Result<Response<Incoming>, BoxError> {
        if let Some(host) = request.headers_mut().remove(header::HOST) {
            let uri = request.uri();
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = Uri::builder()
                .scheme("http")
                .authority(host.as_bytes())
                .path_and_query(path)
                .build()?;
        }
        self.0.ready().await?;
        Ok(self.0.send_request(request).await?)
    }
}

/// One connection of HTTP/1.1, for one request after the other.
#[derive(Debug)]
pub struct KeptAlive(http1::SendRequest<Payload>);

impl KeptAlive {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The server cannot be reached.
    pub async fn connect(address: SocketAddr) -> Result<Self, BoxError> {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (client, connection) = http1::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    /// Waits until the answer before is read. Says whether there may be another request.
    pub async fn is_open(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    /// Sends a request and leaves the body to be read. An answer that nobody reads to its end
    /// closes the connection.
    ///
    /// # Errors
    ///
    /// The request cannot be sent, or is not answered.
    pub async fn open(
        &mut self,
        request: Request<Payload>,
    ) -> Result<Response<Incoming>, BoxError> {
        self.0.ready().await?;
        Ok(self.0.send_request(request).await?)
    }
}

/// Sends one request over a connection of its own, with HTTP/1.1.
///
/// # Errors
///
/// The server cannot be reached, or does not answer.
pub async fn http1(
    address: SocketAddr,
    request: Request<Payload>,
) -> Result<Response<Bytes>, BoxError> {
    read(KeptAlive::connect(address).await?.open(request).await?).await
}

/// Reads a response to its end.
///
/// # Errors
///
/// The body ends with an error.
pub async fn read<B>(response: Response<B>) -> Result<Response<Bytes>, BoxError>
where
    B: Body<Error: Into<BoxError>>,
{
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(Into::into)?.to_bytes();
    Ok(Response::from_parts(parts, body))
}
