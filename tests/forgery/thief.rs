//! A middleware that keeps the extensions of one request and plants them into another.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use http_body_util::Full;
use portcullis::BoxError;
use tower::{Layer, Service};

/// How the extensions of the victim's request are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Taken {
    /// A copy; the victim's request goes on with the original.
    Copied,
    /// The thing itself; the victim's request ends here.
    Moved,
    /// The thing itself, while the victim's request is still under way.
    MovedAndHeld,
}

/// All three.
pub(crate) const ALL_WAYS: [Taken; 3] = [Taken::Copied, Taken::Moved, Taken::MovedAndHeld];

/// Keeps the extensions of a request with `x-victim`, and plants them into one with
/// `x-thief`.
#[derive(Clone)]
pub(crate) struct Thief {
    taken: Taken,
    loot: Arc<Mutex<Option<Extensions>>>,
}

impl Thief {
    pub(crate) fn new(taken: Taken) -> Self {
        Self {
            taken,
            loot: Arc::default(),
        }
    }

    pub(crate) fn has_loot(&self) -> bool {
        self.loot.lock().unwrap().is_some()
    }
}

impl<S> Layer<S> for Thief {
    type Service = Stealing<S>;

    fn layer(&self, inner: S) -> Stealing<S> {
        Stealing {
            thief: self.clone(),
            inner,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Stealing<S> {
    thief: Thief,
    inner: S,
}

/// The future of anything in this test.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>> + Send>>;

impl<S, B, R> Service<Request<B>> for Stealing<S>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send + 'static, Error: Into<BoxError>>,
    R: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut loot = self.thief.loot.lock().unwrap();
        if request.headers().contains_key("x-victim") {
            let extensions = request.extensions_mut();
            *loot = Some(match self.thief.taken {
                Taken::Copied => extensions.clone(),
                Taken::Moved | Taken::MovedAndHeld => std::mem::take(extensions),
            });
            match self.thief.taken {
                Taken::Copied => {}
                Taken::Moved => {
                    return Box::pin(async { Ok(Response::new(Full::from("robbed"))) });
                }
                Taken::MovedAndHeld => return Box::pin(std::future::pending()),
            }
        }
        if request.headers().contains_key("x-thief") {
            *request.extensions_mut() = loot.take().unwrap();
        }
        drop(loot);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await.map_err(Into::into)?;
            Ok(portcullis_tests::wire::read(response)
                .await?
                .map(Full::from))
        })
    }
}

/// Answers like `Echo`, but looks only when it is polled, as an `async fn` does.
#[derive(Clone, Copy)]
pub(crate) struct LateEcho;

impl<B> Service<Request<B>> for LateEcho {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, _body) = request.into_parts();
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(Response::new(portcullis_tests::echo::shown(&parts).into()))
        })
    }
}
