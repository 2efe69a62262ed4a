//! How much is allowed in a while.

use std::{num::NonZeroU32, time::Duration};

use portcullis_core::QuotaRate;

use crate::gcra::{Rate, Unusable};

/// The shortest interval that is counted in whole microseconds with an error of at most a
/// hundredth.
const SHORTEST: Duration = Duration::from_micros(100);

/// So many requests in a second, a minute or an hour.
///
/// Requests come back one by one, at a steady rate: `per_minute(600)` is one every 100 ms.
/// How many may be sent at once, after a while of silence, is the burst: as many as the whole
/// period allows, unless [`with_burst`](Self::with_burst) says otherwise.
///
/// ```
/// use portcullis::quota::Quota;
///
/// // 600 requests at once, then one every 100 ms.
/// let generous = Quota::per_minute(600);
/// // 60 at once, then one every 100 ms: over a long time just as many.
/// let steady = Quota::per_minute(600).with_burst(60);
/// # let _ = (generous, steady);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a quota limits nothing until it is given to a layer"]
pub struct Quota {
    requests: u32,
    period: Duration,
    burst: u32,
}

impl Quota {
    /// So many requests a second.
    pub const fn per_second(requests: u32) -> Self {
        Self::over(requests, Duration::from_secs(1))
    }

    /// So many requests a minute.
    pub const fn per_minute(requests: u32) -> Self {
        Self::over(requests, Duration::from_secs(60))
    }

    /// So many requests an hour.
    pub const fn per_hour(requests: u32) -> Self {
        Self::over(requests, Duration::from_secs(3600))
    }

    const fn over(requests: u32, period: Duration) -> Self {
        Self {
            requests,
            period,
            burst: requests,
        }
    }

    /// How many requests may be sent at once.
    pub const fn with_burst(self, requests: u32) -> Self {
        Self {
            burst: requests,
            ..self
        }
    }

    /// The error is why it cannot work, in words that follow the name of the setting.
    pub(super) fn rate(self) -> Result<Rate, &'static str> {
        if self.requests == 0 {
            return Err("allows no request, so everybody would be refused; give at least one");
        }
        let burst = NonZeroU32::new(self.burst).ok_or(
            "has a burst of zero, so everybody would be refused; give `with_burst` at least one",
        )?;
        Rate::new(burst, self.period / self.requests).map_err(|unusable| match unusable {
            Unusable::TooFast => {
                "allows more than a thousand million requests a second, which is no limit; \
                 lower it, or leave it out"
            }
            Unusable::TooSlow => {
                "has a burst that takes more than a year to come back; lower the burst"
            }
        })
    }

    /// The same, as a store counts it, of one that works.
    pub(super) fn shared_rate(self) -> Result<QuotaRate, &'static str> {
        let interval = self.period.checked_div(self.requests);
        interval
            .filter(|interval| *interval >= SHORTEST)
            .zip(NonZeroU32::new(self.burst))
            .and_then(|(interval, burst)| QuotaRate::new(interval, burst))
            .ok_or(
                "allows more than 10 000 requests a second, which a store does not count; lower \
                 it, or leave out `with_store`",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_cannot_work() {
        for (quota, named) in [
            (Quota::per_second(0), "no request"),
            (Quota::per_minute(0).with_burst(5), "no request"),
            (Quota::per_hour(5).with_burst(0), "burst of zero"),
            (Quota::per_second(u32::MAX), "no limit"),
            (Quota::per_hour(1).with_burst(u32::MAX), "more than a year"),
        ] {
            let problem = quota.rate().unwrap_err();
            assert!(problem.contains(named), "{quota:?}: {problem}");
        }
        for quota in [
            Quota::per_second(1),
            Quota::per_second(1_000_000_000),
            Quota::per_minute(u32::MAX),
            Quota::per_hour(1).with_burst(8760),
        ] {
            assert!(quota.rate().is_ok(), "{quota:?}");
        }
    }
    #[test]
    fn a_store_counts_no_faster_than_it_can() {
        for quota in [
            Quota::per_second(10_000),
            Quota::per_hour(1).with_burst(8760),
            Quota::per_minute(7),
        ] {
            let (rate, own) = (quota.shared_rate().unwrap(), quota.period / quota.requests);
            let interval = Duration::from_micros(rate.interval_micros().unsigned_abs());
            assert!(interval >= own && interval <= own + Duration::from_micros(1));
        }
        let problem = Quota::per_second(10_001).shared_rate().unwrap_err();
        assert!(problem.contains("`with_store`"), "{problem}");
    }
}
