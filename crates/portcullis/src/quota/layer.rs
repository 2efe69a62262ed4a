//! The layer and its service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::QuotaBuilder;
use crate::{
    audit::Stats,
    frame::{KeepBody, ResponseBody, ResponseFuture, Shell, Steps},
};

/// Adds [`Metered`] to a service. See the [module docs](super).
///
/// Clones of the layer, and all services that it is added to, count together.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct QuotaLayer {
    steps: Arc<Steps>,
}

impl QuotaLayer {
    pub(super) fn new(steps: Arc<Steps>) -> Self {
        Self { steps }
    }

    /// The settings of a layer. At least one quota has to be given.
    pub fn builder() -> QuotaBuilder {
        QuotaBuilder::new()
    }

    /// How many decisions there were, where this is the outermost of our layers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.shared().recorder.counters().snapshot()
    }
}

impl<S> Layer<S> for QuotaLayer {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Metered<S> {
        Metered {
            shell: Shell::new(inner, Arc::clone(&self.steps)),
        }
    }
}

/// Lets requests through whose quotas are not spent. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Metered<S> {
    shell: Shell<S, KeepBody>,
}

crate::frame::shell_accessors!(Metered);

impl<S, B, R> Service<Request<B>> for Metered<S>
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
