//! Counters beside the records.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use portcullis_core::{Outcome, ReasonCode};

/// How many decisions there were, by reason code.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// How many requests were let in.
    pub admitted: u64,
    /// How many were not, by reason code.
    pub not_admitted: BTreeMap<&'static str, u64>,
    /// How many records the audit sink did not take.
    pub records_lost: u64,
}

/// The counters themselves. Admissions are one atomic; the map of refusals grows by one
/// entry for each reason code, of which there is a fixed number in the program.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    admitted: AtomicU64,
    lost: AtomicU64,
    not_admitted: RwLock<BTreeMap<&'static str, AtomicU64>>,
}

impl Counters {
    pub(super) fn count(&self, outcome: Outcome, reason: ReasonCode) {
        if outcome == Outcome::Admitted {
            self.admitted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let name = reason.as_str();
        {
            let known = self
                .not_admitted
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(counter) = known.get(name) {
                counter.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let mut counters = self
            .not_admitted
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        counters
            .entry(name)
            .or_default()
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let counters = self
            .not_admitted
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Stats {
            admitted: self.admitted.load(Ordering::Relaxed),
            not_admitted: counters
                .iter()
                .map(|(&name, counter)| (name, counter.load(Ordering::Relaxed)))
                .collect(),
            records_lost: self.lost.load(Ordering::Relaxed),
        }
    }
}
