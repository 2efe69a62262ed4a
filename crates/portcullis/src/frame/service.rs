//! The service that every layer is.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    current::CurrentSteps,
    future::{ResponseFuture, hand_on},
    request_body::RequestBodies,
    response_body::ResponseBody,
    steps::Passage,
};

/// A service with steps in front of it. `M` says what becomes of the request's body.
pub(crate) struct Shell<S, M> {
    inner: S,
    steps: CurrentSteps,
    bodies: PhantomData<fn() -> M>,
}

impl<S, M> Shell<S, M> {
    pub(crate) fn new(inner: S, steps: CurrentSteps) -> Self {
        Self {
            inner,
            steps,
            bodies: PhantomData,
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.inner
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    pub(crate) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, M> Clone for Shell<S, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.steps.clone())
    }
}

impl<S: fmt::Debug, M> fmt::Debug for Shell<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell")
            .field("steps", &self.steps)
            .field("inner", &self.inner)
            .finish()
    }
}

impl<S, B, M, R> Service<Request<B>> for Shell<S, M>
where
    M: RequestBodies<B>,
    S: Service<Request<M::Body>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let steps = self.steps.load();
        match steps.run(&mut parts, true) {
            Passage::Pass(flown) => {
                let future = hand_on::<S, B, M>(&mut self.inner, parts, body, flown.exchange());
                ResponseFuture::calling(future, flown)
            }
            Passage::Receive(incoming) => ResponseFuture::receiving(incoming, body),
            Passage::Refuse(response) => ResponseFuture::refused(response),
            Passage::Wait(waiting) => ResponseFuture::waiting(waiting, body, self.take_ready()),
            Passage::Defer => {
                let steps = Arc::clone(&steps);
                ResponseFuture::deferred(parts, body, self.take_ready(), steps)
            }
        }
    }
}

impl<S: Clone, M> Shell<S, M> {
    /// The instance that was polled ready, with a clone left in its place: a clone need not
    /// be ready.
    fn take_ready(&mut self) -> S {
        let clone = self.inner.clone();
        std::mem::replace(&mut self.inner, clone)
    }
}
