//! What one process keeps in a file.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use portcullis::{
    redb::{OpenError, Redb},
    signal::MemorySignals,
};
use portcullis_testing::clock::VirtualClock;

use super::{Place, clock_of_its_own};
use crate::{folder::TestFolder, patience::until};

/// A place for a file.
#[must_use]
pub fn place(folder: &TestFolder) -> PathBuf {
    folder.make();
    folder.path().join("store.redb")
}

/// A process, and its file on a real disk.
#[derive(Clone, Debug)]
pub struct InFile {
    clock: VirtualClock,
    path: PathBuf,
    life: Arc<Mutex<(Option<Redb>, MemorySignals)>>,
    _folder: Arc<TestFolder>,
}

impl InFile {
    /// Does something with the file while nobody has it open.
    ///
    /// # Panics
    ///
    /// It stays open.
    pub async fn while_closed(&self, change: impl FnOnce(&Path)) {
        self.restart().await;
        *self.life.lock().unwrap() = Default::default();
        change(&self.path);
    }
}

impl Place for InFile {
    type Stores = Redb;
    type Signals = MemorySignals;
    const LASTS: bool = true;

    async fn start() -> Self {
        let folder = TestFolder::new();
        Self {
            clock: VirtualClock::new(),
            path: place(&folder),
            life: Arc::default(),
            _folder: Arc::new(folder),
        }
    }

    async fn start_own() -> Self {
        Self::start().await
    }

    async fn stores(&self) -> Redb {
        let open = || Redb::open(&self.path).unwrap();
        let mut life = self.life.lock().unwrap();
        life.0.get_or_insert_with(open).clone()
    }

    fn signals(&self, _: &Redb) -> MemorySignals {
        self.life.lock().unwrap().1.clone()
    }

    async fn restart(&self) {
        *self.life.lock().unwrap() = Default::default();
        // Whoever was to write something in the background drops it soon.
        until(
            "the end of all stores of the file",
            async || match Redb::open(&self.path) {
                Err(OpenError::InUse(_)) => false,
                opened => {
                    self.life.lock().unwrap().0 = Some(opened.unwrap());
                    true
                }
            },
        )
        .await;
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

clock_of_its_own!(InFile);
