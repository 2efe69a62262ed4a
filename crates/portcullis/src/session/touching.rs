//! The sessions of which a store is being told something.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use portcullis_core::SessionId;

use super::running::lock;

/// The sessions of which a store that has to be asked is being told that they are active.
/// However long it takes, there is one task for each.
#[derive(Clone, Default)]
pub(super) struct Touching(Arc<Mutex<HashSet<SessionId>>>);

/// The one task of a session. Dropped when it has ended, however it has.
pub(super) struct Turn {
    touching: Touching,
    id: SessionId,
}

impl Touching {
    /// Begins a task, unless there is one.
    pub(super) fn begin(&self, id: SessionId) -> Option<Turn> {
        lock(&self.0).insert(id).then(|| Turn {
            touching: self.clone(),
            id,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.touching.0).remove(&self.id);
    }
}
