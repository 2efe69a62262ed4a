//! Everything that a gate can stand in.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    marker::PhantomPinned,
    pin::Pin,
    task::{Context, Poll},
};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use portcullis::{
    BoxError,
    authn::AuthnLayer,
    perimeter::PerimeterLayer,
    quota::QuotaLayer,
    stack::Gate,
    step_up::{StepUpBuilder, StepUpLayer},
};
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{a_scope, authn_builder, perimeter_builder, quota, stack_builder, strength},
    wire::{self, Client, Payload, Server},
};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};

use super::handlers::{Plain, answer, router};

type Answered = Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>>>>;

/// Something that answers requests from behind a gate.
pub(crate) struct Host {
    pub(crate) name: &'static str,
    /// What stands before every path.
    pub(crate) prefix: &'static str,
    pub(crate) audit: RecordingAudit,
    /// Whether the handler is shown the route that was matched.
    pub(crate) has_routes: bool,
    /// Whether the gate sees what no route matches.
    pub(crate) guards_fallback: bool,
    /// Whether the gate is told where a connection comes from.
    pub(crate) knows_peer: bool,
    send: Box<dyn Fn(Request<Payload>) -> Answered>,
}

impl Host {
    fn new(
        name: &'static str,
        audit: RecordingAudit,
        send: impl Fn(Request<Payload>) -> Answered + 'static,
    ) -> Self {
        Self {
            name,
            prefix: "",
            audit,
            has_routes: false,
            guards_fallback: true,
            knows_peer: false,
            send: Box::new(send),
        }
    }

    pub(crate) async fn send(&self, request: Request<Payload>) -> Response<Bytes> {
        (self.send)(request).await.unwrap()
    }

    fn with_routes(mut self) -> Self {
        self.has_routes = true;
        self
    }

    fn below(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }
}

/// By which names the gate knows the routes: what stands before them, and what stands for the
/// last part.
#[derive(Clone, Copy)]
struct Routes(&'static str, &'static str);

/// As axum has matched them.
const MATCHED: Routes = Routes("", "{id}");
/// As the client has asked for them.
const ASKED: Routes = Routes("", "7");

impl Routes {
    fn named(self, name: &str) -> String {
        format!("{}/{name}/{}", self.0, self.1)
    }

    fn step_up(self) -> StepUpBuilder {
        StepUpLayer::builder()
            .add_route_requirement(self.named("payments"), a_scope())
            .add_route_requirement(self.named("vault"), strength())
    }
}

/// A gate that lets anonymous callers in on one route, and requires more on two others.
fn gate(audit: &RecordingAudit, routes: Routes) -> Gate {
    let builder = stack_builder(audit)
        .add_anonymous_route(routes.named("public"))
        .with_step_up(routes.step_up());
    builder.build().unwrap().0
}

/// The same as loose layers.
fn loose(
    audit: &RecordingAudit,
    routes: Routes,
) -> (PerimeterLayer, AuthnLayer, QuotaLayer, StepUpLayer) {
    let authn = authn_builder(&RecordingAudit::new()).add_anonymous_route(routes.named("public"));
    (
        perimeter_builder(audit).build().unwrap(),
        authn.build().unwrap(),
        quota(&RecordingAudit::new()),
        routes.step_up().build().unwrap(),
    )
}

/// Calls a service in this process.
fn call<S, B>(service: S) -> impl Fn(Request<Payload>) -> Answered + 'static
where
    S: Service<Request<Payload>, Response = Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    move |request| {
        let service = service.clone();
        Box::pin(async move {
            let response = service.oneshot(request).await.map_err(Into::into)?;
            wire::read(response).await
        })
    }
}

/// An axum router takes axum's body.
fn call_router(router: Router) -> impl Fn(Request<Payload>) -> Answered + 'static {
    let service = ServiceBuilder::new()
        .map_request(|request: Request<Payload>| request.map(axum::body::Body::new))
        .service(router);
    call(service)
}

pub(crate) async fn a_guarded_router() -> Host {
    let audit = RecordingAudit::new();
    let guarded = gate(&audit, MATCHED).guard(router());
    Host::new("guard", audit, call(guarded)).with_routes()
}

pub(crate) async fn a_router_with_the_gate_as_its_layer() -> Host {
    let audit = RecordingAudit::new();
    let router = router().layer(gate(&audit, MATCHED));
    Host::new("layer", audit, call_router(router)).with_routes()
}

pub(crate) async fn a_nested_router() -> Host {
    let audit = RecordingAudit::new();
    let inner = router().layer(gate(&audit, Routes("/agents", "{id}")));
    let router = Router::new().nest("/agents", inner);
    let host = Host::new("nest", audit, call_router(router));
    Host {
        // axum hands what no nested route matches to the outer router, which is not guarded.
        guards_fallback: false,
        ..host.with_routes().below("/agents")
    }
}

pub(crate) async fn a_guarded_router_as_a_nested_service() -> Host {
    let audit = RecordingAudit::new();
    let inner = gate(&audit, Routes("/agents", "{id}")).guard(router());
    let router = Router::new().nest_service("/agents", inner);
    let host = Host::new("nest_service, guard", audit, call_router(router));
    host.with_routes().below("/agents")
}

pub(crate) async fn a_plain_service_as_a_nested_service() -> Host {
    let audit = RecordingAudit::new();
    let inner = gate(&audit, Routes("/agents", "7")).layer(Plain);
    let router = Router::new().nest_service("/agents", inner);
    Host::new("nest_service, plain", audit, call_router(router)).below("/agents")
}

pub(crate) async fn a_guarded_router_over_tcp() -> Host {
    let audit = RecordingAudit::new();
    let guarded = gate(&audit, MATCHED).guard(router());
    let server = Server::axum(guarded).await.unwrap();
    let host = Host::new("axum::serve", audit, move |request| {
        Box::pin(wire::http1(server.address(), request))
    });
    Host {
        knows_peer: true,
        ..host.with_routes()
    }
}

pub(crate) async fn a_plain_service_over_tcp_with_http1() -> Host {
    let audit = RecordingAudit::new();
    let service = gate(&audit, ASKED).layer(Plain);
    let server = Server::hyper(service).await.unwrap();
    Host::new("hyper, HTTP/1.1", audit, move |request| {
        Box::pin(wire::http1(server.address(), request))
    })
}

pub(crate) async fn a_plain_service_over_tcp_with_http2() -> Host {
    let audit = RecordingAudit::new();
    let service = gate(&audit, ASKED).layer(Plain);
    let server = Server::hyper(service).await.unwrap();
    Host::new("hyper, HTTP/2", audit, move |request| {
        let address = server.address();
        Box::pin(async move { Client::http2(address).await?.send(request).await })
    })
}

/// A closure as the handler, behind hyper's own connection.
pub(crate) async fn a_service_fn_over_tcp() -> Host {
    let audit = RecordingAudit::new();
    let handler = tower::service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    let service = gate(&audit, ASKED).layer(handler);
    let server = Server::hyper(service).await.unwrap();
    Host::new("service_fn", audit, move |request| {
        Box::pin(wire::http1(server.address(), request))
    })
}

pub(crate) async fn a_service_with_bodies_of_its_own() -> Host {
    let audit = RecordingAudit::new();
    let inner = tower::service_fn(async |request| {
        Ok::<_, Infallible>(answer(request).await.map(Foreign::new))
    });
    let service = gate(&audit, ASKED).layer(inner);
    let outer = ServiceBuilder::new()
        .map_request(|request: Request<Payload>| request.map(Foreign::new))
        .service(service);
    Host::new("own bodies", audit, call(outer))
}

pub(crate) async fn loose_layers_around_a_service() -> Host {
    let audit = RecordingAudit::new();
    let (perimeter, authn, quota, step_up) = loose(&audit, ASKED);
    let service = ServiceBuilder::new()
        .layer(perimeter)
        .layer(authn)
        .layer(quota)
        .layer(step_up)
        .service(Plain);
    Host::new("loose", audit, call(service))
}

/// With axum's `Router::layer`, the layer that is added last runs first.
pub(crate) async fn loose_layers_around_a_router() -> Host {
    let audit = RecordingAudit::new();
    let (perimeter, authn, quota, step_up) = loose(&audit, MATCHED);
    let inner = router().layer(step_up).layer(quota);
    let router = inner.layer(authn).layer(perimeter);
    Host::new("loose, axum", audit, call_router(router)).with_routes()
}

pin_project! {
    /// A body that is neither `Unpin` nor `Default`, with an error of its own.
    struct Foreign<B> {
        #[pin]
        body: B,
        #[pin]
        pinned: PhantomPinned,
    }
}

impl<B> Foreign<B> {
    fn new(body: B) -> Self {
        Self {
            body,
            pinned: PhantomPinned,
        }
    }
}

impl<B: Body<Data = Bytes, Error = Infallible>> Body for Foreign<B> {
    type Data = Bytes;
    type Error = ForeignError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ForeignError>>> {
        let frame = self.project().body.poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
    }
}

#[derive(Debug)]
struct ForeignError;

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("foreign")
    }
}

impl Error for ForeignError {}
