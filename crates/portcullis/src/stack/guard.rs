//! A finished axum router behind a gate.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    response::{IntoResponse, Response},
    routing::{Route, future::RouteFuture},
    serve::{IncomingStream, Listener},
};
use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;

use super::Gate;
use crate::{BoxError, peer::Peer};

impl Gate {
    /// Guards a finished router: every route of it, its fallback, 404 and 405.
    ///
    /// What comes back is given to `axum::serve` as it is; it knows the peer's address by
    /// itself, and a handler asks [`Exchange::client_address`](crate::Exchange::client_address)
    /// for it, not axum's `ConnectInfo`. No route can be added to it. Routes that need no
    /// credential are named to the stack (`add_anonymous_route`).
    ///
    /// ```no_run
    /// use axum::{Router, routing::post};
    /// # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
    /// # struct Keys;
    /// # impl Authenticator for Keys {
    /// #     fn describe(&self) -> Description { Description::bearer("keys") }
    /// #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
    /// # }
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let (gate, _handle) = portcullis::Stack::builder()
    ///     .with_resource("https://agent.example/")
    ///     .add_authenticator(Keys)
    ///     .build()?;
    /// let router = Router::new().route("/chat", post(async || "hello"));
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// axum::serve(listener, gate.guard(router)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A part of the server that the gate should not see at all is a router outside, to which the
    /// guarded one is the fallback. The outer one then has to hand on the peer's address, or
    /// records lack it, and everybody shares one budget of refusals:
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    ///
    /// use axum::{Router, routing::get};
    ///
    /// # async fn run(listener: tokio::net::TcpListener, gate: portcullis::Gate) -> std::io::Result<()> {
    /// let guarded = gate.guard(Router::new().route("/chat", get(async || "hello")));
    /// let server = Router::new()
    ///     .route("/live", get(async || "alive"))
    ///     .fallback_service(guarded)
    ///     .into_make_service_with_connect_info::<SocketAddr>();
    /// axum::serve(listener, server).await
    /// # }
    /// ```
    pub fn guard(&self, router: Router) -> GuardedRouter {
        GuardedRouter {
            router: finished(router.layer(self.clone())),
        }
    }
}

/// Has axum put every handler and layer together now. It would do so again for each request
/// otherwise; when it serves a `Router` itself, it takes the same step first.
fn finished(router: Router) -> Router {
    router.with_state(())
}

/// A finished router behind a [`Gate`].
#[derive(Clone)]
#[must_use = "a guarded router has to be served"]
pub struct GuardedRouter {
    router: Router,
}

impl GuardedRouter {
    /// Adds a layer outside the gate: CORS, tracing, compression.
    ///
    /// It sees every request before the gate does, and every response after. A CORS layer has
    /// to stand here: a preflight carries no credential, and one that reaches the gate is
    /// answered without CORS headers.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_http::cors::CorsLayer;
    /// # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
    /// # struct Keys;
    /// # impl Authenticator for Keys {
    /// #     fn describe(&self) -> Description { Description::bearer("keys") }
    /// #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
    /// # }
    ///
    /// # fn build() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (gate, _) = portcullis::Stack::builder()
    /// #     .with_resource("https://agent.example/").add_authenticator(Keys).build()?;
    /// let origin: http::HeaderValue = "https://app.example".parse()?;
    /// let cors = CorsLayer::new()
    ///     .allow_origin(origin)
    ///     .allow_headers([http::header::AUTHORIZATION])
    ///     .expose_headers([http::header::WWW_AUTHENTICATE]);
    /// let router = Router::new().route("/notes", get(async || "notes"));
    /// let guarded = gate.guard(router).layer(cors);
    /// # let _ = guarded;
    /// # Ok(())
    /// # }
    /// # build().unwrap();
    /// ```
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self {
            router: finished(self.router.layer(layer)),
        }
    }
}

impl<B> Service<http::Request<B>> for GuardedRouter
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<http::Request<B>>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Service::call(&mut self.router, request.map(Body::new))
    }
}

/// One service per connection, which tells every request of it where it comes from.
impl<L> Service<IncomingStream<'_, L>> for GuardedRouter
where
    L: Listener,
    for<'a> &'a L::Addr: Into<Peer>,
{
    type Response = Connection;
    type Error = Infallible;
    type Future = Ready<Result<Connection, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, L>) -> Self::Future {
        let peer = stream.remote_addr().into();
        ready(Ok(Connection {
            router: self.router.clone(),
            peer,
        }))
    }
}

/// A guarded router for one connection.
#[derive(Clone)]
pub struct Connection {
    router: Router,
    peer: Peer,
}

impl Service<Request> for Connection {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        self.peer.clone().attach(request.extensions_mut());
        self.router.call(request)
    }
}

impl fmt::Debug for GuardedRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedRouter").finish_non_exhaustive()
    }
}
