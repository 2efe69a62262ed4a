//! Sessions: when a caller is in, and what ends with a session.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod cookies;
mod data;
mod ends;
mod faults;
mod goodbyes;
mod graces;
mod limits;
mod listed;
mod mcp_sessions;
mod people;
mod reauthentication;
mod starts;
mod stream_caps;
mod streams;
mod touches;
mod upgrades;
mod wire;

use std::sync::Arc;

use portcullis::{
    Check, Timestamp,
    session::{MemorySessions, OwnerKey, SessionId, SessionKey, SessionStore},
};
use portcullis_testing::{faulty_store::FaultyStore, store_contract::StorePromise};

portcullis_testing::session_store_contract!(memory, async {
    MemorySessions::with_capacity(40_000)
});
portcullis_testing::session_store_contract!(memory_that_is_asked, async {
    FaultyStore::new(MemorySessions::with_capacity(40_000))
});

portcullis_testing::session_store_contract!(memory_that_is_asked_and_shared, async {
    Arc::new(FaultyStore::new(MemorySessions::with_capacity(40_000)))
});

#[test]
fn stores_that_are_too_small_remember_what_is_over_all_the_same() {
    for capacity in [0, 1, 50, 1000, 3000] {
        StorePromise::RemembersWhatIsOver.prove(async { MemorySessions::with_capacity(capacity) });
    }
}

#[test]
fn a_store_that_is_shared_answers_at_once_as_it_does_by_itself() {
    let (owner, key) = (OwnerKey::from_u128(1), SessionKey::from_u128(2));
    let store = Arc::new(MemorySessions::default());
    let found = SessionStore::check(&store, owner, key);
    assert!(matches!(found, Check::Done(None)));
    let id = SessionId::from_u128(3);
    let begins = SessionStore::touch_now(&store, owner, key, id, Timestamp::UNIX_EPOCH);
    assert!(matches!(begins, Check::Done(false)));
}
