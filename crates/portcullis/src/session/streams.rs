//! How many answers of each principal stream.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex},
};

use portcullis_core::{OwnerKey, sabotaged};

use super::running::lock;

const SHARDS: usize = 16;

/// The answers that stream, counted for each principal. There is an entry for each who has one, so
/// there are never more entries than streams.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<[Mutex<HashMap<OwnerKey, u32>>; SHARDS]>);

/// The place of one stream. Given back when it is dropped.
pub(super) struct Place {
    streams: Streams,
    owner: OwnerKey,
}

impl Streams {
    /// Takes a place, unless all that there are for this principal are taken.
    pub(super) fn take(&self, owner: OwnerKey, most: u32) -> Option<Place> {
        let mut shard = lock(self.shard(owner)?);
        let count = shard.entry(owner).or_default();
        if *count >= most && !sabotaged!("session.streams") {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place {
            streams: self.clone(),
            owner,
        })
    }

    /// Whether all places are taken.
    pub(super) fn are_full(&self, owner: OwnerKey, most: u32) -> bool {
        let shard = self.shard(owner).map(lock);
        let count = shard.and_then(|shard| shard.get(&owner).copied());
        count.unwrap_or_default() >= most && !sabotaged!("session.streams")
    }

    fn shard(&self, owner: OwnerKey) -> Option<&Mutex<HashMap<OwnerKey, u32>>> {
        self.0.get(owner.as_u128() as usize % SHARDS)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shard) = self.streams.shard(self.owner) else {
            return;
        };
        if let Entry::Occupied(mut entry) = lock(shard).entry(self.owner) {
            match entry.get().checked_sub(1) {
                Some(count) if count > 0 => {
                    entry.insert(count);
                }
                _ => {
                    entry.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(n: u128) -> OwnerKey {
        OwnerKey::from_u128(n)
    }

    #[test]
    fn each_principal_has_its_places_and_gets_them_back() {
        let streams = Streams::default();
        let first = streams.take(owner(1), 2).unwrap();
        assert!(!streams.are_full(owner(1), 2));
        let second = streams.take(owner(1), 2).unwrap();
        assert!(streams.are_full(owner(1), 2));
        assert!(streams.take(owner(1), 2).is_none());
        // One of the same shard.
        let other = streams.take(owner(17), 2).unwrap();
        drop(first);
        let third = streams.take(owner(1), 2).unwrap();
        assert!(streams.take(owner(1), 2).is_none());
        drop((second, third, other));
        assert!(streams.0.iter().all(|shard| lock(shard).is_empty()));
    }

    #[test]
    fn never_more_than_that_many_at_once() {
        let streams = Streams::default();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let taken = (0..100).filter_map(|_| streams.take(owner(1), 50));
                        let taken: Vec<_> = taken.collect();
                        let count = taken.len();
                        // Nobody gives back.
                        taken.into_iter().for_each(std::mem::forget);
                        count
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(taken, 50);
    }
}
