//! The time that debts are told in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::Clock;

/// How long ago it was that this was made, by our monotonic clock.
pub(crate) struct Elapsed {
    start: Instant,
    clock: Arc<dyn Clock>,
}

impl Elapsed {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            start: clock.instant(),
            clock,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.start)
    }
}
