//! A request that was let in, from there to its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Response, StatusCode, response};
use portcullis_core::EndReason;

use super::{
    doors::{Bed, End},
    presence::Presence,
    steps::Steps,
    tail::Tail,
};
use crate::{
    exchange::Exchange,
    goodbye::{Cut, Words},
    refusal::Refusal,
    session::{Running, Session},
};

/// A request that has passed the steps of a layer. It goes with the handler and then with the
/// body of the response, and writes down how the request ended when it is dropped: wherever
/// that happens, by whomever.
pub(crate) struct Flown {
    presence: Presence,
    exchange: Exchange,
    /// Until something better is known, whoever drops it has gone away.
    end: End,
    /// Whether its admission waits for a record that is durable, and is not counted yet.
    is_uncounted: bool,
    /// Whether whoever reads has been told that there is nothing more. He then stops, without
    /// asking for the end: a body is looked at before it is polled.
    is_at_the_end: AtomicBool,
    /// The request as one that runs in a session, once it has taken a while.
    running: Option<Running>,
    /// Where it is listed, once it has taken a while.
    bed: Option<Bed>,
}

/// Why a request has to end before it is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// Its session is over.
    Session(EndReason),
    /// The gate is shut down.
    Shutdown,
}

impl Flown {
    pub(super) fn new(presence: Presence, exchange: Exchange) -> Self {
        Self {
            presence,
            exchange,
            end: End::Dropped,
            is_uncounted: false,
            is_at_the_end: AtomicBool::new(false),
            running: None,
            bed: None,
        }
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(super) fn is_outermost(&self) -> bool {
        self.presence.is_outermost()
    }

    fn steps(&self) -> &Arc<Steps> {
        self.presence.steps()
    }

    /// Its admission waits for a record that is durable.
    pub(super) fn wait_for_its_record(&mut self) {
        self.is_uncounted = true;
    }

    /// That record is durable.
    pub(super) fn count(&mut self) {
        if std::mem::take(&mut self.is_uncounted) {
            self.exchange.count_admission();
        }
    }

    /// Why it has to end, once it has to.
    pub(super) fn over(&self) -> Option<Over> {
        let over = self.running.as_ref().and_then(Running::over);
        match over {
            Some(reason) => Some(Over::Session(reason)),
            None => (self.steps().is_gate() && self.steps().doors().are_closed())
                .then_some(Over::Shutdown),
        }
    }

    /// The same, where it waits for something else: then its task is woken for it.
    pub(super) fn poll_over(&mut self, cx: &Context<'_>) -> Poll<Over> {
        self.start_running();
        if let Some(running) = &self.running
            && let Poll::Ready(reason) = running.poll_over(cx)
        {
            return Poll::Ready(Over::Session(reason));
        }
        let steps = self.presence.steps();
        if steps.is_gate() {
            steps.doors().lie_down(&mut self.bed, &self.exchange, cx);
        }
        self.over().map_or(Poll::Pending, Poll::Ready)
    }

    /// Lists it among what takes a while.
    pub(super) fn go_on(&mut self) {
        self.start_running();
        let steps = self.presence.steps();
        if steps.is_gate() {
            steps.doors().stay(&mut self.bed, &self.exchange);
        }
    }

    /// Lists it among what runs in its session, where this layer looks after that.
    fn start_running(&mut self) {
        if self.running.is_none() && self.steps().ends_with_sessions() {
            let session = self.exchange.session();
            self.running = session.map(|session| session.start_running(&self.exchange));
        }
    }

    /// Whether something of ours may end the body of its response.
    pub(super) fn is_looked_after(&self) -> bool {
        self.steps().is_gate() || self.steps().ends_with_sessions()
    }

    /// Nobody has to look after it any more: it has ended by itself.
    pub(super) fn rest(&mut self) {
        self.running = None;
        self.presence.steps().doors().get_up(&mut self.bed);
    }

    /// Passes on whether the body is at its end.
    pub(super) fn tell(&self, is_at_the_end: bool) {
        if is_at_the_end {
            self.is_at_the_end.store(true, Ordering::Release);
        }
    }

    /// The answer is complete.
    pub(super) fn complete(&mut self) {
        self.end = End::Completed;
    }

    /// The answer failed on the way.
    pub(super) fn fail(&mut self) {
        self.end = End::Failed;
    }

    /// It was ended.
    pub(super) fn cut(&mut self, over: Over) {
        self.end = match over {
            Over::Session(_) => End::Cut,
            Over::Shutdown => End::ShutDown,
        };
    }

    /// What a stream says last when it is ended.
    pub(super) fn last_words(&self, over: Over, tail: &Tail) -> Words {
        let cut = Cut {
            over: match over {
                Over::Session(reason) => Some(reason),
                Over::Shutdown => None,
            },
            format: tail.format(),
            exchange: &self.exchange,
            call: tail.call().or_else(|| self.exchange.call()),
        };
        self.steps().goodbye().say(&cut).in_format(cut.format)
    }

    /// Lets the steps look at the handler's response.
    pub(super) fn respond(&mut self, parts: &mut response::Parts) -> Option<Response<Bytes>> {
        let is_in_vain = if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            self.exchange
                .session()
                .is_some_and(Session::upgrades_in_vain)
        } else {
            !self.may_stream(parts)
        };
        match is_in_vain {
            true => Some(self.steps().refuse_stream(self)),
            false => self.steps().respond(parts, self),
        }
    }

    /// Whether a server reads no body of such a response.
    pub(super) fn has_no_body(&self, parts: &response::Parts) -> bool {
        matches!(parts.status.as_u16(), 101 | 204 | 304) || self.exchange.method() == Method::HEAD
    }

    /// Whether the answer is no stream, or finds a place among those of its principal.
    fn may_stream(&mut self, parts: &response::Parts) -> bool {
        let session = self.exchange.session();
        let is_counted = self.steps().ends_with_sessions()
            && !self.exchange.is_refused()
            && session.is_some_and(Session::counts_streams)
            && Tail::is_stream(parts)
            && !self.has_no_body(parts);
        if !is_counted {
            return true;
        }
        self.start_running();
        self.running.as_ref().is_none_or(Running::take_place)
    }

    /// The answer in place of a handler that has not answered in time.
    pub(super) fn answer(&self, over: Over) -> Option<Response<Bytes>> {
        let refusal = match over {
            Over::Session(reason) => self.steps().cut(&self.exchange, reason)?,
            Over::Shutdown => Refusal::shutting_down(),
        };
        if self.is_outermost() {
            let reason = Some(refusal.reason());
            self.exchange.note_answer(refusal.status(), reason);
        }
        Some(refusal.into_response(self.exchange.id()))
    }
}

impl Drop for Flown {
    fn drop(&mut self) {
        // What it was in its session is written down before its end is.
        self.rest();
        let is_at_the_end = *self.is_at_the_end.get_mut();
        let end = match self.end {
            End::Dropped if is_at_the_end => End::Completed,
            // Nobody has polled it since, and its end is written down as this.
            End::Dropped if self.over() == Some(Over::Shutdown) => End::ShutDown,
            end => end,
        };
        if !self.exchange.is_refused() {
            // It was recorded as let in, and may be so on the disk.
            self.count();
            self.presence.set_end(end);
        }
        if self.is_outermost() {
            let exchange = &self.exchange;
            exchange.in_span(|| exchange.record_end(end.code()));
            exchange.close_span(end.code());
        }
    }
}
