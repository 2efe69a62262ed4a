//! One layer's decision, without any type of the services around it.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{StatusCode, request::Parts, response};
use portcullis_core::EndReason;

use crate::{
    exchange::{Exchange, Slot},
    reason,
    refusal::Refusal,
};

/// One layer's decision.
pub(crate) trait Step: Send + Sync + 'static {
    /// Where the layer stands. `None` for what answers by itself and needs no order.
    fn slot(&self) -> Option<Slot>;

    /// Decides on the head of a request, without I/O.
    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision;

    /// Goes on where [`decide`](Self::decide) answered [`Decision::NeedsIo`].
    fn resume(self: Arc<Self>, parts: Parts, exchange: Exchange, cursor: usize) -> Pending {
        // Only a step that never needs I/O leaves this as it is.
        let _ = (exchange, cursor);
        Box::pin(std::future::ready((parts, Ok(()))))
    }

    /// Goes on where [`decide`](Self::decide) answered [`Decision::Receive`], with the body.
    fn receive(
        self: Arc<Self>,
        parts: Parts,
        exchange: Exchange,
        cursor: usize,
        body: Bytes,
    ) -> Receipt {
        // Only a step that never asks for a body leaves this as it is.
        let _ = (parts, exchange, cursor, body);
        let (status, code) = (StatusCode::INTERNAL_SERVER_ERROR, reason::STACK_MISORDERED);
        Box::pin(std::future::ready(Refusal::new("gate", status, code)))
    }

    /// Looks at the head of the handler's response, and may put another in its place.
    fn respond(&self, parts: &mut response::Parts, exchange: &Exchange) -> Option<Refusal> {
        let _ = (parts, exchange);
        None
    }

    /// Who answers where the request's session ends before its handler has, if what is inside
    /// ends with the session.
    fn cutter(self: Arc<Self>) -> Option<Arc<dyn Cutter>> {
        None
    }
}

/// Answers for handlers that have not done so when their session ended.
pub(crate) trait Cutter: Send + Sync + 'static {
    /// The answer in place of the handler's.
    fn cut(&self, exchange: &Exchange, over: EndReason) -> Refusal;
}

/// What a step decided.
pub(crate) enum Decision {
    /// The step has to do I/O, and wants to be resumed at this place.
    NeedsIo { cursor: usize },
    /// The request may go on.
    Pass,
    /// The gate answers once it has the body, of at most so many bytes.
    Receive { cursor: usize, limit: usize },
    /// The gate answers.
    Refuse(Refusal),
}

/// A step that does I/O. The head of the request moves in and out, in one box.
pub(crate) type Pending =
    Pin<Box<dyn Future<Output = (Parts, Result<(), Refusal>)> + Send + 'static>>;

/// The answer to a request whose body was read.
pub(crate) type Receipt = Pin<Box<dyn Future<Output = Refusal> + Send + 'static>>;
