//! The task that looks after what runs in the sessions of one layer.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use portcullis_core::{Check, EndReason, SessionRecord, Timestamp, sabotaged};
use tokio::task::AbortHandle;

use super::{
    running::{Live, Request, lock},
    shared::Shared,
};

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
    loop {
        poll_fn(|cx| {
            let Some(shared) = layer.upgrade() else {
                return Poll::Ready(());
            };
            let registry = &shared.registry;
            *lock(&registry.sweeper().resting) = Some(cx.waker().clone());
            // Looked at after the waker is there, so that nothing is missed.
            match registry.is_empty() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
        let Some(shared) = layer.upgrade() else {
            return;
        };
        let tick = shared.time.sleep_until(shared.time.now() + TICK);
        drop(shared);
        tick.await;
        let Some(shared) = layer.upgrade() else {
            return;
        };
        for live in shared.registry.all() {
            // A store, a sink or a waker of somebody else must not take all sessions down.
            if catch_unwind(AssertUnwindSafe(|| look(&live))).is_err() {
                tracing::error!(target: "portcullis", "something panicked where a session was looked after");
            }
        }
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
    if now >= live.ends_at {
        return live.end(EndReason::Absolute);
    }
    if let Some(request) = active_request(live, now) {
        live.touch_by(&request);
    }
    let known = shared.store.check(live.keys.owner, live.keys.session);
    if let Check::Done(found) = &known {
        judge(live, found.as_ref());
    }
    let is_asked_for = look_for_revoked(live) || matches!(known, Check::NeedsIo);
    if !is_asked_for || live.over().is_some() {
        return;
    }
    let mut state = live.state();
    let looked_at = state.looked_at;
    let is_recent = looked_at.is_some_and(|at| now.saturating_since(at) < LOOK);
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

/// Ends requests whose credential has been revoked, perhaps on another server. Says whether the store
/// has to be asked about one.
fn look_for_revoked(live: &Live) -> bool {
    let mut has_to_ask = false;
    for request in live.requests() {
        match request.is_revoked() {
            Check::Done(true) if !sabotaged!("session.revoked_elsewhere") => {
                request.end(EndReason::Revoked);
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

/// Asks the stores whether a session still lives, and what it was let in with.
async fn ask(asking: Asking) {
    let live = &asking.0;
    match live.shared.store.load(live.keys.owner).await {
        Ok(sessions) => judge(live, sessions.get(live.keys.session)),
        Err(error) => {
            tracing::warn!(target: "portcullis", "the store cannot say whether a session lives: {error}");
        }
    }
    for request in live.requests() {
        match request.look_whether_revoked().await {
            Ok(true) if !sabotaged!("session.revoked_elsewhere") => request.end(EndReason::Revoked),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(target: "portcullis", "the store cannot say whether a credential is revoked: {error}");
                return;
            }
        }
    }
}

/// Ends a session that the store knows to be over.
fn judge(live: &Live, found: Option<&SessionRecord>) {
    if let Some(reason) = live.shared.over(found, live.id) {
        live.end(reason);
    }
}

/// A request that keeps the session active, if one runs.
fn active_request(live: &Live, now: Timestamp) -> Option<Arc<Request>> {
    let max_running = live.shared.policy.max_running;
    let state = live.state();
    let mut requests = state.requests.iter();
    requests
        .find(|request| request.counts() && now < request.started_at + max_running)
        .map(Arc::clone)
}

/// Ends requests whose credential has ended.
fn end_by_credential(live: &Live, now: Timestamp) {
    let state = live.state();
    let is_over = |end: Option<Timestamp>| end.is_some_and(|end| now >= end);
    let over: Vec<_> = state
        .requests
        .iter()
        .filter(|request| {
            request.over().is_none() && is_over(state.credential_end(request.credential.as_ref()))
        })
        .map(Arc::clone)
        .collect();
    // Not under the lock: a waker may run anything.
    drop(state);
    over.iter()
        .for_each(|request| request.end(EndReason::CredentialExpired));
}
