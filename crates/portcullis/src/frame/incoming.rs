//! A request of which a step wants the body, and which the gate then answers.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use pin_project_lite::pin_project;
use portcullis_core::Sleep;
use tracing::{Instrument as _, Span};

use super::{
    doors::Bed,
    presence::Presence,
    request_body::Unread,
    step::Step,
    steps::{Landing, Steps, refuse},
};
use crate::{exchange::Exchange, reason, refusal::Refusal};

/// How long the body may take: it is short, and its sender a server.
const TIME: Duration = Duration::from_secs(10);

/// A request whose body is being read.
pub(crate) struct Incoming {
    steps: Arc<Steps>,
    step: (Arc<dyn Step>, usize),
    limit: usize,
    parts: Parts,
    exchange: Exchange,
    presence: Presence,
}

impl Incoming {
    pub(super) fn new(
        steps: &Arc<Steps>,
        step: (Arc<dyn Step>, usize),
        limit: usize,
        parts: Parts,
        exchange: Exchange,
        presence: Presence,
    ) -> Self {
        Self {
            steps: Arc::clone(steps),
            step,
            limit,
            parts,
            exchange,
            presence,
        }
    }

    /// The most bytes of the body that are read.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The answer, once the body was read or not.
    async fn answer(self, read: Result<Bytes, Unread>) -> Response<Bytes> {
        let Self {
            steps,
            step: (step, cursor),
            parts,
            exchange,
            presence,
            ..
        } = self;
        let is_outermost = presence.is_outermost();
        let span = exchange.span_to_enter().unwrap_or_else(Span::none);
        let answering = async {
            let refusal = match read {
                Ok(body) => step.receive(parts, exchange.clone(), cursor, body).await,
                Err(_) if steps.doors().are_closed() => Refusal::shutting_down(),
                Err(unread) => refusal_of(unread),
            };
            let response = refuse(refusal, &exchange, is_outermost);
            (
                http::Request::new(()).into_parts().0,
                Landing::Refuse(response),
            )
        };
        let answering = std::pin::pin!(answering);
        let landed = steps.unless_shut_down(answering, &exchange, is_outermost);
        match landed.instrument(span).await.1 {
            Landing::Refuse(response) => response,
            // Nothing here lets anything in.
            Landing::Pass(_) => Response::new(Bytes::new()),
        }
    }
}

fn refusal_of(unread: Unread) -> Refusal {
    let (status, code) = match unread {
        Unread::Failed => (StatusCode::BAD_REQUEST, reason::NOTICE_UNREAD),
        Unread::Late => (StatusCode::REQUEST_TIMEOUT, reason::NOTICE_UNREAD),
        Unread::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, reason::BODY_TOO_LARGE),
    };
    Refusal::new("notices", status, code)
}

/// Where a request lies that waits for its body, so that the end of the gate wakes it.
struct Lying {
    steps: Arc<Steps>,
    exchange: Exchange,
    bed: Option<Bed>,
}

impl Drop for Lying {
    fn drop(&mut self) {
        self.steps.doors().get_up(&mut self.bed);
    }
}

pin_project! {
    /// Reads the body, and answers.
    pub(crate) struct Receiving<R> {
        #[pin]
        reading: R,
        late: Sleep,
        lying: Option<Lying>,
        incoming: Option<Box<Incoming>>,
        answering: Option<Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>>,
    }
}

impl<R> Receiving<R> {
    pub(crate) fn new(reading: R, incoming: Box<Incoming>) -> Self {
        let clock = &incoming.steps.shared().clock;
        Self {
            reading,
            late: clock.sleep_until(clock.instant() + TIME),
            lying: Some(Lying {
                steps: Arc::clone(&incoming.steps),
                exchange: incoming.exchange.clone(),
                bed: None,
            }),
            incoming: Some(incoming),
            answering: None,
        }
    }
}

impl<R: Future<Output = Result<Bytes, Unread>>> Future for Receiving<R> {
    type Output = Response<Bytes>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<Bytes>> {
        let this = self.project();
        if let Some(answering) = this.answering {
            return answering.as_mut().poll(cx);
        }
        let read = match this.reading.poll(cx) {
            Poll::Ready(read) => read,
            Poll::Pending => {
                if let Some(lying) = this.lying {
                    let doors = lying.steps.doors();
                    doors.lie_down(&mut lying.bed, &lying.exchange, cx);
                    // Looked at after the waker is there, so that nothing is missed. Whoever
                    // answers sees that the gate is shut down.
                    if !doors.are_closed() {
                        ready!(Pin::new(this.late).poll(cx));
                    }
                }
                Err(Unread::Late)
            }
        };
        *this.lying = None;
        let Some(incoming) = this.incoming.take() else {
            return Poll::Pending;
        };
        let mut answering = Box::pin(incoming.answer(read));
        let polled = answering.as_mut().poll(cx);
        *this.answering = Some(answering);
        polled
    }
}
