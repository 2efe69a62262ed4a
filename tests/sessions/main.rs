//! Sessions: when a caller is in, and what ends with a session.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod data;
mod ends;
mod faults;
mod limits;
mod people;
mod starts;
mod streams;
mod touches;
mod wire;

use portcullis::session::MemorySessions;
use portcullis_testing::{faulty_store::FaultyStore, store_contract::StorePromise};

portcullis_testing::session_store_contract!(memory, async {
    MemorySessions::with_capacity(40_000)
});
portcullis_testing::session_store_contract!(memory_that_is_asked, async {
    FaultyStore::new(MemorySessions::with_capacity(40_000))
});

#[test]
fn stores_that_are_too_small_remember_what_is_over_all_the_same() {
    for capacity in [0, 1, 50, 1000, 3000] {
        StorePromise::RemembersWhatIsOver.prove(async { MemorySessions::with_capacity(capacity) });
    }
}
