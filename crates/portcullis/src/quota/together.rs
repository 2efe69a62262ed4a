//! What a caller may still ask for of all servers together: the decision where a store is asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{StatusCode, request::Parts};
use portcullis_core::{Charged, Check, QuotaCharge, QuotaRate, ReasonCode, StoreError};

use super::{
    decide::{Count, LAYER, Spent, refusal},
    key::SharedKeys,
    store::AnyQuotaStore,
};
use crate::{
    exchange::{Exchange, Slot},
    frame::{Decision, Pending, Step},
    principal::Principal,
    reason,
    refusal::Refusal,
    time::Time,
};

/// How long a client is told to wait for a store.
const RETRY: Duration = Duration::from_secs(1);

/// The step of the `quota` layer that counts together with others.
pub(crate) struct CountTogether {
    pub(super) store: Arc<dyn AnyQuotaStore>,
    pub(super) keys: SharedKeys,
    pub(super) per_principal: Option<QuotaRate>,
    pub(super) per_client: Option<QuotaRate>,
    pub(super) time: Time,
    pub(super) fallback: Option<Fallback>,
}

/// What counts here while the store cannot say.
pub(crate) struct Fallback {
    pub(super) count: Count,
    /// Whether it counts now, so that its begin and its end are logged once.
    pub(super) is_used: AtomicBool,
}

/// What one request is charged to, and the reason for which each is refused.
struct Bill {
    charges: Vec<QuotaCharge>,
    codes: Vec<ReasonCode>,
}

impl Step for CountTogether {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::Quota)
    }

    fn decide(&self, _parts: &mut Parts, exchange: &Exchange) -> Decision {
        let Some((principal, bill)) = self.bill(exchange) else {
            return Decision::Pass;
        };
        // Steady, so that a clock which is set does not pay anything off.
        let now = self.time.steady();
        match self.store.charge_now(&bill.charges, now) {
            Check::Done(charged) => match self.settle(principal, &bill, &charged) {
                Ok(()) => Decision::Pass,
                Err(refusal) => Decision::Refuse(refusal),
            },
            Check::NeedsIo => Decision::NeedsIo { cursor: 0 },
        }
    }

    fn resume(self: Arc<Self>, parts: Parts, exchange: Exchange, _cursor: usize) -> Pending {
        Box::pin(async move {
            let Some((principal, bill)) = self.bill(&exchange) else {
                return (parts, Ok(()));
            };
            let now = self.time.steady();
            let result = match self.store.charge(&bill.charges, now).await {
                Ok(charged) => self.settle(principal, &bill, &charged),
                Err(error) => self.do_without(&exchange, principal, &error),
            };
            (parts, result)
        })
    }
}

impl CountTogether {
    /// `None` if there is nobody to count: the route is anonymous, or the credential names no
    /// client and no other quota is set.
    fn bill<'e>(&self, exchange: &'e Exchange) -> Option<(&'e Principal, Bill)> {
        let principal = exchange.principal()?;
        let issuer = principal.issuer();
        let of_principal = self.per_principal.map(|rate| {
            let key = self.keys.principal(issuer, principal.subject());
            (QuotaCharge::new(key, rate), reason::QUOTA_PRINCIPAL)
        });
        let of_client = self.per_client.zip(principal.client()).map(|(rate, name)| {
            let key = self.keys.client(issuer, name);
            (QuotaCharge::new(key, rate), reason::QUOTA_CLIENT)
        });
        let both = of_principal.into_iter().chain(of_client);
        let (charges, codes): (Vec<_>, Vec<_>) = both.unzip();
        (!charges.is_empty()).then_some((principal, Bill { charges, codes }))
    }

    fn settle(&self, principal: &Principal, bill: &Bill, charged: &Charged) -> Result<(), Refusal> {
        if let Some(fallback) = &self.fallback {
            fallback.note_well();
            if matches!(charged, Charged::Paid(_)) {
                // What is spent while all is well is spent when the store is gone. The store has
                // the last word until then.
                let _ = fallback.count.spend_of(principal);
            }
        }
        match charged {
            Charged::Spent(waits) if !portcullis_core::sabotaged!("quota.shared") => {
                Err(refusal(bill.spent(waits)))
            }
            _ => Ok(()),
        }
    }

    /// The store cannot say.
    fn do_without(
        &self,
        exchange: &Exchange,
        principal: &Principal,
        error: &StoreError,
    ) -> Result<(), Refusal> {
        let Some(fallback) = &self.fallback else {
            tracing::error!(
                target: "portcullis",
                request_id = %exchange.id(),
                "the store of quotas cannot say whether a caller may ask for more: {error}",
            );
            if portcullis_core::sabotaged!("quota.store_unavailable") {
                return Ok(());
            }
            let (status, code) = (
                StatusCode::SERVICE_UNAVAILABLE,
                reason::QUOTA_STORE_UNAVAILABLE,
            );
            return Err(Refusal::new(LAYER, status, code).with_retry_after(RETRY));
        };
        if !fallback.is_used.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "portcullis",
                "the store of quotas cannot say what is left, so each server counts by itself: \
                 {error}",
            );
        }
        match fallback.count.spend_of(principal) {
            Err(spent) if !portcullis_core::sabotaged!("quota.fallback") => Err(refusal(spent)),
            _ => Ok(()),
        }
    }
}

impl Fallback {
    fn note_well(&self) {
        if self.is_used.load(Ordering::Relaxed) && self.is_used.swap(false, Ordering::Relaxed) {
            tracing::info!(
                target: "portcullis",
                "the store of quotas answers again, so servers count together",
            );
        }
    }
}

impl Bill {
    /// The first that is spent gives its name; who has to wait for more than one would come back
    /// in vain after the shorter wait.
    fn spent(&self, waits: &[Duration]) -> Spent {
        let each = self.codes.iter().zip(waits);
        let spent = each.clone().find(|(_, wait)| !wait.is_zero());
        let code = spent.map(|(code, _)| *code);
        Spent {
            code: code.unwrap_or(reason::QUOTA_PRINCIPAL),
            returns_in: each.map(|(_, wait)| *wait).max().unwrap_or_default(),
        }
    }
}
