//! What a listener of a bus hears.
#![expect(clippy::unwrap_used, reason = "a bus that is not there fails the test")]

use std::sync::{Arc, Mutex, Weak};

use portcullis_core::{Heard, SignalBus, SignalListener};

/// Keeps what it is told.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Vec<Heard>>);

impl SignalListener for Notes {
    fn hear(&self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }
}

impl Notes {
    /// One that listens from now on.
    ///
    /// # Panics
    ///
    /// The bus does not say that it does.
    pub async fn of(bus: &impl SignalBus) -> Arc<Self> {
        let notes = Arc::new(Self::default());
        let listener: Weak<Self> = Arc::downgrade(&notes);
        bus.subscribe(listener);
        bus.catch_up().await.unwrap();
        notes
    }

    /// What it was told since it was asked the last time.
    ///
    /// # Panics
    ///
    /// Somebody else has panicked over it.
    #[must_use]
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
