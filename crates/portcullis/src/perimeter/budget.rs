//! The budget that refusals spend.
//!
//! Each address prefix may be refused so many times in a while (GCRA, by the `governor`
//! crate). What is counted is refusals, never requests: an honest caller spends nothing. When
//! the budget is spent, the sender's requests pass only with a credential that is already
//! known to be good.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::StateStore};
use portcullis_core::Clock;

use super::address::AddressPrefix;

const SHARDS: usize = 64;

/// The budget of every address prefix.
pub(crate) struct RefusalBudget {
    limiter: RateLimiter<Entry, Debts, Elapsed, NoOpMiddleware<Duration>>,
}

impl RefusalBudget {
    /// So many refusals at once, and that many again over `period`; debts of so many
    /// prefixes are remembered.
    ///
    /// The error is a setting that cannot work, in words that follow its name.
    pub(crate) fn new(
        refusals: u32,
        period: Duration,
        max_prefixes: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, &'static str> {
        let burst = NonZeroU32::new(refusals)
            .ok_or("allows no refusal, so nobody could mistype a key; give at least one")?;
        // governor counts nanoseconds in 64 bits.
        if period > Duration::from_secs(86_400 * 365) {
            return Err("spans more than a year; shorten the period");
        }
        let quota = Quota::with_period(period / refusals)
            .ok_or("has a period of zero; give one like a minute")?
            .allow_burst(burst);
        if max_prefixes == 0 {
            return Err("remembers no prefix; give at least one");
        }
        let elapsed = Elapsed {
            start: clock.instant(),
            clock,
        };
        let debts = Debts::new(max_prefixes, elapsed.clone());
        Ok(Self {
            limiter: RateLimiter::new(quota, debts, elapsed),
        })
    }

    /// How long a prefix has to wait, if it has spent its budget. Spends nothing.
    pub(crate) fn returns_in(&self, prefix: AddressPrefix) -> Option<Duration> {
        if portcullis_core::sabotaged!("budget.spent") {
            return None;
        }
        let entry = Entry {
            prefix,
            is_spent: false,
        };
        let not_until = self.limiter.check_key(&entry).err()?;
        Some(not_until.wait_time_from(governor::clock::Clock::now(self.limiter.clock())))
    }

    /// Spends one refusal. Beyond the budget, nothing more is owed.
    pub(crate) fn spend(&self, prefix: AddressPrefix) {
        let _ = self.limiter.check_key(&Entry {
            prefix,
            is_spent: true,
        });
    }
}

impl fmt::Debug for RefusalBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusalBudget").finish_non_exhaustive()
    }
}

/// Whose budget, and whether the answer is to be kept: a look leaves everything as it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Entry {
    prefix: AddressPrefix,
    is_spent: bool,
}

/// Our clock, as governor reads it.
#[derive(Clone)]
struct Elapsed {
    start: Instant,
    clock: Arc<dyn Clock>,
}

impl governor::clock::Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.start)
    }
}

/// What is owed, in bounded memory.
///
/// A full shard first forgets those who owe nothing any more. If all of them owe, further
/// prefixes share one debt: a debtor is never forgotten for a stranger's sake.
struct Debts {
    /// Whether anybody has ever owed anything. Until then nobody takes a lock.
    is_used: AtomicBool,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    max_per_shard: usize,
    elapsed: Elapsed,
}

#[derive(Default)]
struct Shard {
    /// When each debt is paid off.
    paid_at: HashMap<AddressPrefix, u64>,
    /// The debt of those who found the shard full.
    shared: Option<u64>,
    /// When the first debt of a full shard is paid off: before that there is nothing to
    /// forget.
    first_paid_at: u64,
}

impl Debts {
    fn new(max_prefixes: usize, elapsed: Elapsed) -> Self {
        Self {
            is_used: AtomicBool::new(false),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            max_per_shard: max_prefixes.div_ceil(SHARDS),
            elapsed,
        }
    }
}

impl StateStore for Debts {
    type Key = Entry;

    fn measure_and_replace<T, F, E>(&self, key: &Entry, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if !key.is_spent && !self.is_used.load(Ordering::Acquire) {
            return f(None).map(|(outcome, _)| outcome);
        }
        let index = self.hasher.hash_one(key.prefix) % SHARDS as u64;
        let index = usize::try_from(index).unwrap_or(0);
        let Some(shard) = self.shards.get(index) else {
            return f(None).map(|(outcome, _)| outcome);
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let has_place = shard.has_place(key.prefix, self.max_per_shard, || {
            governor::clock::Clock::now(&self.elapsed)
        });
        let owed = match has_place {
            true => shard.paid_at.get(&key.prefix).copied(),
            false => shard.shared,
        };
        let (outcome, owes) = f(owed.map(Nanos::new))?;
        if key.is_spent {
            self.is_used.store(true, Ordering::Release);
            if has_place {
                shard.paid_at.insert(key.prefix, owes.as_u64());
            } else {
                shard.shared = Some(owes.as_u64());
            }
        }
        Ok(outcome)
    }
}

impl Shard {
    /// Whether a prefix has, or can have, an entry of its own.
    fn has_place(&mut self, prefix: AddressPrefix, max: usize, now: impl Fn() -> Duration) -> bool {
        if self.paid_at.contains_key(&prefix) || self.paid_at.len() < max {
            return true;
        }
        let now = u64::try_from(now().as_nanos()).unwrap_or(u64::MAX);
        if now < self.first_paid_at {
            return false;
        }
        self.paid_at.retain(|_, &mut paid_at| paid_at > now);
        self.first_paid_at = self.paid_at.values().copied().min().unwrap_or(now);
        self.paid_at.len() < max
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::atomic::AtomicU64};

    use portcullis_core::{Sleep, SystemClock, Timestamp};

    use super::*;

    #[derive(Debug)]
    struct StepClock {
        start: Instant,
        millis: AtomicU64,
    }

    impl StepClock {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                start: SystemClock::new().instant(),
                millis: AtomicU64::new(0),
            })
        }

        fn step(&self, seconds: u64) {
            self.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
        }
    }

    impl Clock for StepClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn instant(&self) -> Instant {
            self.start + Duration::from_millis(self.millis.load(Ordering::Relaxed))
        }

        fn sleep_until(&self, _: Instant) -> Sleep {
            Sleep::new(std::future::pending())
        }
    }

    fn prefix(n: u32) -> AddressPrefix {
        std::net::IpAddr::V4(Ipv4Addr::from_bits(n)).into()
    }

    fn budget(refusals: u32, max: usize, clock: &Arc<StepClock>) -> RefusalBudget {
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        RefusalBudget::new(refusals, Duration::from_secs(60), max, clock).unwrap()
    }

    #[test]
    fn a_look_spends_nothing_and_agrees_with_spending() {
        let clock = StepClock::new();
        let budget = budget(3, 100, &clock);
        for _ in 0..100 {
            assert_eq!(budget.returns_in(prefix(1)), None);
        }
        for _ in 0..3 {
            assert_eq!(budget.returns_in(prefix(1)), None);
            budget.spend(prefix(1));
        }
        assert_eq!(budget.returns_in(prefix(1)), Some(Duration::from_secs(20)));
        assert_eq!(budget.returns_in(prefix(2)), None);
        // Beyond the budget nothing more is owed: one place comes back after 20 s all the same.
        (0..1000).for_each(|_| budget.spend(prefix(1)));
        clock.step(19);
        assert_eq!(budget.returns_in(prefix(1)), Some(Duration::from_secs(1)));
        clock.step(1);
        assert_eq!(budget.returns_in(prefix(1)), None);
        budget.spend(prefix(1));
        assert!(budget.returns_in(prefix(1)).is_some());
        clock.step(60);
        (0..3).for_each(|_| budget.spend(prefix(1)));
        assert!(budget.returns_in(prefix(1)).is_some());
    }

    #[test]
    fn memory_is_bounded_and_no_debtor_is_forgotten() {
        let clock = StepClock::new();
        let budget = budget(1, 640, &clock);
        budget.spend(prefix(0));
        (1..1_000_000).for_each(|n| budget.spend(prefix(n)));
        assert!(budget.returns_in(prefix(0)).is_some());
        // Whoever finds no place shares a debt, and that one is owed.
        assert!(budget.returns_in(prefix(2_000_000)).is_some());
        clock.step(61);
        assert_eq!(budget.returns_in(prefix(0)), None);
        assert_eq!(budget.returns_in(prefix(2_000_000)), None);
        let debts = budget.limiter.into_state_store();
        let kept: usize = debts
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().paid_at.len())
            .sum();
        assert!(kept <= 640, "{kept}");
    }

    #[test]
    fn names_what_cannot_work() {
        let clock = || StepClock::new() as Arc<dyn Clock>;
        let minute = Duration::from_secs(60);
        assert!(RefusalBudget::new(0, minute, 1, clock()).is_err());
        assert!(RefusalBudget::new(1, Duration::ZERO, 1, clock()).is_err());
        assert!(RefusalBudget::new(1, Duration::MAX, 1, clock()).is_err());
        assert!(RefusalBudget::new(1, minute, 0, clock()).is_err());
        assert!(RefusalBudget::new(u32::MAX, Duration::from_nanos(1), 1, clock()).is_err());
    }
}
