//! How often each key may be used.

use std::{hash::RandomState, sync::Arc};

use portcullis_core::{Clock, ReasonCode, Spent, Verdict, sabotaged};

use super::{entry::Good, format::KeyId};
use crate::gcra::{Debts, Elapsed, Held};

const LIMIT: ReasonCode = ReasonCode::new("api_key_limit");

/// Of so many keys it is told apart what they have used up.
const MAX_DEBTORS: usize = 100_000;

/// What keys with a limit have used up. Only a key whose secret has matched is counted, so
/// nobody uses up what is another's.
pub(super) struct Limits {
    debts: Debts<KeyId>,
    elapsed: Elapsed,
}

impl Limits {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let warning = "more api keys with a limit are used in the same while than are told \
                       apart, so newcomers share one";
        Self {
            debts: Debts::new(MAX_DEBTORS, RandomState::new(), warning),
            elapsed: Elapsed::new(clock),
        }
    }

    /// Takes one request from a good key, if it has one left.
    pub(super) fn answer(&self, good: &Good) -> Verdict {
        let accepted = || Verdict::Accept(good.entry.evidence(good.matched));
        let Some(rate) = good.entry.rate() else {
            return accepted();
        };
        let now = self.elapsed.now();
        let spent = self
            .debts
            .hold(rate, good.id, now, |held| held.map(Held::spend));
        match spent {
            Err(wait) if !sabotaged!("api_key.limit") => Verdict::Spent(Spent::new(LIMIT, wait)),
            _ => accepted(),
        }
    }
}
