//! The task that looks after what runs in the sessions of one layer.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use portcullis_core::{Check, EndReason, SessionRecord, StoreError, Timestamp};
use tokio::task::AbortHandle;

use super::{
    running::{Live, lock},
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
        *task = Some(runtime.spawn(sweep(Arc::downgrade(shared))).abort_handle());
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
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
            look(&live).await;
        }
    }
}

/// Ends what is over in a session.
async fn look(live: &Live) {
    let shared = &live.shared;
    let now = shared.time.now();
    if live.over().is_some() {
        return;
    }
    if is_active(live, now) {
        shared.touch(&live.keys, live.id);
    }
    match record(live, now).await {
        Ok(Looked::Found(record)) if record.id == live.id => {
            if let Some(reason) = record.over(shared.time.now()) {
                return live.end(reason);
            }
        }
        // Somebody else ended it, or it is another session by now.
        Ok(Looked::Found(_) | Looked::Gone) => return live.end(EndReason::Revoked),
        Ok(Looked::NotNow) => {}
        Err(error) => {
            tracing::warn!(target: "portcullis", "the store cannot say whether a session lives: {error}");
        }
    }
    end_by_credential(live, now);
}

enum Looked {
    Found(Box<SessionRecord>),
    Gone,
    /// The store has been asked not long ago.
    NotNow,
}

async fn record(live: &Live, now: Timestamp) -> Result<Looked, StoreError> {
    let (owner, key) = (live.keys.owner, live.keys.session);
    let found = match live.shared.store.check(owner, key) {
        Check::Done(found) => found,
        Check::NeedsIo => {
            let looked_at = live.state().looked_at;
            if looked_at.is_some_and(|at| now.saturating_since(at) < LOOK) {
                return Ok(Looked::NotNow);
            }
            live.state().looked_at = Some(now);
            live.shared.store.load(owner).await?.get(key).cloned()
        }
    };
    Ok(found.map_or(Looked::Gone, |record| Looked::Found(Box::new(record))))
}

/// Whether a request runs that keeps the session active.
fn is_active(live: &Live, now: Timestamp) -> bool {
    let max_running = live.shared.policy.max_running;
    let state = live.state();
    state.requests.iter().any(|request| {
        request.is_activity && request.over().is_none() && now < request.started_at + max_running
    })
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
