//! The services behind the layers, and how one is called.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, poll_fn, ready},
    hint::black_box,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, HttpBody},
    routing::post,
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower::Service;

/// What the handler answers.
pub(crate) const ANSWER: &str = "Nothing at all.";

/// A Tower service that does next to nothing: what a layer costs by itself shows best here.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl<B> Service<Request<B>> for Bare {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        drop(black_box(request));
        ready(Ok(Response::new(Full::new(Bytes::from_static(
            ANSWER.as_bytes(),
        )))))
    }
}

/// A router with one route, whose handler reads its body.
///
/// It lacks what `axum::serve` does to a router before it sends requests: [`finished`].
pub fn router() -> Router {
    Router::new().route(
        "/chat",
        post(async |question: Bytes| {
            black_box(question);
            ANSWER
        }),
    )
}

/// The router as `axum::serve` uses it: with every layer in place, once, not at each request.
pub fn finished(router: Router) -> Router {
    router.with_state(())
}

/// Sends one request, to see what comes back.
///
/// # Panics
///
/// No response comes at once.
pub fn answer<S, B>(service: &mut S, request: Request<Body>) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error: fmt::Debug>,
{
    let ready = poll_fn(|cx| service.poll_ready(cx)).now_or_never();
    ready.expect("nothing waits").expect("the service is ready");
    let response = service.call(request).now_or_never();
    response
        .expect("nothing waits")
        .expect("there is a response")
}

/// Sends one request and reads the response to its end, without a runtime: nothing that is
/// measured here ever waits.
///
/// # Panics
///
/// The answer is not 200, or does not come at once.
pub fn send<S, B>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<B>, Error: fmt::Debug>,
    B: HttpBody<Data: fmt::Debug, Error: fmt::Debug>,
{
    let exchange = async {
        poll_fn(|cx| service.poll_ready(cx))
            .await
            .expect("the service is ready");
        let response = service.call(request).await.expect("there is a response");
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = std::pin::pin!(response.into_body());
        while let Some(frame) = body.frame().await {
            black_box(frame.expect("the body is whole"));
        }
    };
    exchange.now_or_never().expect("nothing waits");
}
