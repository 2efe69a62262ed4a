//! What was loaded for a layer before it is its turn.

use std::sync::PoisonError;

use super::Exchange;
use crate::session::Loaded;

impl Exchange {
    /// Keeps what was loaded for the session.
    pub(crate) fn set_loaded(&self, loaded: Loaded) {
        // What the lock protects is whole between any two statements.
        let mut cell = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        *cell = Some(Box::new(loaded));
    }

    /// What was loaded for the session, for the first who asks.
    pub(crate) fn take_loaded(&self) -> Option<Loaded> {
        let mut cell = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        cell.take().map(|loaded| *loaded)
    }
}
