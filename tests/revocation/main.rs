//! Revocations: what is over, what is not, and what stores of them owe.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be set up fails the test"
)]

mod calls;
mod elsewhere;
mod kept;
mod meanwhile;
mod requests;
mod sessions;
mod settings;
mod world;

use portcullis::{
    revocation::{MemoryReplays, MemoryRevocations},
    signal::MemorySignals,
};
use portcullis_testing::{
    faulty_signals::FaultySignals, faulty_store::FaultyRevocations, replay_contract::ReplayPromise,
    revocation_contract::RevocationPromise,
};

portcullis_testing::revocation_store_contract!(memory, async {
    MemoryRevocations::with_capacity(10_000)
});
portcullis_testing::revocation_store_contract!(memory_that_is_asked, async {
    FaultyRevocations::new(MemoryRevocations::with_capacity(10_000))
});
portcullis_testing::signal_bus_contract!(signals_in_memory, async {
    let bus = MemorySignals::new();
    (bus.clone(), FaultySignals::new(bus))
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
