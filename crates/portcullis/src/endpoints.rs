//! What the gate itself serves.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use portcullis_core::RequestId;
use tower_service::Service;

use crate::resource::Metadata;

/// What has to be reachable without a credential, as one service: the resource metadata
/// (RFC 9728). Everything else is 404.
///
/// It is to be mounted at the root of the server, at
/// `/.well-known/oauth-protected-resource` and everything below; the gate also answers for
/// what it happens to see, so behind [`Stack`](crate::Stack) at the root nothing has to be
/// mounted.
#[derive(Clone, Debug)]
#[must_use = "endpoints have to be mounted to be reached"]
pub struct Endpoints(Arc<ArcSwap<Option<Metadata>>>);

impl Endpoints {
    pub(crate) fn new(metadata: Arc<ArcSwap<Option<Metadata>>>) -> Self {
        Self(metadata)
    }
}

impl<B> Service<Request<B>> for Endpoints {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        #[cfg(feature = "axum")]
        let original = request.extensions().get::<axum::extract::OriginalUri>();
        #[cfg(feature = "axum")]
        let path = original.map_or(request.uri().path(), |uri| uri.0.path());
        #[cfg(not(feature = "axum"))]
        let path = request.uri().path();
        let metadata = self.0.load();
        let answer =
            Option::as_ref(&metadata).and_then(|metadata| metadata.answer(request.method(), path));
        let response = answer.map_or_else(
            || {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            },
            // The id appears only in problems, and this answers none.
            |answer| answer.into_response(RequestId::from_u128(0)),
        );
        ready(Ok(response.map(Full::new)))
    }
}
