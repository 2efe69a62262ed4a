//! What every bus of signals owes, as tests: [`signal_bus_contract!`](crate::signal_bus_contract).

mod promises;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use portcullis_core::{Heard, Signal, SignalBus, SignalListener};

pub use self::promises::SignalPromise;
use crate::contract::within_a_minute;

/// Makes a module of tests that prove a bus to keep the promises of the trait
/// [`SignalBus`](portcullis_core::SignalBus).
///
/// The first argument is the name of the module; the second is an expression for a future that
/// makes two buses between which signals are carried, as two servers would have them. Every test
/// makes its own, inside a tokio runtime, so a server that carries them can be started there.
///
/// The tests are those of [`SignalPromise`](crate::signal_contract::SignalPromise).
///
/// # Example
///
/// ```
/// use portcullis::signal::MemorySignals;
///
/// portcullis_testing::signal_bus_contract!(memory, async {
///     let bus = MemorySignals::new();
///     (bus.clone(), bus)
/// });
/// # fn main() {
/// #     for promise in portcullis_testing::signal_contract::SignalPromise::ALL {
/// #         promise.prove(async { let bus = MemorySignals::new(); (bus.clone(), bus) });
/// #     }
/// # }
/// ```
#[macro_export]
macro_rules! signal_bus_contract {
    ($name:ident, $make:expr $(,)?) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports, reason = "the expression may name what is around it")]
            use super::*;

            $crate::signal_bus_contract!(@test $make,
                begins_to_tell_with_a_catch_up: BeginsToTellWithACatchUp,
                carries_each_kind_and_every_bit: CarriesEachKindAndEveryBit,
                carries_many: CarriesMany,
                catches_up: CatchesUp,
                holds_no_listener: HoldsNoListener,
                makes_nothing_up: MakesNothingUp,
                tells_every_listener: TellsEveryListener,
            );
        }
    };
    (@test $make:expr, $($test:ident: $promise:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::signal_contract::SignalPromise::$promise.prove($make);
            }
        )+
    };
}

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Notes(Mutex<Noted>);

#[derive(Clone, Debug, Default)]
struct Noted {
    signals: HashSet<Signal>,
    gaps: usize,
}

impl Notes {
    /// One that a bus tells.
    fn of(bus: &impl SignalBus) -> Arc<Self> {
        let notes = Arc::new(Self::default());
        let listener: Weak<Self> = Arc::downgrade(&notes);
        bus.subscribe(listener);
        notes
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it was told since the last time.
    fn take(&self) -> Noted {
        std::mem::take(&mut *self.noted())
    }
}

impl Noted {
    /// Whether somebody who was told this looks at the place of a signal.
    fn covers(&self, signal: Signal) -> bool {
        self.gaps > 0 || self.signals.contains(&signal)
    }
}

impl SignalListener for Notes {
    fn hear(&self, heard: Heard) {
        let mut noted = self.noted();
        match heard {
            Heard::Signal(signal) => {
                noted.signals.insert(signal);
            }
            _ => noted.gaps += 1,
        }
    }
}

#[expect(
    clippy::panic,
    reason = "a bus that fails in its contract ends the test"
)]
async fn publish(bus: &impl SignalBus, signals: &[Signal]) {
    within_a_minute("publish", bus.publish(signals))
        .await
        .unwrap_or_else(|error| panic!("`publish` failed: {error}"));
}

#[expect(
    clippy::panic,
    reason = "a bus that fails in its contract ends the test"
)]
async fn catch_up(bus: &impl SignalBus) {
    within_a_minute("catch_up", bus.catch_up())
        .await
        .unwrap_or_else(|error| panic!("`catch_up` failed: {error}"));
}
