//! Revocations: what stores of them owe.

use portcullis::revocation::{MemoryReplays, MemoryRevocations};
use portcullis_testing::{replay_contract::ReplayPromise, revocation_contract::RevocationPromise};

portcullis_testing::revocation_store_contract!(memory, async {
    MemoryRevocations::with_capacity(10_000)
});
portcullis_testing::replay_store_contract!(replays_in_memory, async {
    MemoryReplays::with_capacity(100_000)
});

#[test]
fn stores_that_are_too_small_keep_what_they_promise_all_the_same() {
    for capacity in [0, 1, 500, 2000] {
        RevocationPromise::ForgetsNothingInSilence
            .prove(async { MemoryRevocations::with_capacity(capacity) });
        ReplayPromise::RefusesRatherThanForgets
            .prove(async { MemoryReplays::with_capacity(capacity) });
    }
}
