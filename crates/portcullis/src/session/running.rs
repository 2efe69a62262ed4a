//! A session in which something runs, on this server, and the requests that do.

mod request;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{credential::Credential, keys::Keys, shared::Shared};
use crate::exchange::Exchange;
use portcullis_core::{EndReason, Evidence, SessionId, Timestamp};

pub(super) use self::request::Request;
pub(crate) use self::request::Running;

/// The most grants of one session that are told apart at once.
const MAX_CREDENTIALS: usize = 32;
/// Less than that lies between what the stores say of a credential and its being let in.
const DECIDING: Duration = Duration::from_secs(5);

/// A session in which something runs.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) keys: Keys,
    pub(super) id: SessionId,
    /// When it ends, however active it is.
    pub(super) ends_at: Timestamp,
    state: Mutex<State>,
    over: Over,
}

pub(super) struct State {
    pub(super) requests: Vec<Arc<Request>>,
    /// What credentials of this session have allowed, and until when.
    credentials: Vec<Credential>,
    listeners: HashMap<u64, Waker>,
    next_listener: u64,
    /// When the store was last asked whether the session lives.
    pub(super) looked_at: Option<Timestamp>,
    /// Whether it has not answered yet.
    pub(super) is_looking: bool,
    /// When the store was last told that the session is active.
    noted_at: Option<Timestamp>,
    /// When it was last known that the session lives.
    pub(super) confirmed_at: Timestamp,
    /// Since when something may be over here of which a signal or a gap has told, until the stores
    /// have been asked.
    pub(super) doubted_at: Option<Timestamp>,
    /// Why it is over, and until when what runs in it may run on.
    closing: Option<(EndReason, Timestamp)>,
    /// When the last authentication is too old, as far as it is known here.
    stale_at: Option<Timestamp>,
}

/// What is known of a session when something begins to run in it.
#[derive(Clone, Copy)]
pub(super) struct Last {
    /// When the store was told that it is active.
    pub(super) noted_at: Option<Timestamp>,
    /// When the store has said that it lives, if that is not now.
    pub(super) confirmed_at: Option<Timestamp>,
}

/// Why something is over, once it is.
#[derive(Default)]
struct Over(AtomicU8);

const REASONS: [EndReason; 9] = [
    EndReason::Abandoned,
    EndReason::Absolute,
    EndReason::CredentialExpired,
    EndReason::Ended,
    EndReason::Idle,
    EndReason::Reauthentication,
    EndReason::Revoked,
    EndReason::Shutdown,
    EndReason::Unconfirmed,
];

impl Over {
    fn get(&self) -> Option<EndReason> {
        let number = usize::from(self.0.load(Ordering::Acquire)).checked_sub(1)?;
        REASONS.get(number).copied()
    }

    /// Says that it is over, and whether that was news. The first reason stays.
    fn set(&self, reason: EndReason) -> bool {
        let number = REASONS.iter().position(|known| *known == reason);
        let number = number.and_then(|number| u8::try_from(number + 1).ok());
        // A reason that this layer does not know ends it all the same.
        let number = number.unwrap_or(4);
        let set = self
            .0
            .compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
        set.is_ok()
    }
}

impl Live {
    pub(super) fn new(
        shared: &Arc<Shared>,
        keys: &Keys,
        id: SessionId,
        ends_at: Timestamp,
        last: Last,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            keys: *keys,
            id,
            ends_at,
            state: Mutex::new(State {
                requests: Vec::new(),
                credentials: Vec::new(),
                listeners: HashMap::new(),
                next_listener: 0,
                looked_at: None,
                is_looking: false,
                noted_at: last.noted_at,
                confirmed_at: last.confirmed_at.unwrap_or_else(|| shared.time.steady()),
                doubted_at: None,
                closing: None,
                stale_at: None,
            }),
            over: Over::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// What runs in it. Not under the lock: a waker, a store or a sink may do anything.
    pub(super) fn requests(&self) -> Vec<Arc<Request>> {
        self.state().requests.clone()
    }

    /// Why the session is over, once it is.
    pub(super) fn over(&self) -> Option<EndReason> {
        self.over.get()
    }

    /// Why nothing more may be done in the session with this credential, if so.
    pub(super) fn over_for(
        &self,
        credential: Option<&Credential>,
        now: Timestamp,
    ) -> Option<EndReason> {
        let closing = || self.closing().map(|(reason, _)| reason);
        self.over()
            .or_else(closing)
            .or_else(|| self.state().over_for(credential, now))
    }

    /// Notes that a request keeps the session active.
    pub(super) fn touch_by(&self, request: &Request) {
        let noted_at = self.state().noted_at;
        let shared = &self.shared;
        if shared.touch(&self.keys, self.id, &request.exchange, noted_at) {
            self.state().noted_at = Some(shared.time.steady());
        }
    }

    /// Ends everything that runs in the session; after a while, if it may run on for one.
    pub(super) fn end(&self, reason: EndReason) {
        let shared = &self.shared;
        let grace = shared.policy().grace_after(reason);
        if grace.is_zero() {
            return self.end_now(reason);
        }
        let until = shared.time.steady() + grace;
        let closing = &mut self.state().closing;
        // The reason of the first deadline stays.
        if closing.is_none_or(|(_, before)| until < before) {
            *closing = Some((reason, until));
        }
    }

    /// Why the session is over, and until when what runs in it may run on.
    pub(super) fn closing(&self) -> Option<(EndReason, Timestamp)> {
        self.state().closing
    }

    /// Ends what may not run on any longer.
    pub(super) fn end_closed(&self) {
        let now = self.shared.time.steady();
        for request in self.requests() {
            if let Some((reason, _)) = request.closing.get().filter(|(_, until)| now >= *until) {
                request.end(*reason);
            }
        }
        if let Some((reason, _)) = self.closing().filter(|(_, until)| now >= *until) {
            self.end_now(reason);
        }
    }

    /// Ends one request; after a while, if it may run on for one.
    pub(super) fn end_request(&self, request: &Request, reason: EndReason) {
        let shared = &self.shared;
        let grace = shared.policy().grace_after(reason);
        if grace.is_zero() {
            request.end(reason);
        } else {
            let until = shared.time.steady() + grace;
            let _ = request.closing.set((reason, until));
        }
    }

    /// Somebody has authenticated in it. It goes on if that was all that was lacking.
    pub(super) fn note_authentication(&self, stale_at: Option<Timestamp>) {
        let now = self.shared.time.now();
        let mut state = self.state();
        state.stale_at = state.stale_at.max(stale_at);
        let is_stale = state.stale_at.is_some_and(|at| now >= at);
        let is_too_old =
            |(reason, _): &(EndReason, Timestamp)| *reason == EndReason::Reauthentication;
        if !is_stale && state.closing.as_ref().is_some_and(is_too_old) {
            state.closing = None;
        }
    }

    /// Whether the last authentication is too old, as far as that is known here.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.state().stale_at.is_some_and(|at| now >= at)
    }

    fn end_now(&self, reason: EndReason) {
        if reason == EndReason::Reauthentication {
            // The session may go on, and what comes later runs in it as if nothing had been here.
            self.shared.registry.dismiss(self);
        }
        self.over.set(reason);
        let requests = self.requests();
        let others = requests.iter().filter(|request| !request.has_ended_it());
        others.for_each(|request| request.end(reason));
        self.wake_listeners();
    }

    /// Ends the requests that were let in with credentials that are meant, and says whether there was
    /// one.
    pub(super) fn cut(&self, is_meant: impl Fn(&Evidence) -> bool) -> bool {
        let mut was_one = false;
        for request in self.requests() {
            let principal = request.exchange.principal();
            let is_meant = principal.is_some_and(|principal| is_meant(principal.evidence()));
            if is_meant && !portcullis_core::sabotaged!("session.revoked_at_once") {
                self.end_request(&request, EndReason::Revoked);
                was_one = true;
            }
        }
        was_one
    }

    /// Ends everything that runs in the session here, which may go on: what comes later runs in it as
    /// if nothing had been here.
    pub(super) fn give_up(&self) {
        self.shared.registry.dismiss(self);
        self.end(EndReason::Unconfirmed);
    }

    /// Notes that it lived at a time, by all that has to be asked.
    pub(super) fn confirm(&self, at: Timestamp) {
        let mut state = self.state();
        state.confirmed_at = at.max(state.confirmed_at);
        // Of the same moment nobody knows which was first.
        if state.doubted_at.is_some_and(|doubted_at| doubted_at < at) {
            state.doubted_at = None;
        }
    }

    /// Has the store asked about it as soon as somebody looks.
    pub(super) fn doubt(&self) {
        let now = self.shared.time.steady();
        let mut state = self.state();
        state.looked_at = None;
        // The last one: what was asked before it knows nothing of it.
        state.doubted_at = Some(now);
    }

    /// Ends what has been left behind in the session, which goes on elsewhere.
    pub(super) fn stop(&self) {
        self.over.set(EndReason::Shutdown);
        self.wake_listeners();
    }

    fn wake_listeners(&self) {
        let listeners = std::mem::take(&mut self.state().listeners);
        listeners.into_values().for_each(Waker::wake);
    }

    /// Lists a request that was let in at `came_at`.
    pub(super) fn run(
        self: &Arc<Self>,
        is_activity: bool,
        came_at: Timestamp,
        credential: Option<Credential>,
        exchange: &Exchange,
    ) -> Running {
        let started_at = self.shared.time.steady();
        let request = Request::new(started_at, is_activity, credential, exchange);
        let request = Arc::new(request);
        let mut state = self.state();
        state.requests.push(Arc::clone(&request));
        let signals = self.shared.signals.as_ref();
        if signals.is_some_and(|signals| signals.has_taken_since(came_at - DECIDING)) {
            // It was looked where it was not yet, and what it was let in with is not what the stores
            // say by now.
            state.looked_at = None;
        }
        drop(state);
        // It may have ended before it was listed.
        let over = self
            .over()
            .filter(|reason| *reason != EndReason::Shutdown && !request.has_ended_it());
        if let Some(reason) = over {
            request.end(reason);
        }
        if !self.shared.registry.is_stopped() {
            // Its task may have gone down with the runtime of another request.
            self.shared.registry.sweeper().wake(&self.shared);
        }
        Running::new(self, request)
    }

    pub(super) fn note_credential(&self, credential: &Credential) {
        let now = self.shared.time.now();
        let mut state = self.state();
        state.credentials.retain(|known| known.over(now).is_none());
        let has_room = state.credentials.len() < MAX_CREDENTIALS;
        let mut known = state.credentials.iter_mut();
        if !known.any(|known| known.extend(credential)) && has_room {
            state.credentials.push(credential.clone());
        }
    }

    /// Completes when the session is over; `listener` is kept from poll to poll.
    pub(super) fn poll_ended(
        &self,
        listener: &mut Option<u64>,
        cx: &Context<'_>,
    ) -> Poll<EndReason> {
        let mut state = self.state();
        if let Some(reason) = self.over() {
            return Poll::Ready(reason);
        }
        let number = *listener.get_or_insert_with(|| {
            state.next_listener += 1;
            state.next_listener
        });
        let replaced = state.listeners.insert(number, cx.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    pub(super) fn forget_listener(&self, listener: u64) {
        let waker = self.state().listeners.remove(&listener);
        drop(waker);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.registry.forget(self.keys.owner);
    }
}

impl State {
    /// Why nothing more may be done with a credential, unless another one that counts allows as much.
    fn over_for(&self, credential: Option<&Credential>, now: Timestamp) -> Option<EndReason> {
        let credential = credential?;
        let over = credential.over(now)?;
        let mut others = self.credentials.iter();
        let is_covered = others.any(|other| other.over(now).is_none() && other.covers(credential));
        (!is_covered).then_some(over)
    }

    /// The requests whose credential does not count any more, and why.
    pub(super) fn over_by_credential(&self, now: Timestamp) -> Vec<(Arc<Request>, EndReason)> {
        let running = self
            .requests
            .iter()
            .filter(|request| request.over().is_none());
        let over = running.filter_map(|request| {
            let over = self.over_for(request.credential.as_ref(), now)?;
            Some((Arc::clone(request), over))
        });
        over.collect()
    }

    /// Whether a request has a credential that has not ended, or needs none.
    pub(super) fn covers(&self, request: &Request, now: Timestamp) -> bool {
        self.over_for(request.credential.as_ref(), now).is_none()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these protect is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
