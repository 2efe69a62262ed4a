//! What calls inside a request need of its exchange.

use std::sync::{Arc, PoisonError};

use portcullis_core::Clock;

use super::{Exchange, Scope};
use crate::step_up::Requirements;

impl Exchange {
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.shared.clock
    }

    /// Whether the gate has been shut down, and nothing more may be done.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.0.shared.doors.are_closed()
    }

    /// Whether the thread is running another request than this one.
    pub(crate) fn is_foreign(&self) -> bool {
        self.0.flight.scope() == Scope::Other
    }

    /// Adds what a `step_up` layer requires of calls, behind what those further out do.
    pub(crate) fn add_requirements(&self, requirements: &Arc<Requirements>) {
        let requirements = Arc::clone(requirements);
        if let Err(inner) = self.0.requirements.set(requirements) {
            self.0
                .inner_requirements
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(inner);
        }
    }

    /// What is required of calls, from outside in.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = Arc<Requirements>> {
        let inner = self
            .0
            .inner_requirements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.0.requirements.get().cloned().into_iter().chain(inner)
    }
}
