//! The service.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::frame::{KeepBody, ResponseBody, ResponseFuture, Shell};

/// Lets requests through that somebody vouches for. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Authn<S> {
    pub(super) shell: Shell<S, KeepBody>,
}

crate::frame::shell_accessors!(Authn);

impl<S, B, R> Service<Request<B>> for Authn<S>
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
