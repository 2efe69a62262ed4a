//! Budgets in the memory of this process, for several layers together.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use portcullis_core::{
    AlreadyHashed, Budget, Charged, Check, QuotaCharge, QuotaKey, QuotaStore, StoreError, Timestamp,
};

use crate::parts::part_of;

/// Stores with room for more than this are split, so that requests seldom meet.
const SPLIT_ABOVE: usize = 1024;
const SHARDS: usize = 64;

/// Budgets in the memory of this process, at most so many: for gates that count together.
///
/// A layer by itself needs none: it counts in its own memory, and faster. A restart forgets what
/// was spent, and two servers do not see each other's.
///
/// Budgets that are paid off are forgotten when room is needed. If all of them owe, those who come
/// share one among many until somebody owes nothing any more, and a warning is logged, once: nobody
/// who owes is forgotten for a stranger's sake.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use portcullis::{Secret, quota::{MemoryQuotas, Quota, QuotaLayer}};
///
/// let (store, key) = (Arc::new(MemoryQuotas::with_capacity(10_000)), [7; 16]);
/// let layer = || {
///     QuotaLayer::builder()
///         .with_per_principal(Quota::per_minute(600))
///         .with_store(Arc::clone(&store))
///         .with_key(Secret::new(key))
///         .build()
/// };
/// let (notes, mail) = (layer()?, layer()?); // 600 a minute, at both of them together
/// # let _ = (notes, mail);
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
pub struct MemoryQuotas {
    shards: Box<[Mutex<Shard>]>,
    per_shard: usize,
    capacity: usize,
    has_warned: AtomicBool,
}

/// Times are in microseconds.
#[derive(Default)]
struct Shard {
    /// When each budget is paid off.
    paid_at: HashMap<QuotaKey, i64, AlreadyHashed>,
    /// When the one is paid off that those have who found no room.
    shared_paid_at: i64,
    /// When the first is paid off, or earlier: before that there is nothing to forget.
    first_paid_at: i64,
}

type Shards<'a> = Vec<(usize, MutexGuard<'a, Shard>)>;

impl MemoryQuotas {
    /// A store with room for so many budgets that are not paid off.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let shards = if capacity > SPLIT_ABOVE { SHARDS } else { 1 };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            per_shard: capacity.div_ceil(shards),
            capacity,
            has_warned: AtomicBool::new(false),
        }
    }

    /// For how many budgets there is room.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many budgets are kept, those included that are paid off.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).paid_at.len())
            .sum()
    }

    /// Whether no budget is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn charge_all(&self, charges: &[QuotaCharge], now: Timestamp) -> Charged {
        let now = now.unix_millis().saturating_mul(1000);
        let mut shards = self.lock(charges);
        let each: Vec<Result<Budget, _>> = charges
            .iter()
            .map(|charge| {
                let shard = self.shard(&mut shards, charge.key());
                let paid_at = shard.map_or(i64::MAX, |shard| {
                    shard.paid_at(charge.key(), self.per_shard, now)
                });
                charge.against(paid_at, now)
            })
            .collect();
        let charged = Charged::of(&each);
        if matches!(charged, Charged::Paid(_)) {
            for (charge, budget) in charges.iter().zip(each.iter().flatten()) {
                if let Some(shard) = self.shard(&mut shards, charge.key())
                    && !shard.pay(charge.key(), budget.paid_at, self.per_shard, now)
                {
                    self.warn();
                }
            }
        }
        charged
    }

    /// All shards of these budgets, in the order of the shards, so that no two wait for each other.
    fn lock(&self, charges: &[QuotaCharge]) -> Shards<'_> {
        let indices = charges.iter().map(|charge| self.index(charge.key()));
        let mut indices: Vec<_> = indices.collect();
        indices.sort_unstable();
        indices.dedup();
        let locked = indices
            .into_iter()
            .filter_map(|index| Some((index, lock(self.shards.get(index)?))));
        locked.collect()
    }

    fn shard<'a>(&self, shards: &'a mut Shards<'_>, key: QuotaKey) -> Option<&'a mut Shard> {
        let index = self.index(key);
        let found = shards.iter_mut().find(|(found, _)| *found == index);
        found.map(|(_, shard)| &mut **shard)
    }

    fn index(&self, key: QuotaKey) -> usize {
        part_of(key.as_u128(), self.shards.len())
    }

    fn warn(&self) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "portcullis",
                capacity = self.capacity,
                "more budgets are charged in the same while than the store has room for, so \
                 newcomers share one; give it more room",
            );
        }
    }
}

impl Default for MemoryQuotas {
    /// Room for 200 000 budgets: up to 12 MB, once it is full.
    fn default() -> Self {
        Self::with_capacity(200_000)
    }
}

impl QuotaStore for MemoryQuotas {
    fn charge_now(&self, charges: &[QuotaCharge], now: Timestamp) -> Check<Charged> {
        Check::Done(self.charge_all(charges, now))
    }

    async fn charge(&self, charges: &[QuotaCharge], now: Timestamp) -> Result<Charged, StoreError> {
        Ok(self.charge_all(charges, now))
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

impl Shard {
    /// When the budget is paid off, or the shared one if there is no room for it.
    fn paid_at(&mut self, key: QuotaKey, max: usize, now: i64) -> i64 {
        match self.paid_at.get(&key).copied() {
            Some(paid_at) => paid_at,
            None if self.has_room(max, now) => i64::MIN,
            None => self.shared_paid_at,
        }
    }

    /// Says whether there was room for it.
    fn pay(&mut self, key: QuotaKey, paid_at: i64, max: usize, now: i64) -> bool {
        if let Some(kept) = self.paid_at.get_mut(&key) {
            *kept = paid_at;
            return true;
        }
        let has_room = self.has_room(max, now);
        if has_room {
            self.paid_at.insert(key, paid_at);
            self.first_paid_at = self.first_paid_at.min(paid_at);
        } else {
            self.shared_paid_at = self.shared_paid_at.max(paid_at);
        }
        has_room
    }

    fn has_room(&mut self, max: usize, now: i64) -> bool {
        if self.paid_at.len() < max {
            return true;
        }
        // Looking through it costs more than whoever asks should be able to ask for each time.
        if now < self.first_paid_at {
            return false;
        }
        self.paid_at.retain(|_, paid_at| *paid_at > now);
        self.first_paid_at = self.paid_at.values().copied().min().unwrap_or(i64::MAX);
        self.paid_at.len() < max
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // What the lock protects is whole between any two statements.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for MemoryQuotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQuotas")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use portcullis_core::QuotaRate;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
    const HOUR: Duration = Duration::from_secs(3600);

    fn charge(key: u128, burst: u32) -> QuotaCharge {
        let burst = NonZeroU32::new(burst).unwrap();
        let rate = QuotaRate::new(HOUR / burst.get(), burst).unwrap();
        QuotaCharge::new(QuotaKey::from_u128(key), rate)
    }

    fn pays(store: &MemoryQuotas, charges: &[QuotaCharge], now: Timestamp) -> bool {
        matches!(store.charge_all(charges, now), Charged::Paid(_))
    }

    #[test]
    fn memory_is_bounded_and_nobody_who_owes_is_forgotten() {
        let store = MemoryQuotas::with_capacity(2048);
        assert!(pays(&store, &[charge(0, 1)], START));
        let spread = |n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let paid = (1..100_000)
            .filter(|n| pays(&store, &[charge(spread(*n), 1)], START))
            .count();
        assert_eq!(paid, 2047 + SHARDS, "one in each shard is shared");
        assert_eq!(store.len(), 2048);
        assert!(!pays(&store, &[charge(0, 1)], START));
        assert!(!pays(&store, &[charge(1, 1)], START), "all others share");
        let later = START + HOUR;
        assert!(pays(&store, &[charge(0, 1)], later));
        assert!(pays(&store, &[charge(1, 1)], later));
        assert!(store.len() <= 2048);
    }

    #[test]
    fn two_newcomers_at_once_find_room_for_one() {
        let store = MemoryQuotas::with_capacity(1);
        assert!(pays(&store, &[charge(1, 1), charge(2, 1)], START));
        assert_eq!(store.len(), 1);
        // What found no room is owed all the same.
        assert!(!pays(&store, &[charge(2, 1)], START));
        assert!(!pays(&store, &[charge(3, 1)], START));
        assert!(!pays(&store, &[charge(1, 1)], START));
    }

    #[test]
    fn what_is_not_paid_leaves_nothing_behind() {
        let store = MemoryQuotas::with_capacity(10);
        assert!(pays(&store, &[charge(1, 1)], START));
        assert!(!pays(&store, &[charge(2, 1), charge(1, 1)], START));
        assert_eq!(store.len(), 1);
        assert!(pays(&store, &[charge(2, 1)], START));
    }
}
