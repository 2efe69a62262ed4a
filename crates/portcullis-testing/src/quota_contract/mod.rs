//! What every store of quotas owes, as tests:
//! [`quota_store_contract!`](crate::quota_store_contract).

mod promises;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, time::Duration};

use portcullis_core::{Charged, Check, QuotaCharge, QuotaKey, QuotaRate, QuotaStore, Timestamp};

pub use self::promises::QuotaPromise;
use crate::{clock::VirtualClock, contract::within_a_minute};

/// Makes a module of tests that prove a store of quotas to keep the promises of the trait
/// [`QuotaStore`](portcullis_core::QuotaStore).
///
/// The first argument is the name of the module; the second is an expression for a future that
/// makes an empty store with room for two thousand budgets, which takes the time that it is told:
/// one that has a clock of its own is given the one of the test. Every test makes its own, inside a
/// tokio runtime, so a server that the store asks can be started there.
///
/// The tests are those of [`QuotaPromise`](crate::quota_contract::QuotaPromise).
///
/// # Example
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
///         let mut all = self.0.lock().unwrap();
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
///
/// portcullis_testing::quota_store_contract!(plain, async { Plain::default() });
/// # fn main() {
/// #     for promise in portcullis_testing::quota_contract::QuotaPromise::ALL {
/// #         promise.prove(async { Plain::default() });
/// #     }
/// # }
/// ```
///
/// One that keeps its budgets elsewhere is proved in all three ways in which it is used, with
/// [`Reopened`](crate::store_contract::Reopened) and [`ByTurns`](crate::store_contract::ByTurns).
#[macro_export]
macro_rules! quota_store_contract {
    ($name:ident, $make:expr $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "the expression may name what is around it")]
            use super::*;

            $crate::quota_store_contract!(@test $make,
                begins_full: BeginsFull,
                charges_all_or_none: ChargesAllOrNone,
                charges_by_both_methods: ChargesByBothMethods,
                charges_several_cells: ChargesSeveralCells,
                comes_back_one_by_one: ComesBackOneByOne,
                forgets_nobody_who_owes: ForgetsNobodyWhoOwes,
                gives_no_more_to_a_clock_that_is_behind: GivesNoMoreToAClockThatIsBehind,
                keeps_keys_apart: KeepsKeysApart,
                keeps_what_is_owed_when_the_quota_changes: KeepsWhatIsOwedWhenTheQuotaChanges,
                pays_no_more_than_there_is: PaysNoMoreThanThereIs,
                waits_in_no_circle: WaitsInNoCircle,
            );
        }
    };
    (@test $make:expr, $($test:ident: $promise:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::quota_contract::QuotaPromise::$promise.prove($make);
            }
        )+
    };
}

/// When the contract begins.
const START: Timestamp = VirtualClock::START;

/// A key as a hash makes it: spread over all bits.
const fn key(number: u128) -> QuotaKey {
    QuotaKey::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// One cell of a budget of so many at once, of which one comes back after each minute.
fn one(key: QuotaKey, burst: u32) -> QuotaCharge {
    each(key, burst, Duration::from_secs(60))
}

/// The same, after each interval.
#[expect(clippy::panic, reason = "the rates of the contract are fixed")]
fn each(key: QuotaKey, burst: u32, interval: Duration) -> QuotaCharge {
    let rate = NonZeroU32::new(burst).and_then(|burst| QuotaRate::new(interval, burst));
    QuotaCharge::new(key, rate.unwrap_or_else(|| panic!("no such rate")))
}

/// Charges, as the layer does it.
#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn charge(store: &impl QuotaStore, charges: &[QuotaCharge], now: Timestamp) -> Charged {
    match store.charge_now(charges, now) {
        Check::Done(charged) => charged,
        Check::NeedsIo => within_a_minute("charge", store.charge(charges, now))
            .await
            .unwrap_or_else(|error| panic!("`charge` failed: {error}")),
    }
}
