//! The fault that hides best in a layer.

use std::task::{Context, Poll};

use tower_service::Service;

/// An inner service that panics if it is called without having been polled ready *itself*.
///
/// A layer that calls a clone of its inner service has to call the one that was polled ready,
/// and leave the clone behind. The other way round works with most services, and breaks
/// concurrency limits and buffers.
///
/// # Example
///
/// ```
/// use std::task::{Context, Waker};
/// use portcullis_testing::http_probe::{HandlerProbe, ReadyProbe};
/// use tower_service::Service;
///
/// let mut inner = ReadyProbe::new(HandlerProbe::new());
/// let ready = <ReadyProbe<_> as Service<http::Request<()>>>::poll_ready(
///     &mut inner,
///     &mut Context::from_waker(Waker::noop()),
/// );
/// assert!(ready.is_ready());
///
/// let mut clone = inner.clone();
/// let _ = inner.call(http::Request::new(())); // the one that was polled
/// let called = std::panic::catch_unwind(move || {
///     let _ = clone.call(http::Request::new(()));
/// });
/// assert!(called.is_err());
/// ```
#[derive(Debug)]
pub struct ReadyProbe<S> {
    inner: S,
    is_ready: bool,
}

impl<S> ReadyProbe<S> {
    /// Watches over the calls of another service.
    #[must_use]
    pub const fn new(inner: S) -> Self {
        Self {
            inner,
            is_ready: false,
        }
    }
}

impl<S: Clone> Clone for ReadyProbe<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}

impl<S: Service<R>, R> Service<R> for ReadyProbe<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let ready = self.inner.poll_ready(cx);
        self.is_ready = matches!(ready, Poll::Ready(Ok(())));
        ready
    }

    fn call(&mut self, request: R) -> S::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called without having been polled ready; was a fresh clone called?"
        );
        self.inner.call(request)
    }
}
