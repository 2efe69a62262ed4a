//! The budget that refusals spend.
//!
//! Each address prefix may be refused so many times in a while. What is counted is refusals,
//! never requests: an honest caller spends nothing. When the budget is spent, the sender's
//! requests pass only with a credential that is already known to be good.

use std::{fmt, hash::RandomState, num::NonZeroU32, sync::Arc, time::Duration};

use portcullis_core::Clock;

use super::address::AddressPrefix;
use crate::gcra::{Elapsed, Meter, Rate, Unusable};

const FULL: &str = "more senders have been refused lately than their budgets tell apart, so \
     newcomers share one";

/// The budget of every address prefix.
pub(crate) struct RefusalBudget {
    refusals: Meter<AddressPrefix>,
    elapsed: Elapsed,
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
        let rate = Rate::new(burst, period / refusals).map_err(|unusable| match unusable {
            Unusable::TooFast => "has a period of zero; give one like a minute",
            Unusable::TooSlow => "spans more than a year; shorten the period",
        })?;
        if max_prefixes == 0 {
            return Err("remembers no prefix; give at least one");
        }
        Ok(Self {
            refusals: Meter::new(rate, max_prefixes, RandomState::new(), FULL),
            elapsed: Elapsed::new(clock),
        })
    }

    /// How long a prefix has to wait, if it has spent its budget. Spends nothing.
    pub(crate) fn returns_in(&self, prefix: AddressPrefix) -> Option<Duration> {
        if portcullis_core::sabotaged!("budget.spent") {
            return None;
        }
        self.refusals.returns_in(prefix, || self.elapsed.now())
    }

    /// Spends one refusal. Beyond the budget, nothing more is owed.
    pub(crate) fn spend(&self, prefix: AddressPrefix) {
        self.refusals.hold(prefix, self.elapsed.now(), |held| {
            if let Ok(held) = held {
                held.spend();
            }
        });
    }
}

impl fmt::Debug for RefusalBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusalBudget").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicU64, Ordering},
        time::Instant,
    };

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
