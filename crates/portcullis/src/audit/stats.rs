//! Counters beside the records.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use portcullis_core::{Outcome, ReasonCode, Record, RecordKind};

/// How many decisions there were, by reason code.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// How many requests were let in.
    pub admitted: u64,
    /// How many were not, by reason code.
    pub not_admitted: BTreeMap<&'static str, u64>,
    /// How many calls inside requests were permitted.
    pub calls_permitted: u64,
    /// How many were not, by reason code.
    pub calls_refused: BTreeMap<&'static str, u64>,
    /// How many records the audit sink did not take.
    pub records_lost: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: Tally,
    calls: Tally,
    lost: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, record: &Record<'_>) {
        let tally = match record.kind {
            RecordKind::Call => &self.calls,
            _ => &self.requests,
        };
        tally.count(record.outcome, record.reason);
    }

    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            admitted: self.requests.admitted.load(Ordering::Relaxed),
            not_admitted: self.requests.by_reason(),
            calls_permitted: self.calls.admitted.load(Ordering::Relaxed),
            calls_refused: self.calls.by_reason(),
            records_lost: self.lost.load(Ordering::Relaxed),
        }
    }
}

/// What became of one kind of thing. Admissions are one atomic; the map of the others grows by
/// one entry for each reason code, of which there is a fixed number in the program.
#[derive(Debug, Default)]
struct Tally {
    admitted: AtomicU64,
    not_admitted: RwLock<BTreeMap<&'static str, AtomicU64>>,
}

impl Tally {
    fn count(&self, outcome: Outcome, reason: ReasonCode) {
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

    fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        let counters = self
            .not_admitted
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        counters
            .iter()
            .map(|(&name, counter)| (name, counter.load(Ordering::Relaxed)))
            .collect()
    }
}
