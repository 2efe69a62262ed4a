//! How many one-time credentials each owner has, as far as it has been counted.

use std::collections::HashMap;

use portcullis_core::{AlreadyHashed, ReplayOwner, Timestamp};

/// Of so many owners it is known. Beyond that, all are counted anew.
const MANY: usize = 65_536;

/// Nobody else writes to the file, so what is here is what is there, for as long as all that was noted
/// is also written: after a failure this begins empty.
#[derive(Debug, Default)]
pub(crate) struct ReplayCounts {
    owners: HashMap<ReplayOwner, Count, AlreadyHashed>,
    /// How often the rows of an owner were read.
    scans: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    /// How many there are, those included that are over and not removed.
    pub(crate) taken: usize,
    /// When the first of them is over, where that is known.
    pub(crate) first_until: Option<Timestamp>,
}

impl ReplayCounts {
    pub(crate) fn find(&self, owner: ReplayOwner) -> Option<Count> {
        self.owners.get(&owner).copied()
    }

    /// What was counted.
    pub(crate) fn note(&mut self, owner: ReplayOwner, count: Count) {
        self.scans += 1;
        if self.owners.len() >= MANY && !self.owners.contains_key(&owner) {
            self.owners.clear();
        }
        self.owners.insert(owner, count);
    }

    pub(crate) fn note_taken(&mut self, owner: ReplayOwner, until: Timestamp) {
        if let Some(count) = self.owners.get_mut(&owner) {
            count.taken += 1;
            count.first_until = count.first_until.map(|first| first.min(until));
        }
    }

    pub(crate) fn note_removed(&mut self, owner: ReplayOwner) {
        if let Some(count) = self.owners.get_mut(&owner) {
            count.taken = count.taken.saturating_sub(1);
            if count.taken == 0 {
                self.owners.remove(&owner);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn scans(&self) -> u64 {
        self.scans
    }
}
