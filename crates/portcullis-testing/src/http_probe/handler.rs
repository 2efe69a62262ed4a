//! What a layer calls, or must not call.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::Full;
use tower_service::Service;

/// An inner service that counts its calls, and keeps the head of the last request. It answers
/// 200 with the body `handled`. Clones count together.
///
/// # Example
///
/// ```
/// use portcullis_testing::http_probe::HandlerProbe;
/// use tower_service::Service as _;
///
/// let handler = HandlerProbe::new();
/// let refuses_everything = handler.clone(); // a layer around it, in a real test
/// # drop(refuses_everything);
/// handler.assert_not_called();
///
/// let mut admits = handler.clone();
/// let _response = admits.call(http::Request::new(()));
/// handler.assert_called(1);
/// assert_eq!(handler.take_request().unwrap().uri, "/");
/// ```
#[derive(Clone, Default)]
pub struct HandlerProbe(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: usize,
    last: Option<Parts>,
}

impl HandlerProbe {
    /// Not called yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.with_state(|state| state.calls)
    }

    /// The head of the last request, with its extensions. It is given once.
    #[must_use]
    pub fn take_request(&self) -> Option<Parts> {
        self.with_state(|state| state.last.take())
    }

    /// It was not called.
    ///
    /// # Panics
    ///
    /// It was.
    #[track_caller]
    pub fn assert_not_called(&self) {
        self.assert_called(0);
    }

    /// It was called this often.
    ///
    /// # Panics
    ///
    /// It was called more or less often.
    #[track_caller]
    pub fn assert_called(&self, times: usize) {
        let calls = self.calls();
        assert!(
            calls == times,
            "the handler should have been called {times} times, and was called {calls} times"
        );
    }

    fn with_state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<B> Service<Request<B>> for HandlerProbe {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, _body) = request.into_parts();
        self.with_state(|state| {
            state.calls += 1;
            state.last = Some(head);
        });
        ready(Ok(Response::new(Full::from("handled"))))
    }
}

impl fmt::Debug for HandlerProbe {
    /// Without the request: it may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerProbe")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}
