//! What every store of one-time credentials owes, as tests:
//! [`replay_store_contract!`](crate::replay_store_contract).

mod promises;
#[cfg(test)]
mod tests;

use portcullis_core::{Check, ReplayKey, ReplayOwner, ReplayStore, Taken, Timestamp};

pub use self::promises::ReplayPromise;
use crate::{clock::VirtualClock, contract::within_a_minute};

/// Makes a module of tests that prove a store of one-time credentials to keep the promises of
/// the trait [`ReplayStore`](portcullis_core::ReplayStore).
///
/// The first argument is the name of the module; the second is an expression for a future that
/// makes an empty store with room for a thousand credentials, of which one owner may have three hundred. Every
/// test makes its own, inside a tokio runtime, so a server that the store asks can be started
/// there.
///
/// The tests are those of [`ReplayPromise`](crate::replay_contract::ReplayPromise).
///
/// # Example
///
/// ```
/// use std::{collections::HashSet, sync::Mutex};
/// use portcullis_core::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken, Timestamp};
///
/// #[derive(Default)]
/// struct Plain(Mutex<HashSet<(ReplayOwner, ReplayKey)>>);
///
/// impl ReplayStore for Plain {
///     async fn take(
///         &self, owner: ReplayOwner, key: ReplayKey, _until: Timestamp, _now: Timestamp,
///     ) -> Result<Taken, StoreError> {
///         let is_new = self.0.lock().unwrap().insert((owner, key));
///         Ok(if is_new { Taken::Fresh } else { Taken::Seen })
///     }
/// }
///
/// portcullis_testing::replay_store_contract!(plain, async { Plain::default() });
/// # fn main() {
/// #     for promise in portcullis_testing::replay_contract::ReplayPromise::ALL {
/// #         promise.prove(async { Plain::default() });
/// #     }
/// # }
/// ```
#[macro_export]
macro_rules! replay_store_contract {
    ($name:ident, $make:expr $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "the expression may name what is around it")]
            use super::*;

            $crate::replay_store_contract!(@test $make,
                holds_many: HoldsMany,
                keeps_keys_apart: KeepsKeysApart,
                keeps_owners_apart: KeepsOwnersApart,
                refuses_rather_than_forgets: RefusesRatherThanForgets,
                remembers_for_as_long_as_it_should: RemembersForAsLongAsItShould,
                takes_each_once: TakesEachOnce,
                takes_one_of_many_at_once: TakesOneOfManyAtOnce,
            );
        }
    };
    (@test $make:expr, $($test:ident: $promise:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::replay_contract::ReplayPromise::$promise.prove($make);
            }
        )+
    };
}

/// When the contract begins.
const START: Timestamp = VirtualClock::START;

/// Keys as hashes make them: spread over all bits.
const fn spread(number: u128) -> u128 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

const fn owner(number: u128) -> ReplayOwner {
    ReplayOwner::from_u128(spread(number))
}

const fn key(number: u128) -> ReplayKey {
    ReplayKey::from_u128(spread(number))
}

/// Takes a credential, as an authenticator does it.
#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn take(
    store: &impl ReplayStore,
    owner: ReplayOwner,
    key: ReplayKey,
    until: Timestamp,
    now: Timestamp,
) -> Taken {
    match store.take_now(owner, key, until, now) {
        Check::Done(taken) => taken,
        Check::NeedsIo => within_a_minute("take", store.take(owner, key, until, now))
            .await
            .unwrap_or_else(|error| panic!("`take` failed: {error}")),
    }
}
