//! The task that looks after what runs in the sessions of one layer.

use std::{
    future::{Future as _, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, Mutex, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use portcullis_core::{Check, EndReason, SessionRecord, Sleep, Timestamp, sabotaged};
use tokio::task::AbortHandle;

use super::{
    policy::AtExpiry,
    running::{Live, Request, lock},
    shared::Shared,
    signalled,
};
use crate::signal::Signals;

/// How often it looks: by so much a deadline may be overrun where nobody polls.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How often a store that has to be asked is asked whether a session still lives.
const LOOK: Duration = Duration::from_secs(15);

/// The task, once there has been something to look after.
#[derive(Default)]
pub(super) struct Sweeper {
    task: Mutex<Option<AbortHandle>>,
    /// The waker of the task while there is nothing to look after.
    resting: Mutex<Option<Waker>>,
}

impl Sweeper {
    /// Sees to it that somebody looks.
    pub(super) fn wake(&self, shared: &Arc<Shared>) {
        let waker = lock(&self.resting).take();
        waker.into_iter().for_each(Waker::wake);
        let mut task = lock(&self.task);
        // One whose runtime is gone has finished.
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            tracing::error!(
                target: "portcullis",
                "there is no tokio runtime, so what runs in sessions does not end by itself",
            );
            return;
        };
        let sweep = shared
            .tasks
            .spawn_on(&runtime, sweep(Arc::downgrade(shared)));
        *task = Some(sweep.abort_handle());
    }

    /// Nobody looks any more.
    pub(super) fn stop(&self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn sweep(layer: Weak<Shared>) {
    let mut due = None;
    loop {
        poll_fn(|cx| {
            let Some(shared) = layer.upgrade() else {
                return Poll::Ready(());
            };
            let registry = &shared.registry;
            *lock(&registry.sweeper().resting) = Some(cx.waker().clone());
            // Looked at after the waker is there, so that nothing is missed.
            match registry.is_empty() {
                true => {
                    due = None;
                    Poll::Pending
                }
                false => Poll::Ready(()),
            }
        })
        .await;
        let Some(shared) = layer.upgrade() else {
            return;
        };
        // Signals, however many, do not put it off.
        let at = *due.get_or_insert_with(|| shared.time.now() + TICK);
        let (tick, signals) = (shared.time.sleep_until(at), shared.signals.clone());
        drop(shared);
        let is_due = tick_or_signal(tick, signals.as_deref()).await;
        let Some(shared) = layer.upgrade() else {
            return;
        };
        if let Some(signals) = &signals {
            signalled::look(&shared, &signals.take(shared.time.steady()));
        }
        if is_due {
            due = None;
            for live in shared.registry.all() {
                look_safely(&live);
            }
            if let Some(signals) = signals {
                signalled::catch_up(&shared, signals);
            }
        }
    }
}

/// Waits for either, and says whether it was the tick.
async fn tick_or_signal(mut tick: Sleep, signals: Option<&Signals>) -> bool {
    let Some(signals) = signals else {
        tick.await;
        return true;
    };
    let mut heard = pin!(signals.heard());
    poll_fn(|cx| match Pin::new(&mut tick).poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => heard.as_mut().poll(cx).map(|()| false),
    })
    .await
}

/// A store, a sink or a waker of somebody else must not take all sessions down.
pub(super) fn look_safely(live: &Arc<Live>) {
    if catch_unwind(AssertUnwindSafe(|| look(live))).is_err() {
        tracing::error!(target: "portcullis", "something panicked where a session was looked after");
    }
}

/// Ends what is over in a session. What needs no store comes first, and a store that has to be
/// asked is asked in a task of its own: a slow one keeps nobody in.
fn look(live: &Arc<Live>) {
    let shared = &live.shared;
    let now = shared.time.now();
    if live.over().is_some() {
        return;
    }
    end_by_credential(live, now);
    live.end_closed();
    if live.over().is_some() {
        return;
    }
    if now >= live.ends_at {
        live.end(EndReason::Absolute);
    } else if let Some(request) = active_request(live, now) {
        live.touch_by(&request);
    }
    if live.over().is_some() {
        return;
    }
    let known = shared.store.check(live.keys.owner, live.keys.session);
    if let Check::Done(found) = &known {
        judge(live, found.as_ref());
    }
    let is_asked_for = look_for_revoked(live) || matches!(known, Check::NeedsIo);
    if live.over().is_some() {
        return;
    }
    if !is_asked_for {
        live.confirm(shared.time.steady());
        return;
    }
    if is_unconfirmed(live) && !sabotaged!("session.unconfirmed") {
        return live.give_up();
    }
    let looked_at = live.state().looked_at;
    let is_recent = looked_at.is_some_and(|at| now.saturating_since(at) < interval(shared));
    // Somebody may have authenticated on another server.
    let is_recent = is_recent && !live.is_stale(now);
    let mut state = live.state();
    if is_recent || state.is_looking {
        return;
    }
    state.looked_at = Some(now);
    state.is_looking = true;
    drop(state);
    let tasks = &live.shared.tasks;
    // It is looked from a task.
    let runtime = tokio::runtime::Handle::current();
    tasks.spawn_on(&runtime, ask(Asking(Arc::clone(live))));
}

/// How often a store that has to be asked is asked: several times until it is too late.
fn interval(shared: &Shared) -> Duration {
    let bound = shared.policy().max_unconfirmed;
    bound.map_or(LOOK, |bound| LOOK.min(bound / 3))
}

/// Whether nobody could say for too long that a session lives.
fn is_unconfirmed(live: &Live) -> bool {
    let shared = &live.shared;
    let Some(bound) = shared.policy().max_unconfirmed else {
        return false;
    };
    let state = live.state();
    let (confirmed_at, doubted_at) = (state.confirmed_at, state.doubted_at);
    drop(state);
    // A bus that has told of something says nothing in its favour.
    let signals = shared.signals.as_ref().filter(|_| doubted_at.is_none());
    let current_at = signals.and_then(|signals| signals.current_at());
    let confirmed_at = Some(confirmed_at).max(current_at);
    confirmed_at.is_none_or(|at| shared.time.steady().saturating_since(at) > bound)
}

/// Ends requests whose credential has been revoked, perhaps on another server. Says whether the store
/// has to be asked about one.
fn look_for_revoked(live: &Live) -> bool {
    let mut has_to_ask = false;
    for request in live.requests() {
        match request.is_revoked() {
            Check::Done(true) if !sabotaged!("session.revoked_elsewhere") => {
                live.end_request(&request, EndReason::Revoked);
            }
            Check::Done(_) => {}
            Check::NeedsIo => has_to_ask = true,
        }
    }
    has_to_ask
}

/// The one task that asks of a session. Dropped when it has ended, however it has.
struct Asking(Arc<Live>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.state().is_looking = false;
    }
}

/// Asks the stores whether a session still lives, and what it was let in with; once more where
/// somebody has had a doubt since.
async fn ask(asking: Asking) {
    let live = &asking.0;
    // A store must not be asked about everything at once because a bus was away for a moment.
    let Ok(_permit) = live.shared.asking.acquire().await else {
        return;
    };
    loop {
        let at = live.shared.time.steady();
        if ask_once(live).await {
            live.confirm(at);
        }
        let mut state = live.state();
        if state.looked_at.is_some() || live.over().is_some() {
            return;
        }
        state.looked_at = Some(live.shared.time.now());
    }
}

/// Says whether the stores could say it.
async fn ask_once(live: &Live) -> bool {
    let mut could_say = true;
    match live.shared.store.load(live.keys.owner).await {
        Ok(sessions) => judge(live, sessions.get(live.keys.session)),
        Err(error) => {
            could_say = false;
            tracing::warn!(target: "portcullis", "the store cannot say whether a session lives: {error}");
        }
    }
    for request in live.requests() {
        match request.look_whether_revoked().await {
            Ok(true) if !sabotaged!("session.revoked_elsewhere") => {
                live.end_request(&request, EndReason::Revoked);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(target: "portcullis", "the store cannot say whether a credential is revoked: {error}");
                return false;
            }
        }
    }
    could_say
}

/// Ends a session that the store knows to be over.
fn judge(live: &Live, found: Option<&SessionRecord>) {
    let own = found.filter(|record| record.id == live.id);
    match (live.shared.over(found, live.id), own) {
        // One whose time was up is forgotten, or another is in its place.
        (Some(_), None) if live.closing().is_some() => {}
        (Some(reason), _) => {
            live.end(reason);
            live.shared.forget(live.keys.owner);
        }
        (None, Some(record)) => {
            let policy = live.shared.policy();
            live.note_authentication(policy.stale_at(record.kind, record.authenticated_at));
        }
        (None, None) => {}
    }
}

/// A request that keeps the session active, if one runs.
fn active_request(live: &Live, now: Timestamp) -> Option<Arc<Request>> {
    let max_running = live.shared.policy().max_running;
    let state = live.state();
    let mut requests = state.requests.iter();
    requests
        .find(|request| {
            let is_in_time = now < request.started_at + max_running;
            is_in_time && request.counts() && state.covers(request, now)
        })
        .map(Arc::clone)
}

/// Ends requests whose credential does not count any more.
fn end_by_credential(live: &Live, now: Timestamp) {
    let policy = live.shared.policy();
    let grace = policy.grace_after(EndReason::CredentialExpired);
    let mut over = live.state().over_by_credential(now - grace);
    if policy.at_expiry == AtExpiry::AllowFinish {
        over.retain(|(_, reason)| *reason != EndReason::CredentialExpired);
    }
    // Not under the lock: a waker may run anything.
    for (request, reason) in over {
        request.end(reason);
    }
}
