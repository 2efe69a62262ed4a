//! The layer and its service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::BindingBuilder;
use crate::{
    audit::Stats,
    frame::{KeepBody, ResponseBody, ResponseFuture, Shell, Steps},
};

/// Adds [`Bound`] to a service. See the [module docs](super).
///
/// What is compared with is kept in the session, so that clones of the layer, and several
/// layers around handlers of one session, compare with the same.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct BindingLayer {
    steps: Arc<Steps>,
}

impl BindingLayer {
    pub(super) fn new(steps: Arc<Steps>) -> Self {
        Self { steps }
    }

    /// The settings of a layer.
    pub fn builder() -> BindingBuilder {
        BindingBuilder::new()
    }

    /// How many decisions there were, where this is the outermost of our layers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.shared().recorder.counters().snapshot()
    }
}

impl<S> Layer<S> for BindingLayer {
    type Service = Bound<S>;

    fn layer(&self, inner: S) -> Bound<S> {
        Bound {
            shell: Shell::new(inner, Arc::clone(&self.steps)),
        }
    }
}

/// Compares where requests come from with where their session came from. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Bound<S> {
    shell: Shell<S, KeepBody>,
}

crate::frame::shell_accessors!(Bound);

impl<S, B, R> Service<Request<B>> for Bound<S>
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
