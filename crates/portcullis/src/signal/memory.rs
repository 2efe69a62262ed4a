//! A bus for the gates of one process.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use portcullis_core::{Heard, Signal, SignalBus, SignalListener, StoreError};

/// Carries signals between the layers of one process: several gates over one store, or the servers
/// of a test. Clones are the same bus.
#[derive(Clone, Default)]
pub struct MemorySignals(Arc<Mutex<Vec<Weak<dyn SignalListener>>>>);

impl MemorySignals {
    /// A bus without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn listeners(&self) -> Vec<Arc<dyn SignalListener>> {
        // What the lock protects is whole between any two statements.
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut living = Vec::with_capacity(listeners.len());
        listeners.retain(|listener| match listener.upgrade() {
            Some(listener) => {
                living.push(listener);
                true
            }
            None => false,
        });
        living
    }
}

impl SignalBus for MemorySignals {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push(listener);
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), StoreError> {
        // Not under the lock: a listener may do anything.
        for listener in self.listeners() {
            for signal in signals {
                listener.hear(Heard::Signal(*signal));
            }
        }
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl fmt::Debug for MemorySignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySignals").finish_non_exhaustive()
    }
}
