//! A bus for the gates of one process.

use std::sync::Weak;

use portcullis_core::{Heard, Signal, SignalBus, SignalListener, SignalListeners, StoreError};

/// Carries signals between the layers of one process: several gates over one store, or the servers
/// of a test. Clones are the same bus.
#[derive(Clone, Debug, Default)]
pub struct MemorySignals(SignalListeners);

impl MemorySignals {
    /// A bus without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl SignalBus for MemorySignals {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        self.0.add(listener);
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), StoreError> {
        let heard = signals.iter().copied().map(Heard::Signal);
        self.0.tell(&heard.collect::<Vec<_>>());
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
