//! What becomes of a request in a layer: its steps, one after the other.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts, response};
use portcullis_core::EndReason;
use tracing::{Instrument as _, Span};

use super::{
    doors::{Doors, Sleep},
    flown::Flown,
    incoming::Incoming,
    presence::Presence,
    step::{Cutter, Decision, Step},
};
use crate::{
    audit::Stats,
    exchange::{Exchange, Misplaced, Scope, Shared, Slot},
    goodbye::{Goodbye, Look, Plain},
    reason,
    refusal::Refusal,
    session::too_many_streams,
};

/// The steps of a layer, and what it brings for the exchanges that it makes.
pub(crate) struct Steps {
    steps: Vec<Arc<dyn Step>>,
    shared: Arc<Shared>,
    /// Of the step that ends what runs inside, if there is one.
    cutter: Option<Arc<dyn Cutter>>,
    /// Whether nothing of ours decides further in, so that the admission can be recorded
    /// before the handler runs.
    is_innermost: bool,
    /// What is said to streams that are ended.
    goodbye: Arc<dyn Goodbye>,
    /// Whether it reads the calls that requests make.
    reads_calls: bool,
}

/// What came of the steps.
pub(crate) enum Passage {
    /// All passed; hand the request on.
    Pass(Flown),
    /// The gate answers.
    Refuse(Response<Bytes>),
    /// A step is doing I/O; what comes out is one of the other two.
    Wait(Pin<Box<dyn Future<Output = (Parts, Landing)> + Send + 'static>>),
    /// A step wants the body, and then answers.
    Receive(Box<Incoming>),
    /// Nobody can say yet whose request this is; ask again at the first poll.
    Defer,
}

/// What comes of the steps when nothing is left to wait for.
pub(crate) enum Landing {
    Pass(Flown),
    Refuse(Response<Bytes>),
}

impl Steps {
    pub(crate) fn new(steps: Vec<Arc<dyn Step>>, shared: impl Into<Arc<Shared>>) -> Self {
        let cutter = steps.iter().find_map(|step| Arc::clone(step).cutter());
        Self {
            steps,
            shared: shared.into(),
            cutter,
            is_innermost: false,
            goodbye: Arc::new(Plain),
            reads_calls: false,
        }
    }

    pub(crate) fn with_goodbye(mut self, goodbye: Option<Arc<dyn Goodbye>>) -> Self {
        if let Some(goodbye) = goodbye {
            self.reads_calls = goodbye.reads_calls();
            self.goodbye = goodbye;
        }
        self
    }

    pub(crate) fn innermost(mut self) -> Self {
        self.is_innermost = true;
        self
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn doors(&self) -> &Doors {
        &self.shared.doors
    }

    /// What is counted.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.shared.recorder.counters().snapshot();
        stats.running = self.doors().running();
        let ends = self.doors().ends().filter(|(_, count)| *count > 0);
        stats.ended = ends.map(|(code, count)| (code.as_str(), count)).collect();
        stats
    }

    /// Whether these are the steps of a gate.
    pub(super) fn is_gate(&self) -> bool {
        self.is_innermost
    }

    pub(super) fn goodbye(&self) -> &dyn Goodbye {
        &*self.goodbye
    }

    /// Whether what is inside ends with its session.
    pub(super) fn ends_with_sessions(&self) -> bool {
        self.cutter.is_some()
    }

    /// Where the steps stand, from outside in.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.steps.iter().filter_map(|step| step.slot())
    }

    /// Runs the steps on a request that arrives. `may_defer` at the call, not at the first
    /// poll: then there is nothing more to wait for.
    pub(crate) fn run(self: &Arc<Self>, parts: &mut Parts, may_defer: bool) -> Passage {
        let (exchange, is_outermost) = match Exchange::find(&parts.extensions) {
            None => (Exchange::open(parts, &self.shared), true),
            Some(Ok((exchange, Scope::None))) if may_defer => {
                // Whoever drops the request before its first poll drops one that this layer
                // has not let in.
                exchange.set_deciding(true);
                return Passage::Defer;
            }
            Some(Ok((exchange, _))) => (exchange.clone(), false),
            Some(Err(misplaced)) => {
                // The request gets an exchange of its own for the record: what it carries is
                // another's.
                let exchange = Exchange::open(parts, &self.shared);
                return Passage::Refuse(self.misplaced(0, &exchange, true, misplaced));
            }
        };
        let span = exchange.span_to_enter();
        let _entered = span.as_ref().map(Span::enter);
        exchange.set_deciding(true);
        if self.reads_calls && Look::is_worth_while(parts) {
            exchange.want_call();
        }
        let Some(presence) = Presence::enter(self, is_outermost) else {
            return Passage::Refuse(refuse(Refusal::shutting_down(), &exchange, is_outermost));
        };
        for (index, step) in self.steps.iter().enumerate() {
            match self.enter_and_decide(index, step, parts, &exchange) {
                Ok(Decision::Pass) => {}
                Ok(Decision::NeedsIo { cursor }) => {
                    return self.wait(index, Some(cursor), parts, exchange, presence);
                }
                Ok(Decision::Receive { cursor, limit }) => {
                    let parts = std::mem::replace(parts, http::Request::new(()).into_parts().0);
                    let step = (Arc::clone(step), cursor);
                    let incoming = Incoming::new(self, step, limit, parts, exchange, presence);
                    return Passage::Receive(Box::new(incoming));
                }
                Ok(Decision::Refuse(refusal)) => {
                    return Passage::Refuse(refuse(refusal, &exchange, is_outermost));
                }
                Err(misplaced) => {
                    let response = self.misplaced(index, &exchange, is_outermost, misplaced);
                    return Passage::Refuse(response);
                }
            }
        }
        if self.must_commit(&exchange) {
            return self.wait(self.steps.len(), None, parts, exchange, presence);
        }
        Passage::Pass(self.let_in(exchange, presence))
    }

    /// The answer in place of a handler that has not answered when its session ended.
    pub(super) fn cut(&self, exchange: &Exchange, over: EndReason) -> Option<Refusal> {
        Some(self.cutter.as_ref()?.cut(exchange, over))
    }

    /// Lets every step look at the handler's response, from inside out.
    pub(crate) fn respond(
        &self,
        parts: &mut response::Parts,
        flown: &Flown,
    ) -> Option<Response<Bytes>> {
        let exchange = flown.exchange();
        let refusal = exchange.in_span(|| {
            if flown.is_outermost() {
                exchange.record_admission();
            }
            let mut steps = self.steps.iter().rev();
            steps.find_map(|step| step.respond(parts, exchange))
        });
        if flown.is_outermost() {
            let status = refusal.as_ref().map_or(parts.status, Refusal::status);
            exchange.note_answer(status, refusal.as_ref().map(Refusal::reason));
        }
        Some(refusal?.into_response(exchange.id()))
    }

    /// The answer in place of a stream of which there are too many.
    pub(super) fn refuse_stream(&self, flown: &Flown) -> Response<Bytes> {
        let exchange = flown.exchange();
        exchange.in_span(|| refuse(too_many_streams(), exchange, flown.is_outermost()))
    }

    fn enter_and_decide(
        &self,
        index: usize,
        step: &Arc<dyn Step>,
        parts: &mut Parts,
        exchange: &Exchange,
    ) -> Result<Decision, Misplaced> {
        if let Some(slot) = step.slot() {
            exchange.enter(slot)?;
            tracing::trace!(target: "portcullis", "entering {slot} ({}/{})", index + 1, self.steps.len());
        }
        Ok(step.decide(parts, exchange))
    }

    /// Goes on with the steps from one that needs I/O, and waits for the record of the
    /// admission where it has to be durable.
    fn wait(
        self: &Arc<Self>,
        index: usize,
        mut waiting: Option<usize>,
        parts: &mut Parts,
        exchange: Exchange,
        presence: Presence,
    ) -> Passage {
        let this = Arc::clone(self);
        let gate = self.is_gate().then(|| (Arc::clone(self), exchange.clone()));
        let is_outermost = presence.is_outermost();
        let mut parts = std::mem::replace(parts, http::Request::new(()).into_parts().0);
        let span = exchange.span_to_enter().unwrap_or_else(Span::none);
        let waiting = async move {
            for (index, step) in this.steps.iter().enumerate().skip(index) {
                let decision = match waiting.take() {
                    Some(cursor) => Ok(Decision::NeedsIo { cursor }),
                    None => this.enter_and_decide(index, step, &mut parts, &exchange),
                };
                let result = match decision {
                    Ok(Decision::Pass) => Ok(()),
                    Ok(Decision::Refuse(refusal)) => Err(refusal),
                    // Nothing that needs I/O stands further out than what asks for a body, and
                    // here there is none.
                    Ok(Decision::Receive { .. }) => {
                        let misplaced = Misplaced::Captured;
                        let response = this.misplaced(index, &exchange, is_outermost, misplaced);
                        return (parts, Landing::Refuse(response));
                    }
                    Ok(Decision::NeedsIo { cursor }) => {
                        let (back, result) = Arc::clone(step)
                            .resume(parts, exchange.clone(), cursor)
                            .await;
                        parts = back;
                        result
                    }
                    Err(misplaced) => {
                        let response = this.misplaced(index, &exchange, is_outermost, misplaced);
                        return (parts, Landing::Refuse(response));
                    }
                };
                if let Err(refusal) = result {
                    let response = refuse(refusal, &exchange, is_outermost);
                    return (parts, Landing::Refuse(response));
                }
            }
            let landing = if this.must_commit(&exchange) {
                this.commit(exchange, presence).await
            } else {
                Landing::Pass(this.let_in(exchange, presence))
            };
            (parts, landing)
        };
        Passage::Wait(match gate {
            Some((this, exchange)) => {
                let waiting = async move {
                    let waiting = pin!(waiting);
                    let landing = this.unless_shut_down(waiting, &exchange, is_outermost);
                    landing.await
                };
                Box::pin(waiting.instrument(span))
            }
            None => Box::pin(waiting.instrument(span)),
        })
    }

    /// What comes of waiting, unless the gate is shut down before.
    pub(super) async fn unless_shut_down(
        &self,
        mut waiting: Pin<&mut impl Future<Output = (Parts, Landing)>>,
        exchange: &Exchange,
        is_outermost: bool,
    ) -> (Parts, Landing) {
        let mut sleep = Sleep::new(self.doors(), exchange);
        let landed = poll_fn(|cx| {
            if let Poll::Ready(landed) = waiting.as_mut().poll(cx) {
                return Poll::Ready(Some(landed));
            }
            sleep.lie_down(cx);
            // Looked at after the waker is there, so that nothing is missed.
            match self.doors().are_closed() {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        });
        landed.await.unwrap_or_else(|| {
            let response = refuse(Refusal::shutting_down(), exchange, is_outermost);
            // Nobody is handed the request any more.
            let nothing = http::Request::new(()).into_parts().0;
            (nothing, Landing::Refuse(response))
        })
    }

    /// Whether the record of the admission has to be durable before the handler runs.
    fn must_commit(&self, exchange: &Exchange) -> bool {
        self.is_innermost && exchange.is_strict()
    }

    /// Lets a request in once the record of that is durable.
    async fn commit(&self, exchange: Exchange, presence: Presence) -> Landing {
        let is_outermost = presence.is_outermost();
        let durable = exchange.commit_admission();
        // From here on, whoever drops the request leaves the record of its end.
        let mut flown = self.let_in(exchange, presence);
        flown.wait_for_its_record();
        let durable = durable.await;
        let exchange = flown.exchange();
        if let Err(error) = durable {
            let refusal = Refusal::without_record(exchange.id(), &error);
            return Landing::Refuse(refuse(refusal, exchange, is_outermost));
        }
        // What was let in before a disk that took its time may be over since.
        if let Some(Err(refusal)) = exchange.session().map(|session| session.check(exchange)) {
            return Landing::Refuse(refuse(refusal, exchange, is_outermost));
        }
        flown.count();
        Landing::Pass(flown)
    }

    /// Lets a request in.
    fn let_in(&self, exchange: Exchange, presence: Presence) -> Flown {
        exchange.set_deciding(false);
        if self.is_innermost {
            exchange.record_admission();
        }
        Flown::new(presence, exchange)
    }

    fn misplaced(
        &self,
        index: usize,
        exchange: &Exchange,
        is_outermost: bool,
        misplaced: Misplaced,
    ) -> Response<Bytes> {
        let layer = self
            .steps
            .get(index)
            .and_then(|step| step.slot())
            .map_or("gate", Slot::name);
        exchange.record_misplacement(layer, misplaced);
        if is_outermost {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            exchange.note_answer(status, Some(reason::STACK_MISORDERED));
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.slots().map(Slot::name))
            .finish()
    }
}

/// The gate's own answer. Further out, another layer of ours sees what becomes of it.
pub(super) fn refuse(refusal: Refusal, exchange: &Exchange, is_outermost: bool) -> Response<Bytes> {
    exchange.record_refusal(&refusal);
    if is_outermost {
        exchange.note_answer(refusal.status(), Some(refusal.reason()));
    }
    refusal.into_response(exchange.id())
}
