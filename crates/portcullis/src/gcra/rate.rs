//! governor's arithmetic, on one debt.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

/// The longest that a debt may take to be paid off. governor counts nanoseconds in 64 bits.
const LONGEST: Duration = Duration::from_secs(86_400 * 365);

/// So many cells at once, and one more after each interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(Quota);

/// Why there is no such [`Rate`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unusable {
    /// More than one cell comes back within a nanosecond.
    TooFast,
    /// All cells together take longer than a year to come back.
    TooSlow,
}

impl Rate {
    pub(crate) fn new(burst: NonZeroU32, interval: Duration) -> Result<Self, Unusable> {
        let quota = Quota::with_period(interval).ok_or(Unusable::TooFast)?;
        match interval.checked_mul(burst.get()) {
            Some(all) if all <= LONGEST => Ok(Self(quota.allow_burst(burst))),
            _ => Err(Unusable::TooSlow),
        }
    }

    /// What is owed after one more cell, by somebody who owes so many nanoseconds now.
    ///
    /// The error is how long until there is a cell.
    pub(super) fn charge(self, owed: u64) -> Result<u64, Duration> {
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Duration>> =
            RateLimiter::new(self.0, Debt(Cell::new(Nanos::new(owed))), Now);
        match limiter.check() {
            Ok(()) => Ok(limiter.into_state_store().0.get().as_u64()),
            Err(not_until) => Err(not_until.wait_time_from(Now.now())),
        }
    }
}

/// One debt for one question. It outlives none: the debts themselves are kept in a
/// [`Meter`](super::Meter), where two of them can be looked at before either grows.
struct Debt(Cell<Nanos>);

impl StateStore for Debt {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, owes) = f(Some(self.0.get()))?;
        self.0.set(owes);
        Ok(outcome)
    }
}

/// Debts are told from now, so that it is always the same time in here.
#[derive(Clone, Copy)]
struct Now;

impl Clock for Now {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(burst: u32, interval: Duration) -> Result<Rate, Unusable> {
        Rate::new(NonZeroU32::new(burst).unwrap(), interval)
    }

    #[test]
    fn charges_until_the_burst_is_spent() {
        let second = 1_000_000_000;
        let rate = rate(3, Duration::from_secs(1)).unwrap();
        assert_eq!(rate.charge(0), Ok(second));
        assert_eq!(rate.charge(second), Ok(2 * second));
        assert_eq!(rate.charge(2 * second), Ok(3 * second));
        assert_eq!(rate.charge(3 * second), Err(Duration::from_secs(1)));
        // A part of a cell is none.
        assert_eq!(rate.charge(2 * second + 1), Err(Duration::from_nanos(1)));
    }

    #[test]
    fn names_what_cannot_be_counted() {
        let year = Duration::from_secs(86_400 * 365);
        for (burst, interval, wanted) in [
            (1, Duration::ZERO, Some(Unusable::TooFast)),
            (1, Duration::from_nanos(1), None),
            (1, year, None),
            (2, year, Some(Unusable::TooSlow)),
            (1, Duration::MAX, Some(Unusable::TooSlow)),
            (u32::MAX, Duration::MAX, Some(Unusable::TooSlow)),
            (u32::MAX, Duration::from_nanos(1), None),
        ] {
            let unusable = rate(burst, interval).err();
            assert_eq!(unusable, wanted, "{burst} at once, one each {interval:?}");
        }
    }
}
