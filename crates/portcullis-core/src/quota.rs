//! What a store of quotas that several servers share owes.

use std::{future::Future, num::NonZeroU32, sync::Arc, time::Duration};

use crate::{Check, StoreError, Timestamp, hash::hashes};

hashes! {
    /// What a budget is kept under: a keyed hash of whose it is, such as issuer and subject. No
    /// name can be read out of it.
    QuotaKey;
}

/// How fast a budget comes back: one cell after each interval, and at most so many at once.
///
/// Counted in whole microseconds, which a number of any store holds: an interval is rounded up,
/// so that a budget is never larger than what was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QuotaRate {
    interval: i64,
    burst: NonZeroU32,
}

impl QuotaRate {
    /// The longest time in which all cells may come back: 400 days.
    const LONGEST: i64 = 400 * 86_400 * 1_000_000;

    /// One cell after each interval, and so many at once. `None` if the interval is zero, or if
    /// all of them together take more than 400 days to come back.
    ///
    /// ```
    /// use std::{num::NonZeroU32, time::Duration};
    /// use portcullis_core::QuotaRate;
    ///
    /// let ten = NonZeroU32::MIN.saturating_add(9);
    /// let rate = QuotaRate::new(Duration::from_millis(100), ten).unwrap();
    /// assert_eq!((rate.interval_micros(), rate.window_micros()), (100_000, 1_000_000));
    /// assert!(QuotaRate::new(Duration::ZERO, ten).is_none());
    /// ```
    #[must_use]
    pub fn new(interval: Duration, burst: NonZeroU32) -> Option<Self> {
        let micros = i64::try_from(interval.as_nanos().div_ceil(1000)).ok()?;
        let all = micros.checked_mul(burst.get().into())?;
        (micros > 0 && all <= Self::LONGEST).then_some(Self {
            interval: micros,
            burst,
        })
    }

    /// After how many microseconds one cell comes back.
    #[must_use]
    pub const fn interval_micros(self) -> i64 {
        self.interval
    }

    /// After how many microseconds all of them are back: what may be owed at most.
    #[must_use]
    pub const fn window_micros(self) -> i64 {
        self.interval * self.burst.get() as i64
    }

    /// How many cells there are at once.
    #[must_use]
    pub const fn burst(self) -> NonZeroU32 {
        self.burst
    }
}

/// Cells that are to be taken from one budget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "nothing is charged until a store is asked"]
pub struct QuotaCharge {
    key: QuotaKey,
    rate: QuotaRate,
    cells: NonZeroU32,
}

impl QuotaCharge {
    /// One cell.
    pub const fn new(key: QuotaKey, rate: QuotaRate) -> Self {
        Self {
            key,
            rate,
            cells: NonZeroU32::MIN,
        }
    }

    /// So many cells. `None` if they are more than there ever are at once.
    #[must_use]
    pub fn with_cells(self, cells: NonZeroU32) -> Option<Self> {
        (cells <= self.rate.burst).then_some(Self { cells, ..self })
    }

    /// Whose budget.
    #[must_use]
    pub const fn key(&self) -> QuotaKey {
        self.key
    }

    /// How fast it comes back.
    #[must_use]
    pub const fn rate(&self) -> QuotaRate {
        self.rate
    }

    /// After how many microseconds the cells are back.
    #[must_use]
    pub const fn cost_micros(&self) -> i64 {
        self.rate.interval * self.cells.get() as i64
    }

    /// The whole arithmetic, for stores that do not leave it to their server: the generic cell
    /// rate algorithm. Of a budget one number is kept: when all that was spent of it is paid off
    /// (the theoretical arrival time), in microseconds. A budget that is not kept is paid off.
    ///
    /// ```
    /// use std::{num::NonZeroU32, time::Duration};
    /// use portcullis_core::{Budget, QuotaCharge, QuotaKey, QuotaRate};
    ///
    /// let rate = QuotaRate::new(Duration::from_secs(1), NonZeroU32::MIN).unwrap();
    /// let charge = QuotaCharge::new(QuotaKey::from_u128(1), rate);
    /// let now = 5_000_000;
    /// assert_eq!(charge.against(0, now), Ok(Budget { paid_at: 6_000_000, left: 0 }));
    /// assert_eq!(charge.against(6_000_000, now), Err(Duration::from_secs(1)));
    /// ```
    ///
    /// # Errors
    ///
    /// The budget does not have so many cells now: how long until it has.
    pub fn against(&self, paid_at: i64, now: i64) -> Result<Budget, Duration> {
        let paid_at = paid_at.max(now).saturating_add(self.cost_micros());
        let rest = self.rate.window_micros() - paid_at.saturating_sub(now);
        match u64::try_from(rest) {
            Ok(rest) => Ok(Budget {
                paid_at,
                left: u32::try_from(rest / self.rate.interval.unsigned_abs()).unwrap_or(u32::MAX),
            }),
            Err(_) => Err(Duration::from_micros(rest.unsigned_abs())),
        }
    }
}

/// A budget once it has been charged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// When all that was spent is paid off, in microseconds.
    pub paid_at: i64,
    /// How many cells are left.
    pub left: u32,
}

/// What became of charges.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
#[expect(
    clippy::exhaustive_enums,
    reason = "all of them are charged, or none is"
)]
pub enum Charged {
    /// All were charged. For each, in their order, how many cells are left.
    Paid(Vec<u32>),
    /// None was. For each, in their order, how long until its budget has so many cells; zero for
    /// one that has them.
    Spent(Vec<Duration>),
}

impl Charged {
    /// From what became of each by itself: all have to be paid, or none is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis_core::{Budget, Charged};
    ///
    /// let budget = Budget { paid_at: 1, left: 7 };
    /// assert_eq!(Charged::of(&[Ok(budget)]), Charged::Paid(vec![7]));
    /// let wait = Duration::from_secs(3);
    /// let spent = Charged::of(&[Ok(budget), Err(wait)]);
    /// assert_eq!(spent, Charged::Spent(vec![Duration::ZERO, wait]));
    /// ```
    pub fn of(each: &[Result<Budget, Duration>]) -> Self {
        match each.iter().any(Result::is_err) {
            false => Self::Paid(each.iter().flatten().map(|budget| budget.left).collect()),
            true => Self::Spent(
                each.iter()
                    .map(|each| each.err().unwrap_or_default())
                    .collect(),
            ),
        }
    }
}

/// Keeps what was spent of budgets that several servers have together.
///
/// A store keeps one number for each budget and adds to it; whose budgets a request is charged to,
/// how large they are and what is answered is decided by `portcullis`. It is asked once for each
/// request: [`charge_now`](Self::charge_now) first, and [`charge`](Self::charge) only where that
/// cannot say. The arithmetic is that of [`QuotaCharge::against`].
///
/// An error is answered with 503, unless whoever built the layer has it count by itself then.
///
/// # Time
///
/// `now` is the time by the clock of whoever asks, and those of several servers differ. One that
/// is ahead would have budgets paid off that are not, so a store that several servers ask tells
/// time by one clock for all of them: its own. One that has none takes `now`, and never puts
/// back what is kept: by a clock that is behind, a budget that was charged by one that is ahead is
/// spent for longer, and not the other way round.
///
/// # What may be lost
///
/// A budget is of no use once it is paid off, and a store forgets it then, so that no more are kept
/// than have been charged lately. A store that loses what it has kept lets everybody begin anew:
/// what that gives away is one burst for each.
///
/// The keys are hashes with the key of the layer that asks, which has to be the same on all servers:
/// `with_key`.
///
/// The macro `quota_store_contract!` of `portcullis-testing` proves a store.
///
/// # Example
///
/// One that is correct, and keeps everything for ever:
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
/// use portcullis_core::{Charged, QuotaCharge, QuotaKey, QuotaStore, StoreError, Timestamp};
///
/// #[derive(Default)]
/// struct Plain(Mutex<HashMap<QuotaKey, i64>>);
///
/// impl QuotaStore for Plain {
///     async fn charge(
///         &self, charges: &[QuotaCharge], now: Timestamp,
///     ) -> Result<Charged, StoreError> {
///         let mut all = self.0.lock().map_err(|_| StoreError::new("poisoned"))?;
///         let now = now.unix_millis() * 1000;
///         let paid_at = |charge: &QuotaCharge| all.get(&charge.key()).copied().unwrap_or(0);
///         let each: Vec<_> =
///             charges.iter().map(|charge| charge.against(paid_at(charge), now)).collect();
///         let charged = Charged::of(&each);
///         if let Charged::Paid(_) = charged {
///             let paid = charges.iter().zip(each.iter().flatten());
///             all.extend(paid.map(|(charge, budget)| (charge.key(), budget.paid_at)));
///         }
///         Ok(charged)
///     }
/// }
/// ```
pub trait QuotaStore: Send + Sync + 'static {
    /// Charges at once, if that can be done: what [`charge`](Self::charge) does.
    fn charge_now(&self, charges: &[QuotaCharge], now: Timestamp) -> Check<Charged> {
        let _ = (charges, now);
        Check::NeedsIo
    }

    /// Takes cells from several budgets, no two of which have the same key: from all of them, or
    /// from none. Of all that do so at the same time, no more are paid than a budget has cells.
    /// Called only after [`charge_now`](Self::charge_now) answered [`Check::NeedsIo`].
    ///
    /// # Errors
    ///
    /// The store cannot say. The cells may have been taken.
    fn charge(
        &self,
        charges: &[QuotaCharge],
        now: Timestamp,
    ) -> impl Future<Output = Result<Charged, StoreError>> + Send;

    /// Whether what it keeps ends with this process, and is seen by no other. Any other store
    /// needs keys that others make as well, so a layer that has been given none is not built.
    fn is_volatile(&self) -> bool {
        false
    }
}

/// A store that several layers share. They need one key.
impl<S: QuotaStore> QuotaStore for Arc<S> {
    fn charge_now(&self, charges: &[QuotaCharge], now: Timestamp) -> Check<Charged> {
        S::charge_now(self, charges, now)
    }

    fn charge(
        &self,
        charges: &[QuotaCharge],
        now: Timestamp,
    ) -> impl Future<Output = Result<Charged, StoreError>> + Send {
        S::charge(self, charges, now)
    }

    /// `false`: whoever shares a store has others see what is in it.
    fn is_volatile(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn rate(interval: Duration, burst: u32) -> Option<QuotaRate> {
        QuotaRate::new(interval, NonZeroU32::new(burst)?)
    }

    fn charge(burst: u32) -> QuotaCharge {
        let rate = rate(Duration::from_secs(1), burst).unwrap();
        QuotaCharge::new(QuotaKey::from_u128(1), rate)
    }

    #[test]
    fn a_rate_is_never_faster_than_what_was_asked_for() {
        let micros = |interval| rate(interval, 1).map(QuotaRate::interval_micros);
        assert_eq!(micros(Duration::from_nanos(1)), Some(1));
        assert_eq!(micros(Duration::from_nanos(1000)), Some(1));
        assert_eq!(micros(Duration::from_nanos(1001)), Some(2));
        let year = Duration::from_secs(365 * 86_400);
        for (interval, burst) in [
            (Duration::ZERO, 1),
            (year, 2),
            (Duration::MAX, 1),
            (Duration::MAX, u32::MAX),
        ] {
            assert_eq!(rate(interval, burst), None, "{interval:?} {burst}");
        }
        assert!(rate(year, 1).is_some());
        assert!(rate(Duration::from_nanos(1), u32::MAX).is_some());
    }

    #[test]
    fn a_budget_is_charged_until_it_is_spent_and_comes_back_one_by_one() {
        let charge = charge(3);
        let mut paid_at = 0;
        for left in [2, 1, 0] {
            let budget = charge.against(paid_at, SECOND).unwrap();
            assert_eq!(budget.left, left);
            paid_at = budget.paid_at;
        }
        assert_eq!(paid_at, 4 * SECOND);
        for (now, wait) in [
            (SECOND, Duration::from_secs(1)),
            (2 * SECOND - 1, Duration::from_micros(1)),
            // A clock that is behind gives nothing more.
            (0, Duration::from_secs(2)),
        ] {
            assert_eq!(charge.against(paid_at, now), Err(wait), "{now}");
        }
        let budget = charge.against(paid_at, 2 * SECOND).unwrap();
        assert_eq!((budget.paid_at, budget.left), (5 * SECOND, 0));
        // What is not used is not saved up beyond the burst.
        let budget = charge.against(paid_at, 100 * SECOND).unwrap();
        assert_eq!(budget.left, 2);
    }

    #[test]
    fn several_cells_are_taken_together() {
        let cells = |cells| NonZeroU32::new(cells).unwrap();
        let two = charge(3).with_cells(cells(2)).unwrap();
        let budget = two.against(0, SECOND).unwrap();
        assert_eq!((budget.paid_at, budget.left), (3 * SECOND, 1));
        assert_eq!(
            two.against(budget.paid_at, SECOND),
            Err(Duration::from_secs(1))
        );
        let all = charge(3).with_cells(cells(3)).unwrap();
        assert_eq!(all.against(0, SECOND).unwrap().left, 0);
        assert!(charge(3).with_cells(cells(4)).is_none());
    }

    #[test]
    fn a_clock_at_the_end_of_time_is_no_reason_to_panic() {
        let charge = charge(1);
        for (paid_at, now) in [
            (i64::MAX, i64::MIN),
            (i64::MIN, i64::MAX),
            (i64::MAX, i64::MAX),
            (i64::MIN, i64::MIN),
        ] {
            let _ = charge.against(paid_at, now);
        }
    }
}
