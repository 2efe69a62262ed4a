//! The layer and its service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::PerimeterBuilder;
use crate::{
    audit::Stats,
    frame::{RequestBody, ResponseBody, ResponseFuture, Shell, Steps, WrapBody},
};

/// Adds [`Perimeter`] to a service. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a service"]
pub struct PerimeterLayer {
    steps: Arc<Steps>,
}

impl PerimeterLayer {
    pub(super) fn new(steps: Arc<Steps>) -> Self {
        Self { steps }
    }

    /// The settings of a layer. At least one host has to be allowed.
    pub fn builder() -> PerimeterBuilder {
        PerimeterBuilder::new()
    }

    /// How many decisions there were, where this is the outermost of our layers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.shared().recorder.counters().snapshot()
    }
}

impl<S> Layer<S> for PerimeterLayer {
    type Service = Perimeter<S>;

    fn layer(&self, inner: S) -> Perimeter<S> {
        Perimeter {
            shell: Shell::new(inner, Arc::clone(&self.steps)),
        }
    }
}

/// Lets requests through that look as they may. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Perimeter<S> {
    shell: Shell<S, WrapBody>,
}

crate::frame::shell_accessors!(Perimeter);

impl<S, B, R> Service<Request<B>> for Perimeter<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, WrapBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.shell, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.shell.call(request)
    }
}
