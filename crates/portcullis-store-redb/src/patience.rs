//! When a file that has failed is read again.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use portcullis_core::{Clock, StoreError};

/// How long it takes after the second failure in a row. Twice as long after each that follows.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// All of a file is read when it is opened anew. Where its disk goes on failing, that would be for each
/// that is asked: so after the first failure it is read at once, and after others more and more seldom.
pub(crate) struct Patience {
    clock: Arc<dyn Clock>,
    failed: Mutex<Failed>,
}

#[derive(Default)]
struct Failed {
    times: u32,
    not_before: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            failed: Mutex::default(),
        }
    }

    /// An error until the file may be read again.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let not_before = self.failed().not_before;
        match not_before.is_some_and(|instant| self.clock.instant() < instant) {
            false => Ok(()),
            true => Err(StoreError::new(
                "the file of the store has failed several times, and is tried again within a minute",
            )),
        }
    }

    pub(crate) fn note_failure(&self) {
        let now = self.clock.instant();
        let mut failed = self.failed();
        failed.times = failed.times.saturating_add(1);
        failed.not_before = failed.times.checked_sub(2).map(|doublings| {
            let factor = 2_u32.saturating_pow(doublings);
            now + FIRST.saturating_mul(factor).min(LONGEST)
        });
    }

    /// Something was written.
    pub(crate) fn note_success(&self) {
        *self.failed() = Failed::default();
    }

    fn failed(&self) -> MutexGuard<'_, Failed> {
        // What the lock protects is whole between any two statements.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").finish_non_exhaustive()
    }
}
