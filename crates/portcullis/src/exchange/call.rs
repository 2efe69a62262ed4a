//! What calls inside a request need of its exchange.

use std::sync::{Arc, PoisonError};

use portcullis_core::Clock;

use super::Exchange;
use crate::step_up::Requirements;

impl Exchange {
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
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
}
