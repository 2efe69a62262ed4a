//! What the gate itself serves.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use portcullis_core::RequestId;
use tower_service::Service;

use crate::{
    exchange::OriginalPath,
    frame::{Passage, Receiving, RequestBodies, Steps, WrapOrReadBody},
    notices::ReceiveNotices,
    resource::Metadata,
};

/// What has to be reachable without a credential, as one service: the resource metadata
/// (RFC 9728), and the paths of the [receivers of notices](crate::notices). Everything else is 404.
///
/// It is to be mounted at the root of the server, at
/// `/.well-known/oauth-protected-resource` and everything below, and at those paths; the gate also
/// answers for what it happens to see, so behind [`Stack`](crate::Stack) at the root nothing has
/// to be mounted.
///
/// ```no_run
/// # #[cfg(feature = "axum")]
/// # fn mount(gate: portcullis::Gate, agent: axum::Router) -> axum::Router {
/// // The gate is nested, so that it sees nothing beside its own paths.
/// axum::Router::new()
///     .nest_service("/agent", gate.guard(agent))
///     .fallback_service(gate.endpoints())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "endpoints have to be mounted to be reached"]
pub struct Endpoints(Arc<ArcSwap<Outside>>);

/// What is answered without a credential.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) metadata: Option<Metadata>,
    pub(crate) notices: Option<Notices>,
}

impl Outside {
    /// Where the metadata is found.
    pub(crate) fn metadata_url(&self) -> Option<Box<str>> {
        Some(self.metadata.as_ref()?.url().into())
    }
}

/// The steps for notices: those of the perimeter, and what hears them.
#[derive(Clone)]
pub(crate) struct Notices {
    pub(crate) steps: Arc<Steps>,
    pub(crate) receive: Arc<ReceiveNotices>,
}

impl Endpoints {
    /// Others may come in the place of what is answered.
    pub(crate) fn new(outside: Arc<ArcSwap<Outside>>) -> Self {
        Self(outside)
    }
}

impl<B: Body> Service<Request<B>> for Endpoints {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = EndpointFuture<B>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> EndpointFuture<B> {
        let (mut parts, body) = request.into_parts();
        let path = OriginalPath::of(&parts, None);
        let outside = self.0.load();
        let metadata = outside.metadata.as_ref();
        let answer = metadata.and_then(|metadata| metadata.answer(&parts.method, path.as_str()));
        if let Some(answer) = answer {
            // The id appears only in problems, and this answers none.
            return EndpointFuture::ready(answer.into_response(RequestId::from_u128(0)));
        }
        let notices = outside.notices.as_ref();
        let Some(notices) = notices.filter(|notices| notices.receive.has(path.as_str())) else {
            return EndpointFuture::ready(not_found());
        };
        match notices.steps.run(&mut parts, false) {
            Passage::Receive(incoming) => {
                let reading = <WrapOrReadBody as RequestBodies<B>>::read(body, incoming.limit());
                EndpointFuture(Answer::Receiving(Box::pin(Receiving::new(
                    reading, incoming,
                ))))
            }
            Passage::Refuse(response) => EndpointFuture::ready(response),
            // Nothing here lets anything in, or waits for anything but a body.
            Passage::Pass(_) | Passage::Wait(_) | Passage::Defer => {
                EndpointFuture::ready(not_found())
            }
        }
    }
}

/// The future of an answer of [`Endpoints`].
pub struct EndpointFuture<B: Body>(Answer<B>);

enum Answer<B: Body> {
    Ready(Option<Response<Bytes>>),
    Receiving(Pin<Box<Receiving<<WrapOrReadBody as RequestBodies<B>>::Reading>>>),
}

impl<B: Body> EndpointFuture<B> {
    fn ready(response: Response<Bytes>) -> Self {
        Self(Answer::Ready(Some(response)))
    }
}

// Nothing in it is pinned but what is in a box.
impl<B: Body> Unpin for EndpointFuture<B> {}

impl<B: Body> Future for EndpointFuture<B> {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = match &mut self.0 {
            Answer::Ready(response) => response.take().map_or(Poll::Pending, Poll::Ready),
            Answer::Receiving(receiving) => receiving.as_mut().poll(cx),
        };
        polled.map(|response| Ok(response.map(Full::new)))
    }
}

impl<B: Body> fmt::Debug for EndpointFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outside = self.0.load();
        f.debug_struct("Endpoints")
            .field("metadata", &outside.metadata)
            .field("notices", &outside.notices.is_some())
            .finish()
    }
}

fn not_found() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
