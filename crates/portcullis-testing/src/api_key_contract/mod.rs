//! What every store of API keys owes, as tests:
//! [`api_key_store_contract!`](crate::api_key_store_contract).

mod promises;
mod races;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    Check, Commit, Revision, Scopes, Timestamp,
    api_keys::{ApiKeyStore, Grant, KeyHash, StoredKey, Superseded},
};

pub use self::promises::ApiKeyPromise;
use crate::{clock::VirtualClock, contract::within_a_minute};

/// Makes a module of tests that prove a store of API keys to keep the promises of the trait
/// [`ApiKeyStore`](portcullis_core::api_keys::ApiKeyStore).
///
/// The first argument is the name of the module; the second is an expression for a future that
/// makes an empty store with room for a thousand keys. Every test makes its own, inside a tokio
/// runtime, so a server that the store asks can be started there.
///
/// The tests are those of [`ApiKeyPromise`](crate::api_key_contract::ApiKeyPromise).
///
/// # Example
///
/// ```
/// use portcullis::api_keys::MemoryApiKeys;
///
/// portcullis_testing::api_key_store_contract!(in_memory, async { MemoryApiKeys::default() });
/// # fn main() {
/// #     for promise in portcullis_testing::api_key_contract::ApiKeyPromise::ALL {
/// #         promise.prove(async { MemoryApiKeys::default() });
/// #     }
/// # }
/// ```
#[macro_export]
macro_rules! api_key_store_contract {
    ($name:ident, $make:expr $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "the expression may name what is around it")]
            use super::*;

            $crate::api_key_store_contract!(@test $make,
                changes_only_what_is_expected: ChangesOnlyWhatIsExpected,
                finds_what_it_keeps: FindsWhatItKeeps,
                forgets_for_good: ForgetsForGood,
                holds_many: HoldsMany,
                keeps_ids_apart: KeepsIdsApart,
                keeps_owners_apart: KeepsOwnersApart,
                keeps_the_latest_use: KeepsTheLatestUse,
                lists_in_order: ListsInOrder,
                loses_no_change: LosesNoChange,
                takes_nothing_back_by_a_use: TakesNothingBackByAUse,
            );
        }
    };
    (@test $make:expr, $($test:ident: $promise:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::api_key_contract::ApiKeyPromise::$promise.prove($make);
            }
        )+
    };
}

/// When the contract begins.
const START: Timestamp = VirtualClock::START;

/// An id as keys have it.
fn id(number: usize) -> String {
    format!("key{number:0>12}")
}

/// A key of which only the owner is said.
fn plain(id: &str, owner: &str) -> StoredKey {
    let mut hash = [0; 32];
    for (byte, char) in hash.iter_mut().zip(id.bytes()) {
        *byte = char;
    }
    StoredKey::new(id, KeyHash::from_bytes(hash), Grant::for_user(owner))
}

/// A key with everything that a key can have, but no last use.
fn full(id: &str, owner: &str) -> StoredKey {
    let grant = Grant::for_user(owner)
        .with_application("it's a \"reporting\" \u{fc}ber-app; --")
        .with_scopes(Scopes::parse("notes.read notes.write").unwrap_or_default())
        .with_not_before(Timestamp::from_unix_millis(1))
        .with_expires_at(Timestamp::from_unix_millis(i64::MAX - 1))
        .with_limit(u32::MAX, Duration::new(1, 1));
    let old = Superseded::new(KeyHash::from_bytes([0xfe; 32]), START).with_issued_at(START);
    plain(id, owner)
        .with_grant(grant)
        .with_issued_at(Timestamp::from_unix_millis(1_767_225_600_123))
        .with_superseded(old)
        .with_revoked_at(START)
}

/// All that is kept of a key, to be compared.
fn bytes(key: &StoredKey) -> Vec<u8> {
    key.to_bytes()
}

#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn load(store: &impl ApiKeyStore, id: &str) -> Option<Arc<StoredKey>> {
    let loaded = within_a_minute("load", store.load(id))
        .await
        .unwrap_or_else(|error| panic!("`load` failed: {error}"));
    // Who answers at once says the same; of the last use it need not know.
    if let Check::Done(checked) = store.check(id) {
        let terms = |key: &Option<Arc<StoredKey>>| {
            let key = key.as_ref().map(|key| StoredKey::clone(key));
            key.map(|key| bytes(&key.with_last_used_at(START)))
        };
        assert_eq!(
            terms(&checked),
            terms(&loaded),
            "`check` and `load` of {id}"
        );
    }
    loaded
}

#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn put(store: &impl ApiKeyStore, key: StoredKey) -> Commit {
    within_a_minute("put", store.put(key))
        .await
        .unwrap_or_else(|error| panic!("`put` failed: {error}"))
}

#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn remove(store: &impl ApiKeyStore, id: &str, expected: Revision) -> Commit {
    within_a_minute("remove", store.remove(id, expected))
        .await
        .unwrap_or_else(|error| panic!("`remove` failed: {error}"))
}

#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn list(
    store: &impl ApiKeyStore,
    owner: &str,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let listed = within_a_minute("list", store.list(owner, after, limit))
        .await
        .unwrap_or_else(|error| panic!("`list` failed: {error}"));
    listed.iter().map(|key| key.id().to_owned()).collect()
}

/// Notes a use, as an authenticator does it.
#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn touch(store: &impl ApiKeyStore, id: &str, at: Timestamp) {
    if let Check::NeedsIo = store.touch_now(id, at) {
        within_a_minute("touch", store.touch(id, at))
            .await
            .unwrap_or_else(|error| panic!("`touch` failed: {error}"));
    }
}
