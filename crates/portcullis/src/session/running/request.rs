//! One request that runs in a session.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll, Waker},
};

use portcullis_core::{Check, EndReason, RevokedKey, StoreError, Timestamp};

use super::{
    super::{credential::Credential, handle::Session, refusals::record_end, streams::Place},
    Live, Over, lock,
};
use crate::{
    Principal,
    exchange::Exchange,
    revocation::{Bar, Revocations},
};

/// One request that runs.
pub(in crate::session) struct Request {
    pub(in crate::session) started_at: Timestamp,
    /// Whether it keeps the session active.
    is_activity: bool,
    /// What it was let in with, and until when.
    pub(super) credential: Option<Credential>,
    over: Over,
    /// Why it is over, and until when it may run on.
    pub(super) closing: OnceLock<(EndReason, Timestamp)>,
    /// Its place among the streams of its principal, if it is one and these are counted.
    place: Mutex<Option<Place>>,
    waker: Mutex<Option<Waker>>,
    /// For the record of its end, which waits for nobody.
    pub(super) exchange: Exchange,
}

/// A request that runs, in the hands of whoever runs it. Dropped when it has ended.
pub(crate) struct Running {
    live: Arc<Live>,
    request: Arc<Request>,
}

impl Request {
    pub(in crate::session) fn new(
        started_at: Timestamp,
        is_activity: bool,
        credential: Option<Credential>,
        exchange: &Exchange,
    ) -> Self {
        Self {
            started_at,
            is_activity,
            credential,
            over: Over::default(),
            closing: OnceLock::new(),
            place: Mutex::default(),
            waker: Mutex::default(),
            exchange: exchange.clone(),
        }
    }

    pub(in crate::session) fn over(&self) -> Option<EndReason> {
        self.over.get()
    }

    /// Whether its own handler has ended the session. That answer is not cut: the handler says
    /// goodbye itself.
    pub(super) fn has_ended_it(&self) -> bool {
        let session = self.exchange.session();
        session.is_some_and(Session::is_ended_by_its_handler)
    }

    /// Whether its credential has been revoked, if that can be said at once.
    pub(in crate::session) fn is_revoked(&self) -> Check<bool> {
        let Some((revocations, principal)) = self.revocable() else {
            return Check::Done(false);
        };
        match revocations.check(principal.evidence()) {
            Check::Done(outcome) => Check::Done(outcome.is_err_and(|bar| bar.is_final())),
            Check::NeedsIo => Check::NeedsIo,
        }
    }

    /// The same, where the store has to be asked.
    pub(in crate::session) async fn look_whether_revoked(&self) -> Result<bool, StoreError> {
        let Some((revocations, principal)) = self.revocable() else {
            return Ok(false);
        };
        match revocations.look(principal.evidence()).await {
            Err(Bar::Unknown(error)) => Err(error),
            outcome => Ok(outcome.is_err_and(|bar| bar.is_final())),
        }
    }

    /// Whether something that was revoked under one of these keys may be its credential.
    pub(in crate::session) fn may_be_meant(&self, keys: &HashSet<RevokedKey>) -> bool {
        let Some((revocations, principal)) = self.revocable() else {
            return false;
        };
        revocations.has_any(principal.evidence(), keys)
    }

    /// The latest cut-off under a key, by the store that was asked when the request came.
    pub(in crate::session) async fn cut_off_of(
        &self,
        key: RevokedKey,
    ) -> Result<Option<Timestamp>, StoreError> {
        match self.revocable() {
            Some((revocations, _)) => revocations.cut_off_of(key).await,
            None => Ok(None),
        }
    }

    /// Whether its credential, which has that key, is over by a cut-off.
    pub(in crate::session) fn is_over_by(&self, cut_off: Option<Timestamp>) -> bool {
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
    pub(in crate::session) fn counts(&self) -> bool {
        self.is_activity && self.exchange.is_let_in() && self.over().is_none()
    }

    pub(in crate::session) fn end(&self, reason: EndReason) {
        if !self.over.set(reason) {
            return;
        }
        record_end(&self.exchange, reason);
        self.give_back();
        let waker = lock(&self.waker).take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Gives its place among the streams back.
    fn give_back(&self) {
        let place = lock(&self.place).take();
        drop(place);
    }
}

impl Running {
    pub(in crate::session) fn new(live: &Arc<Live>, request: Arc<Request>) -> Self {
        Self {
            live: Arc::clone(live),
            request,
        }
    }

    /// Takes a place among the streams of its principal, where these are counted. Says whether it
    /// may stream.
    pub(crate) fn take_place(&self) -> bool {
        let shared = &self.live.shared;
        let Some(most) = shared.policy().max_streams else {
            return true;
        };
        let Some(place) = shared.streams.take(self.live.keys.owner, most) else {
            return false;
        };
        *lock(&self.request.place) = Some(place);
        if self.over().is_some() {
            // Whoever ended it may have looked before there was a place.
            self.request.give_back();
        }
        true
    }

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
        let is_covered = state.covers(&self.request, self.live.shared.time.now());
        drop(state);
        self.request.give_back();
        // What ran until now was activity until now, unless it was cut.
        let is_in_time = self
            .live
            .shared
            .time
            .steady()
            .saturating_since(self.request.started_at)
            < self.live.shared.policy().max_running;
        if is_in_time && is_covered && self.request.counts() {
            self.live.touch_by(&self.request);
        }
    }
}
