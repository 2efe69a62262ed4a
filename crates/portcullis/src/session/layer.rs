//! The layer and its service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::SessionBuilder;
use crate::{
    audit::Stats,
    frame::{KeepBody, ResponseBody, ResponseFuture, Shell, Steps},
};

/// Adds [`WithSession`] to a service. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct SessionLayer {
    steps: Arc<Steps>,
}

impl SessionLayer {
    pub(super) fn new(steps: Arc<Steps>) -> Self {
        Self { steps }
    }

    /// The settings of a layer.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::new()
    }

    /// How many decisions there were, where this is the outermost of our layers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.shared().recorder.counters().snapshot()
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = WithSession<S>;

    fn layer(&self, inner: S) -> WithSession<S> {
        WithSession {
            shell: Shell::new(inner, Arc::clone(&self.steps)),
        }
    }
}

/// Lets callers through whose session lives, or who may open one. See the
/// [module docs](super).
#[derive(Clone, Debug)]
pub struct WithSession<S> {
    shell: Shell<S, KeepBody>,
}

crate::frame::shell_accessors!(WithSession);

impl<S, B, R> Service<Request<B>> for WithSession<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, KeepBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.shell, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.shell.call(request)
    }
}
