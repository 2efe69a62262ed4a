//! A handler that says what it was shown.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::Full;
use portcullis::Exchange;
use tower::Service;

/// Answers 200 with one line: see [`shown`]. Takes any body, and reads none.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Echo;

impl Echo {
    /// A handler.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<B> Service<Request<B>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, _body) = request.into_parts();
        ready(Ok(Response::new(shown(&parts).into())))
    }
}

/// What a handler is shown of a request: who calls, the path that was asked for, and the
/// credential, which should be gone.
#[must_use]
pub fn shown(parts: &Parts) -> String {
    let caller = match Exchange::of(&parts.extensions) {
        None => "nobody".to_owned(),
        Some(exchange) => match exchange.principal() {
            Some(principal) => principal.subject().to_owned(),
            None if exchange.is_anonymous() => "anonymous".to_owned(),
            None => "unidentified".to_owned(),
        },
    };
    let path = Exchange::of(&parts.extensions).map_or("-", Exchange::path);
    let credential = match parts.headers.contains_key("authorization") {
        true => "leaked",
        false => "gone",
    };
    format!("caller={caller} path={path} credential={credential}")
}
