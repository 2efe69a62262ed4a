//! The layer and its service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::StepUpBuilder;
use crate::frame::{KeepBody, ResponseBody, ResponseFuture, Shell, Steps};

/// Adds [`StepUp`] to a service. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct StepUpLayer {
    steps: Arc<Steps>,
}

impl StepUpLayer {
    pub(super) fn new(steps: Arc<Steps>) -> Self {
        Self { steps }
    }

    /// The settings of a layer. At least one thing has to be required.
    pub fn builder() -> StepUpBuilder {
        StepUpBuilder::new()
    }
}

impl<S> Layer<S> for StepUpLayer {
    type Service = StepUp<S>;

    fn layer(&self, inner: S) -> StepUp<S> {
        StepUp {
            shell: Shell::new(inner, Arc::clone(&self.steps)),
        }
    }
}

/// Lets requests through that meet what is required of them. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct StepUp<S> {
    shell: Shell<S, KeepBody>,
}

crate::frame::shell_accessors!(StepUp);

impl<S, B, R> Service<Request<B>> for StepUp<S>
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
