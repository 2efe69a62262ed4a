//! A session in which something runs, on this server, and the requests that do.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{decide::record_end, handle::Session, keys::Keys, shared::Shared};
use crate::{
    Principal,
    exchange::Exchange,
    revocation::{Bar, Revocations},
};
use portcullis_core::{
    Check, EndReason, Evidence, RevokedKey, Scopes, SessionId, StoreError, Timestamp,
};

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
    credentials: Vec<(Scopes, Timestamp)>,
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
}

/// What is known of a session when something begins to run in it.
#[derive(Clone, Copy)]
pub(super) struct Last {
    /// When the store was told that it is active.
    pub(super) noted_at: Option<Timestamp>,
    /// When the store has said that it lives, if that is not now.
    pub(super) confirmed_at: Option<Timestamp>,
}

/// One request that runs.
pub(super) struct Request {
    pub(super) started_at: Timestamp,
    /// Whether it keeps the session active.
    is_activity: bool,
    /// What it was let in with, and until when.
    pub(super) credential: Option<(Scopes, Timestamp)>,
    over: Over,
    waker: Mutex<Option<Waker>>,
    /// For the record of its end, which waits for nobody.
    exchange: Exchange,
}

/// Why something is over, once it is.
#[derive(Default)]
struct Over(AtomicU8);

const REASONS: [EndReason; 8] = [
    EndReason::Abandoned,
    EndReason::Absolute,
    EndReason::CredentialExpired,
    EndReason::Ended,
    EndReason::Idle,
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

/// A request that runs, in the hands of whoever runs it. Dropped when it has ended.
pub(crate) struct Running {
    live: Arc<Live>,
    request: Arc<Request>,
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
        credential: Option<&(Scopes, Timestamp)>,
        now: Timestamp,
    ) -> Option<EndReason> {
        self.over().or_else(|| {
            let end = self.state().credential_end(credential)?;
            (end <= now).then_some(EndReason::CredentialExpired)
        })
    }

    /// Notes that a request keeps the session active.
    pub(super) fn touch_by(&self, request: &Request) {
        let noted_at = self.state().noted_at;
        let shared = &self.shared;
        if shared.touch(&self.keys, self.id, &request.exchange, noted_at) {
            self.state().noted_at = Some(shared.time.steady());
        }
    }

    /// Ends everything that runs in the session.
    pub(super) fn end(&self, reason: EndReason) {
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
                request.end(EndReason::Revoked);
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
        credential: Option<(Scopes, Timestamp)>,
        exchange: &Exchange,
    ) -> Running {
        let request = Arc::new(Request {
            started_at: self.shared.time.steady(),
            is_activity,
            credential,
            over: Over::default(),
            waker: Mutex::default(),
            exchange: exchange.clone(),
        });
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
        Running {
            live: Arc::clone(self),
            request,
        }
    }

    pub(super) fn note_credential(&self, credential: &(Scopes, Timestamp)) {
        let now = self.shared.time.now();
        let mut state = self.state();
        state.credentials.retain(|(_, end)| *end > now);
        let has_room = state.credentials.len() < MAX_CREDENTIALS;
        let known = state
            .credentials
            .iter_mut()
            .find(|(scopes, _)| *scopes == credential.0);
        match known {
            Some((_, end)) => *end = credential.1.max(*end),
            None if has_room => state.credentials.push(credential.clone()),
            None => {}
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
        self.shared.registry.forget(self.id);
    }
}

impl State {
    /// When a credential ends, by the latest that allows as much.
    pub(super) fn credential_end(
        &self,
        credential: Option<&(Scopes, Timestamp)>,
    ) -> Option<Timestamp> {
        let (scopes, end) = credential?;
        let as_much =
            |(other, _): &&(Scopes, Timestamp)| scopes.iter().all(|scope| other.contains(scope));
        let others = self.credentials.iter().filter(as_much).map(|(_, end)| *end);
        Some(others.max().map_or(*end, |other| other.max(*end)))
    }
}

impl Request {
    pub(super) fn over(&self) -> Option<EndReason> {
        self.over.get()
    }

    /// Whether its own handler has ended the session. That answer is not cut: the handler says
    /// goodbye itself.
    fn has_ended_it(&self) -> bool {
        let session = self.exchange.session();
        session.is_some_and(Session::is_ended_by_its_handler)
    }

    /// Whether its credential has been revoked, if that can be said at once.
    pub(super) fn is_revoked(&self) -> Check<bool> {
        let Some((revocations, principal)) = self.revocable() else {
            return Check::Done(false);
        };
        match revocations.check(principal.evidence()) {
            Check::Done(outcome) => Check::Done(outcome.is_err_and(|bar| bar.is_final())),
            Check::NeedsIo => Check::NeedsIo,
        }
    }

    /// The same, where the store has to be asked.
    pub(super) async fn look_whether_revoked(&self) -> Result<bool, StoreError> {
        let Some((revocations, principal)) = self.revocable() else {
            return Ok(false);
        };
        match revocations.look(principal.evidence()).await {
            Err(Bar::Unknown(error)) => Err(error),
            outcome => Ok(outcome.is_err_and(|bar| bar.is_final())),
        }
    }

    /// Whether something that was revoked under one of these keys may be its credential.
    pub(super) fn may_be_meant(&self, keys: &HashSet<RevokedKey>) -> bool {
        let Some((revocations, principal)) = self.revocable() else {
            return false;
        };
        revocations.has_any(principal.evidence(), keys)
    }

    /// The latest cut-off under a key, by the store that was asked when the request came.
    pub(super) async fn cut_off_of(
        &self,
        key: RevokedKey,
    ) -> Result<Option<Timestamp>, StoreError> {
        match self.revocable() {
            Some((revocations, _)) => revocations.cut_off_of(key).await,
            None => Ok(None),
        }
    }

    /// Whether its credential, which has that key, is over by a cut-off.
    pub(super) fn is_over_by(&self, cut_off: Option<Timestamp>) -> bool {
        let revocable = self.revocable();
        revocable.is_some_and(|(revocations, principal)| {
            revocations.is_over_by(principal.evidence(), cut_off)
        })
    }

    fn revocable(&self) -> Option<(&Arc<Revocations>, &Principal)> {
        let running = Some(()).filter(|()| self.over().is_none());
        running
            .and(self.exchange.revocations())
            .zip(self.exchange.principal())
    }

    /// Whether it keeps the session active: it was let in, and is no look alone.
    pub(super) fn counts(&self) -> bool {
        self.is_activity && self.exchange.is_let_in() && self.over().is_none()
    }

    pub(super) fn end(&self, reason: EndReason) {
        if !self.over.set(reason) {
            return;
        }
        record_end(&self.exchange, reason);
        let waker = lock(&self.waker).take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Running {
    /// Why the request is over, once it is.
    pub(crate) fn over(&self) -> Option<EndReason> {
        self.request.over()
    }

    /// Has the task woken when the request is over. Looks after that once more.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<EndReason> {
        let mut waker = lock(&self.request.waker);
        if waker
            .as_ref()
            .is_none_or(|known| !known.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        self.over().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.live.state();
        state
            .requests
            .retain(|request| !Arc::ptr_eq(request, &self.request));
        drop(state);
        // What ran until now was activity until now, unless it was cut.
        let is_in_time = self
            .live
            .shared
            .time
            .steady()
            .saturating_since(self.request.started_at)
            < self.live.shared.policy.max_running;
        if is_in_time && self.request.counts() {
            self.live.touch_by(&self.request);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these protect is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
