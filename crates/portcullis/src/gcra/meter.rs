//! Who owes what.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::Rate;

const SHARDS: usize = 64;

/// Counts what each of many has spent, at one rate for all, in bounded memory.
pub(crate) struct Meter<K, S = RandomState> {
    rate: Rate,
    debts: Debts<K, S>,
}

/// What each of many owes, in bounded memory.
///
/// A full shard first forgets those who owe nothing any more. If all of them owe, further
/// debtors share one debt: nobody who owes is forgotten for a stranger's sake.
pub(crate) struct Debts<K, S = RandomState> {
    /// Whether anybody has ever owed anything. Until then nobody who only looks takes a lock.
    is_used: AtomicBool,
    hasher: S,
    shards: [Mutex<Shard<K, S>>; SHARDS],
    max_per_shard: usize,
    /// What the operator is told, once, when somebody finds no place.
    warning: &'static str,
    has_warned: AtomicBool,
}

/// A cell that is there. While it is held, nobody else gets at it; if it is dropped, it has
/// not been spent.
#[must_use = "a cell that is dropped is not spent"]
pub(crate) struct Held<'a> {
    is_used: &'a AtomicBool,
    /// When the debt is paid off, and when it will be once the cell is spent.
    debt: &'a mut u64,
    paid_at: u64,
}

struct Shard<K, S> {
    /// When each debt is paid off.
    paid_at: HashMap<K, u64, S>,
    /// When the debt is paid off that those have who found the shard full.
    shared_paid_at: u64,
    /// When the first debt is paid off, or earlier: before that there is nothing to forget.
    first_paid_at: u64,
}

impl<K, S> Meter<K, S>
where
    K: Copy + Eq + Hash,
    S: BuildHasher + Clone,
{
    /// The debts of so many are told apart. The warning is what is logged, once, when there
    /// are more.
    pub(crate) fn new(rate: Rate, max_debtors: usize, hasher: S, warning: &'static str) -> Self {
        let debts = Debts::new(max_debtors, hasher, warning);
        Self { rate, debts }
    }

    /// How long until there is a cell, if there is none now. Spends nothing.
    pub(crate) fn returns_in(&self, key: K, now: impl FnOnce() -> Duration) -> Option<Duration> {
        if !self.debts.is_used.load(Ordering::Acquire) {
            return None;
        }
        self.hold(key, now(), |held| held.err())
    }

    /// Decides with a cell in hand, if there is one. It is spent with [`Held::spend`].
    ///
    /// The error is how long until there is one. Whoever holds cells of two meters takes them
    /// in the same order each time.
    pub(crate) fn hold<T>(
        &self,
        key: K,
        now: Duration,
        decide: impl FnOnce(Result<Held<'_>, Duration>) -> T,
    ) -> T {
        self.debts.hold(self.rate, key, now, decide)
    }
}

impl<K, S> Debts<K, S>
where
    K: Copy + Eq + Hash,
    S: BuildHasher + Clone,
{
    /// The debts of so many are told apart. The warning is what is logged, once, when there
    /// are more.
    pub(crate) fn new(max_debtors: usize, hasher: S, warning: &'static str) -> Self {
        Self {
            is_used: AtomicBool::new(false),
            shards: std::array::from_fn(|_| Mutex::new(Shard::new(hasher.clone()))),
            hasher,
            max_per_shard: max_debtors.div_ceil(SHARDS),
            warning,
            has_warned: AtomicBool::new(false),
        }
    }

    /// Decides with a cell in hand, if there is one at this rate. It is spent with
    /// [`Held::spend`]. The error is how long until there is one.
    pub(crate) fn hold<T>(
        &self,
        rate: Rate,
        key: K,
        now: Duration,
        decide: impl FnOnce(Result<Held<'_>, Duration>) -> T,
    ) -> T {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut shard = self.shard(&key);
        let shard = &mut *shard;
        if let Some(debt) = shard.paid_at.get_mut(&key) {
            return decide(self.charge(rate, debt, now));
        }
        if shard.has_place(self.max_per_shard, now) {
            // Whoever spends nothing is not remembered.
            let mut debt = 0;
            let decided = decide(self.charge(rate, &mut debt, now));
            if debt > 0 {
                shard.paid_at.insert(key, debt);
                shard.first_paid_at = shard.first_paid_at.min(debt);
            }
            return decided;
        }
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "portcullis", "{}", self.warning);
        }
        decide(self.charge(rate, &mut shard.shared_paid_at, now))
    }

    fn charge<'a>(&'a self, rate: Rate, debt: &'a mut u64, now: u64) -> Result<Held<'a>, Duration> {
        let owes = rate.charge(debt.saturating_sub(now))?;
        Ok(Held {
            is_used: &self.is_used,
            debt,
            paid_at: now.saturating_add(owes),
        })
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, S>> {
        let [first, ..] = &self.shards;
        let shard = self.shards.get(self.index(key)).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, key: &K) -> usize {
        // The maps look at both ends of the same hash, so this looks at its middle: within a
        // shard the ends differ as much as without.
        let middle = self.hasher.hash_one(key) >> 40;
        usize::try_from(middle % SHARDS as u64).unwrap_or(0)
    }

    #[cfg(test)]
    fn kept(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| shard.lock().unwrap().paid_at.len())
            .sum()
    }
}

impl Held<'_> {
    pub(crate) fn spend(self) {
        // Written once: what every thread writes every thread would have to fetch again.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Release);
        }
        *self.debt = self.paid_at;
    }
}

impl<K, S> Shard<K, S>
where
    K: Eq + Hash,
    S: BuildHasher,
{
    fn new(hasher: S) -> Self {
        Self {
            paid_at: HashMap::with_hasher(hasher),
            shared_paid_at: 0,
            first_paid_at: 0,
        }
    }

    /// Whether there is a place for one more debtor.
    fn has_place(&mut self, max: usize, now: u64) -> bool {
        if self.paid_at.len() < max {
            return true;
        }
        if now < self.first_paid_at {
            return false;
        }
        self.paid_at.retain(|_, &mut paid_at| paid_at > now);
        self.first_paid_at = self.paid_at.values().copied().min().unwrap_or(u64::MAX);
        self.paid_at.len() < max
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const START: Duration = Duration::ZERO;

    /// So many cells a minute, and all of them at once.
    fn meter(burst: u32, max: usize) -> Meter<u32> {
        let interval = Duration::from_secs(60) / burst;
        let rate = Rate::new(NonZeroU32::new(burst).unwrap(), interval).unwrap();
        Meter::new(rate, max, RandomState::new(), "")
    }

    fn spend(meter: &Meter<u32>, key: u32, now: Duration) -> bool {
        meter.hold(key, now, |held| held.map(Held::spend).is_ok())
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_look_spends_nothing_and_agrees_with_spending() {
        let meter = meter(3, 100);
        for _ in 0..100 {
            assert_eq!(meter.returns_in(1, || START), None);
            meter.hold(1, START, |held| drop(held));
        }
        for _ in 0..3 {
            assert_eq!(meter.returns_in(1, || START), None);
            assert!(spend(&meter, 1, START));
        }
        assert_eq!(meter.returns_in(1, || START), Some(seconds(20)));
        assert_eq!(meter.returns_in(2, || START), None);
        // What is not there cannot be spent: one cell comes back after 20 s all the same.
        assert!((0..1000).all(|_| !spend(&meter, 1, START)));
        assert_eq!(meter.returns_in(1, || seconds(19)), Some(seconds(1)));
        assert_eq!(meter.returns_in(1, || seconds(20)), None);
        assert!(spend(&meter, 1, seconds(20)));
        assert!(meter.returns_in(1, || seconds(20)).is_some());
        // What is not used is not saved up beyond the burst.
        assert!((0..3).all(|_| spend(&meter, 1, seconds(1000))));
        assert!(!spend(&meter, 1, seconds(1000)));
    }

    #[test]
    fn a_clock_that_stands_still_or_ends_is_no_reason_to_panic() {
        let meter = meter(1, 100);
        assert!(spend(&meter, 1, Duration::MAX));
        assert!(!spend(&meter, 1, START));
        assert!(spend(&meter, 2, START));
    }

    #[test]
    fn memory_is_bounded_and_no_debtor_is_forgotten() {
        let meter = meter(1, 640);
        assert!(spend(&meter, 0, START));
        let spent = (1..1_000_000)
            .filter(|&key| spend(&meter, key, START))
            .count();
        // One for each place, and one in each shard for all the others.
        assert_eq!(spent, 640 - 1 + SHARDS);
        assert!(meter.returns_in(0, || START).is_some());
        // Whoever finds no place shares a debt, and that one is owed.
        assert!(meter.returns_in(2_000_000, || START).is_some());
        assert_eq!(meter.returns_in(0, || seconds(61)), None);
        assert_eq!(meter.returns_in(2_000_000, || seconds(61)), None);
        assert!(meter.debts.kept() <= 640, "{}", meter.debts.kept());
    }

    #[test]
    fn a_full_shard_makes_place_as_soon_as_one_debt_is_paid() {
        // One place in each shard, and newcomers who all fall into one.
        let meter = meter(4, SHARDS);
        let mut newcomers = (0..).filter(|key| meter.debts.index(key) == 0);
        let mut comes = |now| spend(&meter, newcomers.next().unwrap(), now);
        assert!(comes(START), "the place");
        assert!((0..4).all(|_| comes(START)), "what the others share");
        assert!(!comes(START));
        for round in 1..10 {
            // What is owed for one cell is paid off after 15 s, and so is one that is shared.
            let now = seconds(round * 15);
            assert!(comes(now), "the place, {round}");
            assert!(comes(now), "what the others share, {round}");
            assert!(!comes(now), "{round}");
            assert_eq!(meter.debts.kept(), 1);
        }
    }

    #[test]
    fn two_threads_do_not_spend_one_cell() {
        let meter = meter(60, 100);
        let spent = std::thread::scope(|scope| {
            let spend_all = || (0..1000).filter(|_| spend(&meter, 1, START)).count();
            let threads = [scope.spawn(spend_all), scope.spawn(spend_all)];
            threads
                .map(|thread| thread.join().unwrap())
                .iter()
                .sum::<usize>()
        });
        assert_eq!(spent, 60);
    }
}
