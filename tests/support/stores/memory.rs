//! What one process keeps in its memory.
#![expect(
    clippy::unwrap_used,
    reason = "no test leaves a lock behind that it has spoilt"
)]

use std::sync::{Arc, Mutex};

use portcullis::{revocation::MemoryRevocations, session::MemorySessions, signal::MemorySignals};
use portcullis_testing::clock::VirtualClock;

use super::{Place, Stores, clock_of_its_own};

/// The stores in memory.
#[derive(Clone, Debug)]
pub struct Memory {
    sessions: Arc<MemorySessions>,
    revocations: Arc<MemoryRevocations>,
    signals: MemorySignals,
}

impl Default for Memory {
    /// Of what a test can fill in vain.
    fn default() -> Self {
        Self {
            sessions: Arc::new(MemorySessions::with_capacity(200_000)),
            revocations: Arc::new(MemoryRevocations::with_capacity(10_000)),
            signals: MemorySignals::new(),
        }
    }
}

impl Stores for Memory {
    type Sessions = Arc<MemorySessions>;
    type Revocations = Arc<MemoryRevocations>;

    fn sessions(&self) -> Self::Sessions {
        Arc::clone(&self.sessions)
    }

    fn revocations(&self) -> Self::Revocations {
        Arc::clone(&self.revocations)
    }
}

/// A process.
#[derive(Clone, Debug)]
pub struct InMemory {
    clock: VirtualClock,
    life: Arc<Mutex<Memory>>,
}

impl Place for InMemory {
    type Stores = Memory;
    type Signals = MemorySignals;
    const LASTS: bool = false;

    async fn start() -> Self {
        Self {
            clock: VirtualClock::new(),
            life: Arc::default(),
        }
    }

    async fn start_own() -> Self {
        Self::start().await
    }

    async fn stores(&self) -> Memory {
        self.life.lock().unwrap().clone()
    }

    fn signals(&self, stores: &Memory) -> MemorySignals {
        stores.signals.clone()
    }

    async fn restart(&self) {
        *self.life.lock().unwrap() = Memory::default();
    }

    fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    fn by_clock(&self, clock: VirtualClock) -> Self {
        Self {
            clock,
            ..self.clone()
        }
    }
}

clock_of_its_own!(InMemory);
