//! The future of a response.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    flown::Flown,
    incoming::{Incoming, Receiving},
    request_body::RequestBodies,
    response_body::ResponseBody,
    steps::{Landing, Passage, Steps},
};
use crate::exchange::Exchange;

type Waiting = Pin<Box<dyn Future<Output = (Parts, Landing)> + Send + 'static>>;

pin_project! {
    /// The future of a layer's response. The inner service's future is inside it, unboxed.
    pub struct ResponseFuture<S, B, M>
    where
        S: Service<Request<M::Body>>,
        M: RequestBodies<B>,
    {
        #[pin]
        state: State<S, B, M>,
    }

    impl<S, B, M> PinnedDrop for ResponseFuture<S, B, M>
    where
        S: Service<Request<M::Body>>,
        M: RequestBodies<B>,
    {
        // What a handler logs when it is dropped belongs to its request, too.
        fn drop(this: Pin<&mut Self>) {
            let mut state = this.project().state;
            if let StateProjection::Calling { flown: Some(flown), .. } = state.as_mut().project()
                && let Some(span) = flown.exchange().span_to_enter()
            {
                span.in_scope(|| state.set(State::Refused { response: None }));
            }
        }
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, M>
    where
        S: Service<Request<M::Body>>,
        M: RequestBodies<B>,
    {
        Calling {
            #[pin]
            future: S::Future,
            flown: Option<Flown>,
        },
        // The rest happens at most once in a request's life, so what it holds is boxed to
        // keep the future of the ordinary case small.
        Deferred { held: Option<Box<(Parts, Held<S, B>, Arc<Steps>)>> },
        Receiving { receiving: Pin<Box<Receiving<M::Reading>>> },
        Refused { response: Option<Response<Bytes>> },
        Waiting { waiting: Waiting, held: Option<Box<Held<S, B>>> },
    }
}

/// What waits for a decision: the body, and the instance that was polled ready.
struct Held<S, B> {
    body: B,
    service: S,
}

impl<S, B, M> ResponseFuture<S, B, M>
where
    S: Service<Request<M::Body>>,
    M: RequestBodies<B>,
{
    pub(super) fn calling(future: S::Future, flown: Flown) -> Self {
        let flown = Some(flown);
        Self {
            state: State::Calling { future, flown },
        }
    }

    pub(super) fn receiving(incoming: Box<Incoming>, body: B) -> Self {
        Self {
            state: receive(incoming, body),
        }
    }

    pub(super) fn refused(response: Response<Bytes>) -> Self {
        Self {
            state: State::Refused {
                response: Some(response),
            },
        }
    }

    pub(super) fn waiting(waiting: Waiting, body: B, service: S) -> Self {
        let held = Some(Box::new(Held { body, service }));
        Self {
            state: State::Waiting { waiting, held },
        }
    }

    pub(super) fn deferred(parts: Parts, body: B, service: S, steps: Arc<Steps>) -> Self {
        let held = Some(Box::new((parts, Held { body, service }, steps)));
        Self {
            state: State::Deferred { held },
        }
    }
}

impl<S, B, M, R> Future for ResponseFuture<S, B, M>
where
    M: RequestBodies<B>,
    S: Service<Request<M::Body>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProjection::Calling { future, flown } => {
                    debug_assert!(flown.is_some(), "polled after completion");
                    let Some(passing) = flown else {
                        return Poll::Pending;
                    };
                    let polled = match passing.over() {
                        Some(over) => Err(over),
                        None => match passing.exchange().run(|| future.poll(cx)) {
                            Poll::Ready(Ok(response)) => Ok(response),
                            Poll::Ready(Err(error)) => {
                                passing.fail();
                                return Poll::Ready(Err(error));
                            }
                            Poll::Pending => Err(ready!(passing.poll_over(cx))),
                        },
                    };
                    match polled {
                        Ok(response) => {
                            let (mut parts, body) = response.into_parts();
                            if let Some(own) = passing.respond(&mut parts) {
                                passing.complete();
                                return Poll::Ready(Ok(own.map(ResponseBody::own)));
                            }
                            let body = flown
                                .take()
                                .map(|flown| ResponseBody::handler(body, flown, &parts));
                            return body.map_or(Poll::Pending, |body| {
                                Poll::Ready(Ok(Response::from_parts(parts, body)))
                            });
                        }
                        // The handler is dropped where it stands.
                        Err(over) => {
                            passing.cut(over);
                            let response = passing.answer(over);
                            let exchange = passing.exchange().clone();
                            let refused = State::Refused { response };
                            exchange.in_span(|| self.as_mut().project().state.set(refused));
                            continue;
                        }
                    }
                }
                StateProjection::Refused { response } => {
                    let response = response.take();
                    debug_assert!(response.is_some(), "polled after completion");
                    // A future that is polled again after it is done gets no second response.
                    return response.map_or(Poll::Pending, |own| {
                        Poll::Ready(Ok(own.map(ResponseBody::own)))
                    });
                }
                StateProjection::Receiving { receiving } => {
                    let response = ready!(receiving.as_mut().poll(cx));
                    State::Refused {
                        response: Some(response),
                    }
                }
                StateProjection::Waiting { waiting, held } => {
                    let (parts, landing) = ready!(waiting.as_mut().poll(cx));
                    let Some(held) = held.take() else {
                        return Poll::Pending;
                    };
                    land(parts, *held, landing)
                }
                StateProjection::Deferred { held } => {
                    let Some(held) = held.take() else {
                        return Poll::Pending;
                    };
                    let (mut parts, held, steps) = *held;
                    match steps.run(&mut parts, false) {
                        Passage::Pass(flown) => land(parts, held, Landing::Pass(flown)),
                        // `Defer` is not answered to one who may not defer.
                        Passage::Defer => return Poll::Pending,
                        Passage::Receive(incoming) => receive(incoming, held.body),
                        Passage::Refuse(response) => State::Refused {
                            response: Some(response),
                        },
                        Passage::Wait(waiting) => State::Waiting {
                            waiting,
                            held: Some(Box::new(held)),
                        },
                    }
                }
            };
            self.as_mut().project().state.set(next);
        }
    }
}

/// Reads a body, of which a step then makes the answer.
fn receive<S, B, M>(incoming: Box<Incoming>, body: B) -> State<S, B, M>
where
    S: Service<Request<M::Body>>,
    M: RequestBodies<B>,
{
    let reading = M::read(body, incoming.limit());
    State::Receiving {
        receiving: Box::pin(Receiving::new(reading, incoming)),
    }
}

/// Hands a request on after its decision, or gives the gate's own answer.
fn land<S, B, M>(parts: Parts, held: Held<S, B>, landing: Landing) -> State<S, B, M>
where
    S: Service<Request<M::Body>>,
    M: RequestBodies<B>,
{
    let Held { body, mut service } = held;
    match landing {
        Landing::Pass(flown) => {
            let future = hand_on::<S, B, M>(&mut service, parts, body, flown.exchange());
            State::Calling {
                future,
                flown: Some(flown),
            }
        }
        Landing::Refuse(response) => State::Refused {
            response: Some(response),
        },
    }
}

/// Calls the inner service with this request marked on the thread.
pub(super) fn hand_on<S, B, M>(
    service: &mut S,
    parts: Parts,
    body: B,
    exchange: &Exchange,
) -> S::Future
where
    M: RequestBodies<B>,
    S: Service<Request<M::Body>>,
{
    let request = Request::from_parts(parts, M::make(body, exchange));
    exchange.run(|| service.call(request))
}

impl<S, B, M> fmt::Debug for ResponseFuture<S, B, M>
where
    S: Service<Request<M::Body>>,
    M: RequestBodies<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
