//! The contract finds out stores that break it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use portcullis_core::{Budget, StoreError};

use super::*;

/// A correct store, and what may be wrong with it.
#[derive(Default)]
struct Plain {
    all: Mutex<HashMap<QuotaKey, i64>>,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Flaw {
    #[default]
    None,
    BelievesAClockThatIsBehind,
    ChargesAtOnceElsewhere,
    ChargesOneCell,
    ChargesTheFirstAlone,
    ChargesWhatCanBePaid,
    CutsKeysInHalf,
    ForgetsToMakeRoom,
    ForgetsWhatAnotherQuotaIsOwed,
    IgnoresTheBurst,
    LooksThenCharges,
    SaysThePlacesInAnotherOrder,
    SavesUp,
    WaitsTooLong,
}

impl Plain {
    fn with(flaw: Flaw) -> Self {
        Self {
            all: Mutex::default(),
            flaw,
        }
    }

    fn key(&self, charge: &QuotaCharge) -> QuotaKey {
        match self.flaw {
            Flaw::CutsKeysInHalf => QuotaKey::from_u128(u128::from(charge.key().as_u128() as u64)),
            _ => charge.key(),
        }
    }

    fn against(&self, charge: &QuotaCharge, paid_at: i64, now: i64) -> Result<Budget, Duration> {
        let charge = match self.flaw {
            Flaw::ChargesOneCell => QuotaCharge::new(charge.key(), charge.rate()),
            _ => *charge,
        };
        match self.flaw {
            Flaw::IgnoresTheBurst => Ok(Budget {
                paid_at: paid_at.max(now) + charge.cost_micros(),
                left: 1,
            }),
            Flaw::SavesUp if paid_at > 0 => {
                let paid_at = paid_at + charge.cost_micros();
                let rest = charge.rate().window_micros() - (paid_at - now).max(0);
                match rest < 0 {
                    true => Err(Duration::from_micros(rest.unsigned_abs())),
                    false => Ok(Budget {
                        paid_at,
                        left: u32::try_from(rest / charge.rate().interval_micros()).unwrap_or(0),
                    }),
                }
            }
            Flaw::WaitsTooLong => charge
                .against(paid_at, now)
                .map_err(|wait| wait + Duration::from_micros(1)),
            _ => charge.against(paid_at, now),
        }
    }
}

impl QuotaStore for Plain {
    fn charge_now(&self, charges: &[QuotaCharge], now: Timestamp) -> Check<Charged> {
        if self.flaw != Flaw::ChargesAtOnceElsewhere {
            return Check::NeedsIo;
        }
        let now = now.unix_millis() * 1000;
        let mut all = self.all.lock().unwrap();
        let each: Vec<_> = charges
            .iter()
            .map(|charge| {
                let elsewhere = QuotaKey::from_u128(!charge.key().as_u128());
                let paid_at = all.get(&elsewhere).copied().unwrap_or(0);
                let budget = charge.against(paid_at, now);
                if let Ok(budget) = budget {
                    all.insert(elsewhere, budget.paid_at);
                }
                budget
            })
            .collect();
        Check::Done(Charged::of(&each))
    }

    async fn charge(&self, charges: &[QuotaCharge], now: Timestamp) -> Result<Charged, StoreError> {
        let now = now.unix_millis() * 1000;
        let seen = self.all.lock().unwrap().clone();
        if self.flaw == Flaw::LooksThenCharges {
            // Long enough for another thread to come in between.
            (0..20).for_each(|_| std::thread::yield_now());
        }
        let mut all = self.all.lock().unwrap();
        if self.flaw == Flaw::ForgetsToMakeRoom && all.len() > 1000 {
            all.clear();
        }
        if self.flaw == Flaw::BelievesAClockThatIsBehind {
            all.retain(|_, paid_at| *paid_at < now + 10_000_000);
        }
        let kept = match self.flaw {
            Flaw::LooksThenCharges => &seen,
            _ => &*all,
        };
        let mut each: Vec<_> = charges
            .iter()
            .map(|charge| {
                let mut paid_at = kept.get(&self.key(charge)).copied().unwrap_or(0);
                if self.flaw == Flaw::ForgetsWhatAnotherQuotaIsOwed
                    && paid_at - now > charge.rate().window_micros()
                {
                    paid_at = 0;
                }
                self.against(charge, paid_at, now)
            })
            .collect();
        let is_paid = each.iter().all(Result::is_ok);
        for (n, (charge, budget)) in charges.iter().zip(&each).enumerate() {
            let is_charged = match self.flaw {
                Flaw::ChargesTheFirstAlone => is_paid && n == 0,
                Flaw::ChargesWhatCanBePaid => true,
                _ => is_paid,
            };
            if let Ok(budget) = budget
                && is_charged
            {
                all.insert(self.key(charge), budget.paid_at);
            }
        }
        if self.flaw == Flaw::SaysThePlacesInAnotherOrder {
            each.reverse();
        }
        Ok(Charged::of(&each))
    }
}

#[test]
fn a_correct_store_keeps_every_promise() {
    for promise in QuotaPromise::ALL {
        promise.prove(async { Plain::default() });
    }
}

#[test]
fn every_flaw_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let flaws = [
        Flaw::BelievesAClockThatIsBehind,
        Flaw::ChargesAtOnceElsewhere,
        Flaw::ChargesOneCell,
        Flaw::ChargesTheFirstAlone,
        Flaw::ChargesWhatCanBePaid,
        Flaw::CutsKeysInHalf,
        Flaw::ForgetsToMakeRoom,
        Flaw::ForgetsWhatAnotherQuotaIsOwed,
        Flaw::IgnoresTheBurst,
        Flaw::LooksThenCharges,
        Flaw::SaysThePlacesInAnotherOrder,
        Flaw::SavesUp,
        Flaw::WaitsTooLong,
    ];
    let unfound: Vec<_> = flaws
        .into_iter()
        .filter(|&flaw| {
            let holds = |promise: &QuotaPromise| {
                let promise = *promise;
                let proof = || promise.prove(async { Plain::with(flaw) });
                catch_unwind(AssertUnwindSafe(proof)).is_ok()
            };
            // A flaw of a race shows in one of some runs.
            let tries = if flaw == Flaw::LooksThenCharges {
                50
            } else {
                1
            };
            (0..tries).all(|_| QuotaPromise::ALL.iter().all(holds))
        })
        .collect();
    drop(std::panic::take_hook());
    assert!(unfound.is_empty(), "{unfound:?}");
}
