//! Tokens with which something runs, and whether their issuer still stands by them.
//!
//! A request is over long before an answer about its token is. A stream is not: it would go on for
//! hours with a token that its issuer has taken back a moment after it was opened. So a token is
//! asked about again whenever the answer is too old, for as long as somebody keeps what came of it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use futures_util::{StreamExt as _, stream};
use portcullis_core::{Secret, Timestamp, Withdrawal, sabotaged};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{answer::Outcome, authenticator::Inner};

/// The most tokens that are looked after. With more, streams of the others end with their tokens.
const MAX: usize = 65_536;
/// How many are asked about at a time. Requests have their turns as well.
const AT_A_TIME: usize = 16;

/// The tokens that are looked after.
#[derive(Default)]
pub(super) struct Watch {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tokens: HashMap<u128, Watched>,
    task: Option<JoinHandle<()>>,
    /// Whether there are no more tasks to be.
    is_over: bool,
}

struct Watched {
    token: Secret,
    withdrawal: Withdrawal,
    /// Until when the token counts by itself.
    ends_at: Option<Timestamp>,
    /// When it is asked about again.
    due: Instant,
}

impl Watch {
    /// Takes note of what an issuer has said of a token, and has it asked again when that is `due`.
    /// What comes back is what others are told.
    pub(super) fn note(
        &self,
        inner: &Arc<Inner>,
        key: u128,
        token: &str,
        outcome: Outcome,
        due: Instant,
    ) -> Outcome {
        let mut state = self.state();
        match outcome {
            Outcome::Active(evidence, window) => {
                let is_full = state.tokens.len() >= MAX && !state.tokens.contains_key(&key);
                if is_full || state.is_over {
                    return Outcome::Active(evidence, window);
                }
                let watched = state.tokens.entry(key).or_insert_with(|| Watched {
                    token: Secret::from(token),
                    withdrawal: Withdrawal::new(),
                    ends_at: None,
                    due,
                });
                watched.ends_at = Some(window.end());
                watched.due = due;
                let evidence = (*evidence)
                    .clone()
                    .with_withdrawal(watched.withdrawal.clone());
                state.look_after(inner);
                Outcome::Active(Arc::new(evidence), window)
            }
            Outcome::Refused(fault) => {
                if let Some(watched) = state.tokens.remove(&key) {
                    watched.give_up(inner.clock.now());
                }
                Outcome::Refused(fault)
            }
            Outcome::Failed(reason) => {
                if let Some(watched) = state.tokens.get_mut(&key) {
                    watched.due = due;
                }
                Outcome::Failed(reason)
            }
        }
    }

    /// How many tokens are looked after.
    pub(super) fn len(&self) -> usize {
        self.state().tokens.len()
    }

    /// Ends the task, and completes when it has ended.
    pub(super) async fn shutdown(&self) {
        let task = {
            let mut state = self.state();
            state.is_over = true;
            state.tokens.clear();
            state.task.take()
        };
        if let Some(task) = task {
            task.abort();
            // Aborted or complete: it has ended.
            let _ = task.await;
        }
    }

    /// When the next one is due. `None` if there is none: then the task ends with this.
    fn next_due(&self) -> Option<Instant> {
        let mut state = self.state();
        let next = state.tokens.values().map(|watched| watched.due).min();
        if next.is_none() {
            // Under the lock: whoever comes next sees that there is no task.
            state.task = None;
        }
        next
    }

    /// The tokens that are due and that somebody still waits for. The others are forgotten.
    fn due(&self, inner: &Inner, now: Instant) -> Vec<(u128, Secret)> {
        let mut state = self.state();
        let mut due = Vec::new();
        state.tokens.retain(|key, watched| {
            if watched.due > now {
                return true;
            }
            // What is kept for the next request is nobody who waits.
            inner.answers.forget(*key, now);
            let is_awaited = watched.withdrawal.is_awaited();
            if is_awaited {
                due.push((*key, watched.token.clone()));
            }
            is_awaited
        });
        due
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What the lock protects is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sees to it that there is a task.
    fn look_after(&mut self, inner: &Arc<Inner>) {
        // One whose runtime is gone has finished.
        if self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            self.task = Some(runtime.spawn(look_after(Arc::downgrade(inner))));
        }
    }
}

impl Watched {
    /// The issuer does not stand by the token any more. Of one that is at its end that says nothing:
    /// a client that has another by then goes on.
    fn give_up(self, now: Timestamp) {
        let is_at_its_end = self.ends_at.is_some_and(|end| end <= now);
        if !is_at_its_end && !sabotaged!("introspection.withdrawn") {
            self.withdrawal.withdraw();
        }
    }
}

async fn look_after(inner: Weak<Inner>) {
    loop {
        let Some(this) = inner.upgrade() else { return };
        let Some(due) = this.watch.next_due() else {
            return;
        };
        let sleep = this.clock.sleep_until(due);
        drop(this);
        sleep.await;
        let Some(this) = inner.upgrade() else { return };
        let due = this.watch.due(&this, this.clock.instant());
        let asking = stream::iter(due).for_each_concurrent(AT_A_TIME, |(key, token)| {
            let this = &this;
            async move {
                let text = std::str::from_utf8(token.expose()).unwrap_or_default();
                this.ask_and_keep(key, text).await;
            }
        });
        asking.await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.state().task.take() {
            task.abort();
        }
    }
}

/// Without the tokens.
impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("tokens", &self.len())
            .finish()
    }
}
