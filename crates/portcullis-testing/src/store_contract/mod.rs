//! What every session store owes, as tests:
//! [`session_store_contract!`](crate::session_store_contract).

mod handles;
mod history;
mod promises;
mod races;
#[cfg(test)]
mod tests;

use std::future::Future;

use portcullis_core::{
    Change, Check, Commit, EndReason, EvidenceKind, FamilyKey, OwnerKey, Revision, SessionId,
    SessionKey, SessionRecord, SessionState, SessionStore, Sessions, Timestamp,
};

pub use self::{
    handles::{ByTurns, Reopened},
    promises::StorePromise,
};
use crate::{
    clock::VirtualClock,
    contract::{block_on_with_workers, within_a_minute},
};

/// Makes a module of tests that prove a session store to keep the promises of the trait
/// [`SessionStore`](portcullis_core::SessionStore).
///
/// The first argument is the name of the module; the second is an expression for a future that
/// makes an empty store with room for some tens of thousands of sessions. Every test makes its
/// own, inside a tokio runtime, so a server that the store asks can be started there.
///
/// The tests are those of [`StorePromise`](crate::store_contract::StorePromise).
///
/// # Example
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
/// use portcullis_core::{
///     Change, Commit, OwnerKey, Revision, SessionId, SessionKey, SessionStore, Sessions,
///     StoreError, Timestamp,
/// };
///
/// #[derive(Default)]
/// struct Plain(Mutex<HashMap<OwnerKey, Sessions>>);
///
/// impl SessionStore for Plain {
///     async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
///         Ok(self.0.lock().unwrap().get(&owner).cloned().unwrap_or_default())
///     }
///
///     async fn commit(
///         &self, owner: OwnerKey, expected: Revision, changes: Vec<Change>, _now: Timestamp,
///     ) -> Result<Commit, StoreError> {
///         let mut all = self.0.lock().unwrap();
///         Ok(all.entry(owner).or_default().commit(expected, changes))
///     }
///
///     async fn touch(
///         &self, owner: OwnerKey, key: SessionKey, id: SessionId, at: Timestamp,
///     ) -> Result<bool, StoreError> {
///         let mut all = self.0.lock().unwrap();
///         Ok(all.get_mut(&owner).is_some_and(|sessions| sessions.touch(key, id, at)))
///     }
/// }
///
/// portcullis_testing::session_store_contract!(plain, async { Plain::default() });
/// # fn main() {
/// #     for promise in portcullis_testing::store_contract::StorePromise::ALL {
/// #         promise.prove(async { Plain::default() });
/// #     }
/// # }
/// ```
///
/// A store that keeps its sessions elsewhere is proved in all three ways in which it is used:
///
/// ```
/// # use portcullis::session::MemorySessions;
/// # use portcullis_testing::session_store_contract;
/// # fn new_directory() -> String { String::new() }
/// # fn open(directory: String) -> MemorySessions { MemorySessions::default() }
/// use portcullis_testing::store_contract::{ByTurns, Reopened};
///
/// session_store_contract!(one, async { open(new_directory()) });
/// session_store_contract!(reopened, async {
///     let directory = new_directory();
///     Reopened::new(move || open(directory.clone()))
/// });
/// session_store_contract!(by_turns, async {
///     let directory = new_directory();
///     ByTurns::new(open(directory.clone()), open(directory))
/// });
/// ```
#[macro_export]
macro_rules! session_store_contract {
    ($name:ident, $make:expr $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "the expression may name what is around it")]
            use super::*;

            $crate::session_store_contract!(@test $make,
                begins_a_session_once: BeginsASessionOnce,
                begins_empty: BeginsEmpty,
                checks_what_it_loads: ChecksWhatItLoads,
                commits_all_or_nothing: CommitsAllOrNothing,
                commits_one_of_many_at_once: CommitsOneOfManyAtOnce,
                holds_many_owners: HoldsManyOwners,
                keeps_owners_apart: KeepsOwnersApart,
                keeps_what_is_put: KeepsWhatIsPut,
                loses_no_end: LosesNoEnd,
                loses_no_touch: LosesNoTouch,
                meets_no_revision_twice: MeetsNoRevisionTwice,
                refuses_an_old_revision: RefusesAnOldRevision,
                remembers_what_is_over: RemembersWhatIsOver,
                tells_the_history_of_a_plain_map: TellsTheHistoryOfAPlainMap,
                touches_the_living: TouchesTheLiving,
            );
        }
    };
    (@test $make:expr, $($test:ident: $promise:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::store_contract::StorePromise::$promise.prove($make);
            }
        )+
    };
}

/// When the sessions of the contract begin.
const START: Timestamp = VirtualClock::START;

const fn owner(number: u128) -> OwnerKey {
    OwnerKey::from_u128(number)
}

const fn key(number: u128) -> SessionKey {
    SessionKey::from_u128(number)
}

/// A session that lives for a day.
fn record(number: u128, id: u128) -> SessionRecord {
    let hour = std::time::Duration::from_secs(3600);
    SessionRecord::new(
        key(number),
        FamilyKey::from_u128(number / 2),
        SessionId::from_u128(id),
        EvidenceKind::User,
        START,
        hour,
        START + 24 * hour,
    )
}

/// One session, as the layer looks for it: `check`, and after `NeedsIo` also `load`.
async fn look(
    store: &impl SessionStore,
    owner: OwnerKey,
    key: SessionKey,
) -> Option<SessionRecord> {
    match store.check(owner, key) {
        Check::Done(found) => found,
        Check::NeedsIo => load(store, owner).await.get(key).cloned(),
    }
}

/// Ends a session, whatever is changed in between.
async fn end(store: &impl SessionStore, owner: OwnerKey, key: SessionKey) {
    loop {
        let sessions = load(store, owner).await;
        let mut changes = Vec::new();
        if let Some(found) = sessions.get(key) {
            let mut ended = found.clone();
            ended.state = SessionState::Ended(START, EndReason::Revoked);
            changes.push(Change::Put(ended));
        }
        match commit(store, owner, sessions.revision, changes).await {
            Commit::Done => break,
            outcome => assert_eq!(outcome, Commit::Conflict),
        }
    }
}

/// Notes activity, as the layer does it. Says whether the session has begun by it.
#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn touch(
    store: &impl SessionStore,
    owner: OwnerKey,
    record: &SessionRecord,
    at: Timestamp,
) -> bool {
    match store.touch_now(owner, record.key, record.id, at) {
        Check::Done(begins) => begins,
        Check::NeedsIo => {
            let touched = store.touch(owner, record.key, record.id, at);
            within_a_minute("touch", touched)
                .await
                .unwrap_or_else(|error| panic!("`touch` failed: {error}"))
        }
    }
}

#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn load(store: &impl SessionStore, owner: OwnerKey) -> Sessions {
    within_a_minute("load", store.load(owner))
        .await
        .unwrap_or_else(|error| panic!("`load` failed: {error}"))
}

async fn commit(
    store: &impl SessionStore,
    owner: OwnerKey,
    expected: Revision,
    changes: Vec<Change>,
) -> Commit {
    commit_at(store, owner, expected, changes, START).await
}

#[expect(
    clippy::panic,
    reason = "a store that fails in its contract ends the test"
)]
async fn commit_at(
    store: &impl SessionStore,
    owner: OwnerKey,
    expected: Revision,
    changes: Vec<Change>,
    now: Timestamp,
) -> Commit {
    within_a_minute("commit", store.commit(owner, expected, changes, now))
        .await
        .unwrap_or_else(|error| panic!("`commit` failed: {error}"))
}

/// Runs a proof inside a runtime of two threads, so that what races can race.
fn prove<S: SessionStore, P: Future<Output = ()>>(
    store: impl Future<Output = S>,
    proof: impl FnOnce(std::sync::Arc<S>) -> P,
) {
    block_on_with_workers(async { proof(std::sync::Arc::new(store.await)).await });
}
