//! What every store of revocations owes, as tests:
//! [`revocation_store_contract!`](crate::revocation_store_contract).

mod promises;
#[cfg(test)]
mod tests;

use portcullis_core::{Check, RevocationStore, RevokedKey, Timestamp};

pub use self::promises::RevocationPromise;
use crate::{clock::VirtualClock, contract::within_a_minute};

/// Makes a module of tests that prove a store of revocations to keep the promises of the trait
/// [`RevocationStore`](portcullis_core::RevocationStore).
///
/// The first argument is the name of the module; the second is an expression for a future that
/// makes an empty store with room for two thousand cut-offs. Every test makes its own, inside a
/// tokio runtime, so a server that the store asks can be started there.
///
/// The tests are those of
/// [`RevocationPromise`](crate::revocation_contract::RevocationPromise).
///
/// # Example
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
/// use portcullis_core::{RevocationStore, RevokedKey, StoreError, Timestamp};
///
/// #[derive(Default)]
/// struct Plain(Mutex<HashMap<RevokedKey, Timestamp>>);
///
/// impl RevocationStore for Plain {
///     async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
///         let all = self.0.lock().unwrap();
///         Ok(keys.iter().filter_map(|key| all.get(key)).max().copied())
///     }
///
///     async fn revoke(
///         &self, key: RevokedKey, cut_off: Timestamp, _kept_until: Timestamp, _now: Timestamp,
///     ) -> Result<(), StoreError> {
///         let mut all = self.0.lock().unwrap();
///         let kept = all.entry(key).or_insert(cut_off);
///         *kept = cut_off.max(*kept);
///         Ok(())
///     }
/// }
///
/// portcullis_testing::revocation_store_contract!(plain, async { Plain::default() });
/// # fn main() {
/// #     for promise in portcullis_testing::revocation_contract::RevocationPromise::ALL {
/// #         promise.prove(async { Plain::default() });
/// #     }
/// # }
/// ```
#[macro_export]
macro_rules! revocation_store_contract {
    ($name:ident, $make:expr $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "the expression may name what is around it")]
            use super::*;

            $crate::revocation_store_contract!(@test $make,
                begins_empty: BeginsEmpty,
                checks_what_it_looks_up: ChecksWhatItLooksUp,
                finds_the_latest: FindsTheLatest,
                forgets_nothing_in_silence: ForgetsNothingInSilence,
                holds_many: HoldsMany,
                keeps_for_as_long_as_it_should: KeepsForAsLongAsItShould,
                keeps_keys_apart: KeepsKeysApart,
                keeps_the_later: KeepsTheLater,
                loses_none_of_many_at_once: LosesNoneOfManyAtOnce,
                tells_when_it_is_not_empty: TellsWhenItIsNotEmpty,
            );
        }
    };
    (@test $make:expr, $($test:ident: $promise:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::revocation_contract::RevocationPromise::$promise.prove($make);
            }
        )+
    };
}

/// When the cut-offs of the contract begin.
const START: Timestamp = VirtualClock::START;

/// A key as a hash makes it: spread over all bits.
const fn key(number: u128) -> RevokedKey {
    RevokedKey::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// The latest cut-off, as a layer finds it.
#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn look(store: &impl RevocationStore, keys: &[RevokedKey]) -> Option<Timestamp> {
    if store.is_empty() {
        return None;
    }
    match store.check(keys) {
        Check::Done(found) => found,
        Check::NeedsIo => within_a_minute("look", store.look(keys))
            .await
            .unwrap_or_else(|error| panic!("`look` failed: {error}")),
    }
}

#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn revoke(
    store: &impl RevocationStore,
    key: RevokedKey,
    cut_off: Timestamp,
    kept_until: Timestamp,
    now: Timestamp,
) {
    within_a_minute("revoke", store.revoke(key, cut_off, kept_until, now))
        .await
        .unwrap_or_else(|error| panic!("`revoke` failed: {error}"));
}
