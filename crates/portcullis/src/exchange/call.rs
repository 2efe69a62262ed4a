//! What calls inside a request need of its exchange.

use std::sync::{Arc, PoisonError};

use portcullis_core::{Clock, Outcome, RecordKind, Timestamp};

use super::{Exchange, Scope, Slot};
use crate::{reason, refusal::Refusal, step_up::Requirements};

impl Exchange {
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
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

    /// Writes the record of a call.
    pub(crate) fn record_call(&self, operation: &str, at: Timestamp, result: Result<(), &Refusal>) {
        let mut record = match result {
            Ok(()) => {
                let layer = Slot::StepUp.name();
                self.0.record(Outcome::Admitted, layer, reason::PERMITTED)
            }
            Err(refusal) => {
                let (outcome, layer) = (refusal.outcome(), refusal.layer());
                self.0.record(outcome, layer, refusal.reason())
            }
        };
        record.kind = RecordKind::Call;
        record.at = at;
        record.operation = Some(operation);
        record.status = result.err().map(Refusal::status);
        self.0.recorder.write(&record);
    }
}
