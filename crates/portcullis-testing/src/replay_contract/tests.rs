//! The contract finds out stores that break it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    time::Duration,
};

use portcullis_core::StoreError;

use super::*;

/// A correct store, and what may be wrong with it.
#[derive(Default)]
struct Plain {
    all: Mutex<HashMap<(ReplayOwner, ReplayKey), Timestamp>>,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Flaw {
    #[default]
    None,
    CutsKeysInHalf,
    ForgetsToMakeRoom,
    IgnoresOwner,
    LooksThenTakes,
    NeverHoldsMuch,
    SweepsTooEarly,
    SweepsWhenFull,
    TakesAnother,
    TakesAtOnceElsewhere,
    TakesTwice,
}

impl Plain {
    fn with(flaw: Flaw) -> Self {
        Self {
            all: Mutex::default(),
            flaw,
        }
    }
}

impl ReplayStore for Plain {
    fn take_now(
        &self,
        owner: ReplayOwner,
        key: ReplayKey,
        until: Timestamp,
        _now: Timestamp,
    ) -> Check<Taken> {
        if self.flaw != Flaw::TakesAtOnceElsewhere {
            return Check::NeedsIo;
        }
        let elsewhere = ReplayKey::from_u128(!key.as_u128());
        let before = self.all.lock().unwrap().insert((owner, elsewhere), until);
        Check::Done(before.map_or(Taken::Fresh, |_| Taken::Seen))
    }

    async fn take(
        &self,
        mut owner: ReplayOwner,
        mut key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        match self.flaw {
            Flaw::CutsKeysInHalf => key = ReplayKey::from_u128(u128::from(key.as_u128() as u64)),
            Flaw::IgnoresOwner => owner = ReplayOwner::from_u128(0),
            Flaw::TakesAnother => key = ReplayKey::from_u128(key.as_u128() & !1),
            _ => {}
        }
        let name = (owner, key);
        let mut was_there = self.all.lock().unwrap().contains_key(&name);
        if self.flaw == Flaw::LooksThenTakes {
            // Long enough for another thread to come in between.
            (0..20).for_each(|_| std::thread::yield_now());
        }
        let mut all = self.all.lock().unwrap();
        let early = match self.flaw {
            Flaw::SweepsTooEarly => Duration::from_secs(60),
            _ => Duration::ZERO,
        };
        all.retain(|_, until| *until > now + early);
        if self.flaw == Flaw::ForgetsToMakeRoom && all.len() > 1000 {
            all.clear();
        }
        if self.flaw == Flaw::SweepsWhenFull && all.len() > 1000 {
            all.retain(|_, until| *until > now + Duration::from_secs(23 * 3600));
        }
        if self.flaw == Flaw::NeverHoldsMuch && all.len() > 400 {
            return Ok(Taken::Full);
        }
        if self.flaw != Flaw::LooksThenTakes {
            was_there = all.contains_key(&name);
        }
        all.insert(name, until);
        Ok(match was_there && self.flaw != Flaw::TakesTwice {
            true => Taken::Seen,
            false => Taken::Fresh,
        })
    }
}

#[test]
fn a_correct_store_keeps_every_promise() {
    for promise in ReplayPromise::ALL {
        promise.prove(async { Plain::default() });
    }
}

#[test]
fn every_flaw_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let flaws = [
        Flaw::CutsKeysInHalf,
        Flaw::ForgetsToMakeRoom,
        Flaw::IgnoresOwner,
        Flaw::LooksThenTakes,
        Flaw::NeverHoldsMuch,
        Flaw::SweepsTooEarly,
        Flaw::SweepsWhenFull,
        Flaw::TakesAnother,
        Flaw::TakesAtOnceElsewhere,
        Flaw::TakesTwice,
    ];
    let unfound: Vec<_> = flaws
        .into_iter()
        .filter(|&flaw| {
            let holds = |promise: &ReplayPromise| {
                let promise = *promise;
                let proof = || promise.prove(async { Plain::with(flaw) });
                catch_unwind(AssertUnwindSafe(proof)).is_ok()
            };
            // A flaw of a race shows in one of some runs.
            let tries = if flaw == Flaw::LooksThenTakes { 50 } else { 1 };
            (0..tries).all(|_| ReplayPromise::ALL.iter().all(holds))
        })
        .collect();
    drop(std::panic::take_hook());
    assert!(unfound.is_empty(), "{unfound:?}");
}
