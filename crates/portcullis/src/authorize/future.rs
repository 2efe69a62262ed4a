//! The call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{Denial, Permit, decide::decide};
use crate::exchange::Exchange;

impl Exchange {
    /// Asks for an operation inside this request, with the arguments that it is to be carried
    /// out with. See the [module docs](crate::authorize).
    ///
    /// Nothing is decided, and nothing is recorded, before the future is polled.
    pub fn authorize<T>(&self, operation: &str, arguments: T) -> Authorize<T> {
        Authorize {
            held: Some(Held {
                exchange: self.clone(),
                operation: operation.into(),
                arguments,
            }),
        }
    }
}

/// The future of [`Exchange::authorize`]. It borrows nothing, and is `Send` if the arguments
/// are.
#[must_use = "nothing is authorized until it is awaited"]
pub struct Authorize<T> {
    held: Option<Held<T>>,
}

struct Held<T> {
    exchange: Exchange,
    operation: Box<str>,
    arguments: T,
}

/// The arguments are moved, never pinned.
impl<T> Unpin for Authorize<T> {}

impl<T> Future for Authorize<T> {
    type Output = Result<Permit<T>, Denial>;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(held) = self.held.take() else {
            debug_assert!(false, "polled after completion");
            // A call that is polled again after it is done gets no second permit.
            return Poll::Pending;
        };
        let Held {
            exchange,
            operation,
            arguments,
        } = held;
        let now = exchange.clock().now();
        let decided = decide(&exchange, &operation, now);
        exchange.record_call(&operation, now, decided.as_ref().copied());
        Poll::Ready(match decided {
            Ok(()) => {
                let actor = exchange.principal().map(|principal| principal.actor_view());
                Ok(Permit::new(operation, actor, arguments))
            }
            Err(refusal) => Err(Denial::new(operation, refusal, exchange.id())),
        })
    }
}

impl<T> fmt::Debug for Authorize<T> {
    /// Without the arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.held.as_ref().map(|held| &held.operation);
        f.debug_struct("Authorize")
            .field("operation", &operation)
            .finish_non_exhaustive()
    }
}
