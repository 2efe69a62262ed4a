//! The contract finds out buses that break it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_core::{RevokedKey, StoreError};

use super::*;

/// A bus that is correct, and what may be wrong with it.
#[derive(Clone, Default)]
struct Plain {
    shared: Arc<Mutex<Shared>>,
    flaw: Flaw,
}

#[derive(Default)]
struct Shared {
    listeners: Vec<Weak<dyn SignalListener>>,
    kept: Vec<Arc<dyn SignalListener>>,
    late: Vec<Signal>,
    told: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Flaw {
    #[default]
    None,
    CutsKeysInHalf,
    IsLate,
    KeepsListeners,
    LosesMany,
    LosesOneInFifty,
    LosesRevocations,
    MakesOneUp,
    TellsOfAGapInstead,
    TellsTheFirst,
}

impl Plain {
    fn with(flaw: Flaw) -> (Self, Self) {
        let bus = Self {
            flaw,
            ..Self::default()
        };
        (bus.clone(), bus)
    }

    fn tell(&self, signals: &[Signal]) {
        let mut shared = self.shared.lock().unwrap();
        shared.told += signals.len();
        let told = shared.told;
        let mut listeners: Vec<_> = shared.listeners.iter().filter_map(Weak::upgrade).collect();
        drop(shared);
        if self.flaw == Flaw::TellsTheFirst {
            listeners.truncate(1);
        }
        for signal in signals {
            let heard = match (self.flaw, *signal) {
                (Flaw::LosesMany, _) if told > 1000 => continue,
                (Flaw::LosesOneInFifty, _) if told.is_multiple_of(50) => continue,
                (Flaw::LosesRevocations, Signal::Revoked(_)) => continue,
                (Flaw::TellsOfAGapInstead, _) => Heard::Gap,
                (Flaw::CutsKeysInHalf, Signal::Revoked(key)) => Heard::Signal(Signal::Revoked(
                    RevokedKey::from_u128(u128::from(key.as_u128() as u64)),
                )),
                (_, signal) => Heard::Signal(signal),
            };
            listeners.iter().for_each(|listener| listener.hear(heard));
        }
    }
}

impl SignalBus for Plain {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        let mut shared = self.shared.lock().unwrap();
        if self.flaw == Flaw::KeepsListeners {
            shared.kept.extend(listener.upgrade());
        }
        shared.listeners.push(listener);
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), StoreError> {
        if self.flaw == Flaw::IsLate {
            let late = std::mem::replace(&mut self.shared.lock().unwrap().late, signals.to_vec());
            self.tell(&late);
        } else {
            self.tell(signals);
        }
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        if self.flaw == Flaw::MakesOneUp {
            self.tell(&[Signal::Revoked(RevokedKey::from_u128(77))]);
        }
        Ok(())
    }
}

#[test]
fn a_correct_bus_keeps_every_promise() {
    for promise in SignalPromise::ALL {
        promise.prove(async { Plain::with(Flaw::None) });
    }
}

#[test]
fn every_flaw_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let flaws = [
        Flaw::CutsKeysInHalf,
        Flaw::IsLate,
        Flaw::KeepsListeners,
        Flaw::LosesMany,
        Flaw::LosesOneInFifty,
        Flaw::LosesRevocations,
        Flaw::MakesOneUp,
        Flaw::TellsOfAGapInstead,
        Flaw::TellsTheFirst,
    ];
    let unfound: Vec<_> = flaws
        .into_iter()
        .filter(|&flaw| {
            SignalPromise::ALL.iter().all(|promise| {
                let proof = || promise.prove(async { Plain::with(flaw) });
                catch_unwind(AssertUnwindSafe(proof)).is_ok()
            })
        })
        .collect();
    drop(std::panic::take_hook());
    assert!(unfound.is_empty(), "{unfound:?}");
}
