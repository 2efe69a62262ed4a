//! The call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use portcullis_core::{Durable, Timestamp};

use super::{
    Denial, Permit,
    decide::{self, Revoked},
};
use crate::{exchange::Exchange, refusal::Refusal, session::Looked, step_up::Requirements};

impl Exchange {
    /// Asks for an operation inside this request, with the arguments that it is to be carried
    /// out with. See the [module docs](crate::authorize).
    ///
    /// Nothing is decided, and nothing is recorded, before the future is polled. One that is
    /// dropped while a store is asked has a record, with the reason `abandoned`.
    pub fn authorize<T>(&self, operation: &str, arguments: T) -> Authorize<T> {
        self.ask(None, operation, arguments)
    }

    /// The same for an operation of our own, which knows what it requires: that, and what the
    /// `step_up` layers require of everything, or of an operation of this name.
    pub(crate) fn authorize_by<T>(
        &self,
        own: &Arc<Requirements>,
        operation: &str,
        arguments: T,
    ) -> Authorize<T> {
        self.ask(Some(Arc::clone(own)), operation, arguments)
    }

    fn ask<T>(
        &self,
        own: Option<Arc<Requirements>>,
        operation: &str,
        arguments: T,
    ) -> Authorize<T> {
        Authorize {
            held: Some(Held {
                exchange: self.clone(),
                own,
                operation: operation.into(),
                arguments,
                revoked: None,
                asking: None,
                looking: None,
                waiting: None,
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
    /// What whoever asks requires himself.
    own: Option<Arc<Requirements>>,
    operation: Box<str>,
    arguments: T,
    /// Whether the credential is revoked, once that is known.
    revoked: Option<Revoked>,
    /// A store that has to be asked for it.
    asking: Option<Question<Revoked>>,
    /// The store of the session, where it has to be asked.
    looking: Option<Question<Looked>>,
    /// What a call that would be permitted waits for, if the audit sink is strict.
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Timestamp,
    durable: Durable,
}

/// What a store is asked. In a lock that is never taken: what is behind it is reached by those
/// alone who have the whole to themselves, so that the whole may be shared.
struct Question<T>(Mutex<Pin<Box<dyn Future<Output = T> + Send>>>);

/// A call that was asked for has its record, also where nobody waits for the answer.
impl<T> Drop for Authorize<T> {
    fn drop(&mut self) {
        if let Some(held) = self.held.as_ref().filter(|held| held.is_asking()) {
            held.exchange.record_abandoned_call(&held.operation);
        }
        // Recorded as permitted, and so on the disk, or about to be.
        if let Some(held) = &self.held
            && let Some(Waiting { since, .. }) = &held.waiting
        {
            held.exchange.count_call(&held.operation, *since);
        }
    }
}

/// The arguments are moved, never pinned.
impl<T> Unpin for Authorize<T> {}

impl<T> Future for Authorize<T> {
    type Output = Result<Permit<T>, Denial>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let settled = match &mut self.held {
            Some(held) => Some(ready!(held.poll_settled(cx))),
            None => None,
        };
        let (Some(held), Some(decided)) = (self.held.take(), settled) else {
            debug_assert!(false, "polled after completion");
            // A call that is polled again after it is done gets no second permit.
            return Poll::Pending;
        };
        let Held {
            exchange,
            operation,
            arguments,
            ..
        } = held;
        Poll::Ready(match decided {
            Ok(()) => {
                let actor = exchange.principal().map(|principal| principal.actor_view());
                Ok(Permit::new(operation, actor, arguments))
            }
            Err(refusal) => Err(Denial::new(operation, refusal, exchange.id())),
        })
    }
}

impl<T> Held<T> {
    /// Whether a store was asked. What is decided at once is never left half done.
    fn is_asking(&self) -> bool {
        (self.asking.is_some() || self.looking.is_some()) && self.waiting.is_none()
    }

    /// Decides and writes the record. With a strict sink a call is permitted once its record is
    /// durable.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        if self.waiting.is_none() {
            let (since, decided) = ready!(self.poll_decided(cx));
            let exchange = &self.exchange;
            if decided.is_err() || !exchange.is_strict() {
                exchange.record_call(&self.operation, since, decided.as_ref().copied());
                return Poll::Ready(decided);
            }
            let durable = exchange.commit_call(&self.operation, since);
            self.waiting = Some(Waiting { since, durable });
        }
        let Some(Waiting { since, durable }) = &mut self.waiting else {
            return Poll::Pending;
        };
        let durable = ready!(Pin::new(durable).poll(cx));
        let since = *since;
        // What was permitted before a disk that took its time may be over since.
        let now = self.exchange.clock().now();
        let decided = match durable {
            Ok(()) => self.decide(now),
            Err(error) => Err(Refusal::without_record(self.exchange.id(), &error)),
        };
        match &decided {
            Ok(()) => self.exchange.count_call(&self.operation, since),
            Err(refusal) => self
                .exchange
                .record_call(&self.operation, now, Err(refusal)),
        }
        Poll::Ready(decided)
    }

    /// Decides, and says when. The store of the session is asked last: only for what would be
    /// permitted otherwise.
    fn poll_decided(&mut self, cx: &mut Context<'_>) -> Poll<(Timestamp, Result<(), Refusal>)> {
        ready!(self.poll_revoked(cx));
        loop {
            let looked = match &mut self.looking {
                Some(looking) => Some(ready!(looking.poll(cx))),
                None => None,
            };
            // Again after the store has answered: that may have taken a while.
            let now = self.exchange.clock().now();
            let decided = match (self.decide(now), looked) {
                (Ok(()), Some(looked)) => decide::judge(&self.exchange, looked),
                (Ok(()), None) => match decide::look(&self.exchange) {
                    Some(looking) => {
                        self.looking = Some(Question::new(looking));
                        continue;
                    }
                    None => Ok(()),
                },
                (Err(refusal), _) => Err(refusal),
            };
            return Poll::Ready((now, decided));
        }
    }

    /// Decides by what is known. A store of revocations that has to be asked is not asked twice.
    fn decide(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if let Some(revoked) = decide::revoked(&self.exchange) {
            self.revoked = Some(revoked);
        }
        let revoked = self.revoked.as_ref().unwrap_or(&Ok(()));
        decide::decide(
            &self.exchange,
            self.own.as_ref(),
            &self.operation,
            now,
            revoked,
        )
    }

    /// Finds out whether the credential is revoked, once.
    fn poll_revoked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.revoked.is_none() && self.asking.is_none() {
            self.revoked = decide::revoked(&self.exchange);
        }
        if self.revoked.is_none() {
            let exchange = &self.exchange;
            let asking = self.asking.get_or_insert_with(|| {
                Question::new(Box::pin(decide::look_revoked(exchange.clone())))
            });
            self.revoked = Some(ready!(asking.poll(cx)));
        }
        Poll::Ready(())
    }
}

impl<T> Question<T> {
    fn new(asking: Pin<Box<dyn Future<Output = T> + Send>>) -> Self {
        Self(Mutex::new(asking))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let asking = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        asking.as_mut().poll(cx)
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
