//! Other settings for a gate that runs.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use portcullis_core::{ConfigErrors, NotReady};

use super::{Complete, GateHandle, StackBuilder, installed::Deciders};

/// For how long authenticators whose place others have taken may still be asked: by requests that
/// came before.
const LINGER: Duration = Duration::from_secs(60);

impl GateHandle {
    /// Has a gate that runs go by other settings, over the same stores and without a restart.
    ///
    /// The authenticators of the new stack are made [ready](Self::ready) first. Then every request
    /// that arrives is decided by it; those that are in go on by the settings under which they came.
    /// Where anything is wrong with the new stack, all stays as it was.
    ///
    /// | stays | comes from the new stack |
    /// |---|---|
    /// | the clock, the sink of the records, the base path, the resource | authenticators, receivers of [notices](crate::notices), anonymous routes, who checks proofs, details of the resource |
    /// | sessions with their store, keys, cookie and cache; what runs in them, and that it can be ended | the rules of sessions: for who comes, and for what runs. How long a session may be inactive and when it ends at the latest was settled when it was opened |
    /// | what was revoked, and the bus | everything about `perimeter`, `binding`, `quota` and `step_up`; budgets that are counted in memory begin anew; what streams are told at their end |
    /// | counters, and the doors: [`shutdown`](Self::shutdown) waits for all | |
    ///
    /// What stays is not given again; it is an error that names the setting. What an authenticator or a
    /// verifier of proofs remembers by itself goes with it. **So give a verifier that remembers used
    /// proofs in memory the same store**, an `Arc` of it: another one would take each of them once
    /// more.
    ///
    /// Whoever came with a credential that no authenticator accepts any more is refused from his next
    /// request on. To end what runs, [`revoke`](Self::revoke) or [end](Self::end_sessions) it.
    ///
    /// ```
    /// use portcullis::Stack;
    /// # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
    /// # struct Keys;
    /// # impl Authenticator for Keys {
    /// #     fn describe(&self) -> Description { Description::bearer("keys") }
    /// #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
    /// # }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = || Stack::builder().with_resource("https://agent.example/").add_authenticator(Keys);
    /// let (gate, handle) = stack().build()?;
    ///
    /// handle.replace(stack().add_anonymous_route("/health")).await?;
    /// # let _ = gate;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A setting that cannot work; an authenticator that cannot decide; a gate that is shut down.
    pub async fn replace(&self, stack: StackBuilder<Complete>) -> Result<(), ReplaceError> {
        // One at a time: the last that was asked for is the one that counts.
        let _turn = self.turns.lock().await;
        let (layers, _) = stack.assemble(Some(&self.ground), &self.tasks)?;
        self.ready_with(&layers.deciders).await?;
        tracing::info!(target: "portcullis", layers = ?layers.steps, "the gate goes by other settings");
        // First the rules: they are stricter than no rules for a session that is opened meanwhile.
        if let (Some(sessions), Some(policy)) = (&self.ground.sessions, layers.policy) {
            sessions.replace_policy(policy);
        }
        let before = self.installed.replace(layers);
        before.receivers.stop();
        self.retire(before);
        Ok(())
    }

    /// Ends those whose place others have taken, once nobody asks them any more.
    fn retire(&self, before: Deciders) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (installed, clock) = (
            Arc::clone(&self.installed),
            Arc::clone(&self.ground.shared.clock),
        );
        self.tasks.spawn_on(&runtime, async move {
            if let Some(late) = clock.instant().checked_add(LINGER) {
                clock.sleep_until(late).await;
            }
            if installed.take(&before) {
                before.shut_down(&*clock, LINGER).await;
            }
        });
    }
}

/// Why a gate goes on by the settings that it had.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReplaceError {
    /// Settings that cannot work.
    Config(ConfigErrors),
    /// An authenticator that cannot decide yet, or the gate is shut down.
    NotReady(NotReady),
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => errors.fmt(f),
            Self::NotReady(error) => error.fmt(f),
        }
    }
}

impl Error for ReplaceError {}

impl From<ConfigErrors> for ReplaceError {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

impl From<NotReady> for ReplaceError {
    fn from(error: NotReady) -> Self {
        Self::NotReady(error)
    }
}
