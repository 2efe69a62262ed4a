//! The contract finds out stores that break it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use portcullis_core::StoreError;

use super::*;

/// A correct store, and what may be wrong with it.
#[derive(Default)]
struct Plain {
    all: Mutex<HashMap<RevokedKey, (Timestamp, Timestamp)>>,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Flaw {
    #[default]
    None,
    BeginsWithForgotten,
    ChecksTheFirstKey,
    CutsKeysInHalf,
    FindsTheEarliest,
    FindsTheFirst,
    ForgetsInSilence,
    ForgetsTheWholeWorld,
    KeepsTheFirst,
    KeepsTheLast,
    KeepsTheShorterTime,
    LoadsThenWrites,
    NeverHoldsMuch,
    SaysThatItIsEmpty,
    SweepsTooEarly,
    SweepsWhenFull,
}

impl Plain {
    fn with(flaw: Flaw) -> Self {
        Self {
            all: Mutex::default(),
            flaw,
        }
    }

    fn key(&self, key: RevokedKey) -> RevokedKey {
        match self.flaw {
            Flaw::CutsKeysInHalf => RevokedKey::from_u128(u128::from(key.as_u128() as u64)),
            _ => key,
        }
    }
}

impl RevocationStore for Plain {
    fn is_empty(&self) -> bool {
        match self.flaw {
            Flaw::SaysThatItIsEmpty => self.all.lock().unwrap().len() < 2,
            _ => false,
        }
    }

    fn check(&self, keys: &[RevokedKey]) -> Check<Option<Timestamp>> {
        if self.flaw != Flaw::ChecksTheFirstKey {
            return Check::NeedsIo;
        }
        let all = self.all.lock().unwrap();
        Check::Done(keys.first().and_then(|key| all.get(key)).map(|kept| kept.0))
    }

    async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
        let all = self.all.lock().unwrap();
        let found = keys.iter().filter_map(|key| all.get(&self.key(*key)));
        let mut found = found.map(|kept| kept.0);
        Ok(match self.flaw {
            Flaw::FindsTheEarliest => found.min(),
            Flaw::FindsTheFirst => found.next(),
            _ => found.max(),
        })
    }

    async fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.key(key);
        let before = self.all.lock().unwrap().get(&key).copied();
        if self.flaw == Flaw::LoadsThenWrites {
            // Long enough for another thread to come in between.
            (0..20).for_each(|_| std::thread::yield_now());
        }
        let mut all = self.all.lock().unwrap();
        let before = match self.flaw {
            Flaw::LoadsThenWrites => before,
            _ => all.get(&key).copied(),
        };
        if self.flaw == Flaw::SweepsTooEarly {
            all.retain(|_, (_, until)| *until > now + std::time::Duration::from_secs(60));
        }
        all.retain(|_, (_, until)| *until > now);
        if self.flaw == Flaw::ForgetsInSilence && all.len() > 2000 {
            all.clear();
        }
        if self.flaw == Flaw::SweepsWhenFull && all.len() > 2000 {
            let day = std::time::Duration::from_secs(23 * 3600);
            all.retain(|_, (_, until)| *until > now + day);
        }
        if self.flaw == Flaw::NeverHoldsMuch && all.len() > 500 {
            return Err(StoreError::new("is full"));
        }
        let (mut new, mut until) = (cut_off, kept_until);
        if let Some((old, old_until)) = before {
            new = match self.flaw {
                Flaw::KeepsTheFirst => old,
                Flaw::KeepsTheLast => cut_off,
                _ => cut_off.max(old),
            };
            until = match self.flaw {
                Flaw::KeepsTheShorterTime => until.min(old_until),
                _ => until.max(old_until),
            };
        }
        all.insert(key, (new, until));
        Ok(())
    }

    fn forgotten(&self) -> Option<Timestamp> {
        match self.flaw {
            Flaw::BeginsWithForgotten => Some(START),
            Flaw::ForgetsTheWholeWorld if self.all.lock().unwrap().len() > 2000 => {
                Some(Timestamp::MAX)
            }
            _ => None,
        }
    }
}

#[test]
fn a_correct_store_keeps_every_promise() {
    for promise in RevocationPromise::ALL {
        promise.prove(async { Plain::default() });
    }
}

#[test]
fn every_flaw_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let flaws = [
        Flaw::BeginsWithForgotten,
        Flaw::ChecksTheFirstKey,
        Flaw::CutsKeysInHalf,
        Flaw::FindsTheEarliest,
        Flaw::FindsTheFirst,
        Flaw::ForgetsInSilence,
        Flaw::ForgetsTheWholeWorld,
        Flaw::KeepsTheFirst,
        Flaw::KeepsTheLast,
        Flaw::KeepsTheShorterTime,
        Flaw::LoadsThenWrites,
        Flaw::NeverHoldsMuch,
        Flaw::SaysThatItIsEmpty,
        Flaw::SweepsTooEarly,
        Flaw::SweepsWhenFull,
    ];
    let unfound: Vec<_> = flaws
        .into_iter()
        .filter(|&flaw| {
            let holds = |promise: &RevocationPromise| {
                let promise = *promise;
                let proof = || promise.prove(async { Plain::with(flaw) });
                catch_unwind(AssertUnwindSafe(proof)).is_ok()
            };
            // A flaw of a race shows in one of some runs.
            let tries = if flaw == Flaw::LoadsThenWrites { 50 } else { 1 };
            (0..tries).all(|_| RevocationPromise::ALL.iter().all(holds))
        })
        .collect();
    drop(std::panic::take_hook());
    assert!(unfound.is_empty(), "{unfound:?}");
}
