//! The gate from the operator's side.

use std::{fmt, sync::Arc};

use portcullis_core::NotReady;

use crate::{audit::Stats, authn::AnyAuthenticator, frame::Steps};

/// What the operator of a [`Gate`](super::Gate) does with it while it runs.
///
/// Cheap to clone. Dropping it changes nothing about the gate.
#[derive(Clone)]
pub struct GateHandle {
    steps: Arc<Steps>,
    authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
}

impl GateHandle {
    pub(super) fn new(steps: Arc<Steps>, authenticators: Arc<[Arc<dyn AnyAuthenticator>]>) -> Self {
        Self {
            steps,
            authenticators,
        }
    }

    /// Completes when every authenticator can decide: key sets are loaded, backends answer.
    ///
    /// Requests do not wait for this. A server that must not start without its keys awaits
    /// it before it listens.
    ///
    /// # Errors
    ///
    /// The first authenticator that cannot decide, and why.
    pub async fn ready(&self) -> Result<(), NotReady> {
        for authenticator in self.authenticators.iter() {
            Arc::clone(authenticator).ready().await?;
        }
        Ok(())
    }

    /// How many decisions there were, by reason code.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.steps.shared().recorder.counters().snapshot()
    }
}

impl fmt::Debug for GateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateHandle")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
