//! What stands behind the gate: the same routes, with axum and without.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    extract::{MatchedPath, Request as AxumRequest},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError};
use portcullis::BoxError;
use portcullis_tests::echo::shown;
use tower::Service;

/// The routes with axum.
pub(crate) fn router() -> Router {
    let who = async |route: MatchedPath, request: AxumRequest| {
        let (parts, _body) = request.into_parts();
        format!("{} route={}", shown(&parts), route.as_str())
    };
    Router::new()
        .route("/who", get(who).options(who))
        .route("/public/{id}", get(who))
        .route("/public/{id}/more", get(who))
        .route("/payments/{id}", get(who))
        .route("/payments/{id}/more", get(who))
        .route("/vault/{id}", get(who))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
}

/// The routes with nothing but `match`.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl<B> Service<Request<B>> for Plain
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async { Ok(answer(request).await) })
    }
}

pub(crate) async fn answer<B>(request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (parts, body) = request.into_parts();
    let answer = |status: StatusCode, text: String| {
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    };
    match parts.uri.path() {
        "/who" | "/public/7" | "/public/7/more" | "/payments/7" | "/payments/7/more"
        | "/vault/7" => answer(StatusCode::OK, shown(&parts)),
        "/upload" => match body.collect().await.map_err(Into::into) {
            Ok(body) => answer(StatusCode::OK, body.to_bytes().len().to_string()),
            Err(error) if error.is::<LengthLimitError>() => {
                answer(StatusCode::PAYLOAD_TOO_LARGE, String::new())
            }
            Err(_) => answer(StatusCode::BAD_REQUEST, String::new()),
        },
        _ => answer(StatusCode::NOT_FOUND, String::new()),
    }
}
