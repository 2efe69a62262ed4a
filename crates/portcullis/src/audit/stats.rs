//! Counters beside the records.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use portcullis_core::{Outcome, ReasonCode, Record, RecordKind};

use crate::reason;

/// What has been counted since a gate or a layer was built, by [reason code](crate::reason).
/// Authenticators have codes of their own.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// How many requests were let in.
    pub admitted: u64,
    /// How many of them came to a route that is declared anonymous, without a credential.
    pub admitted_anonymous: u64,
    /// How many were not: refused, failed, answered by the gate itself.
    pub not_admitted: BTreeMap<&'static str, u64>,
    /// How many requests are in right now, their bodies included.
    pub running: u64,
    /// How those ended that were let in.
    pub ended: BTreeMap<&'static str, u64>,
    /// How many calls inside requests were permitted.
    pub calls_permitted: u64,
    /// How many were not.
    pub calls_refused: BTreeMap<&'static str, u64>,
    /// How many sessions have begun.
    pub sessions_begun: u64,
    /// What was ended because its session was over.
    pub session_ends: BTreeMap<&'static str, u64>,
    /// Requests that came from elsewhere than their session, and were let in all the same.
    pub drifts: BTreeMap<&'static str, u64>,
    /// What was learnt of issuers without a request: by asking them, or because they had fallen
    /// silent.
    pub notices: BTreeMap<&'static str, u64>,
    /// What came of what [operators](crate::operator) were permitted to end or revoke.
    pub operations: BTreeMap<&'static str, u64>,
    /// How many records the audit sink did not take.
    pub records_lost: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: Tally,
    anonymous: AtomicU64,
    calls: Tally,
    sessions_begun: AtomicU64,
    session_ends: Reasons,
    drifts: Reasons,
    notices: Reasons,
    operations: Reasons,
    lost: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, record: &Record<'_>) {
        match record.kind {
            RecordKind::Call => self.calls.count(record.outcome, record.reason),
            RecordKind::SessionStart => {
                self.sessions_begun.fetch_add(1, Ordering::Relaxed);
            }
            RecordKind::SessionEnd => self.session_ends.count(record.reason),
            RecordKind::Drift => self.drifts.count(record.reason),
            RecordKind::Notice => self.notices.count(record.reason),
            RecordKind::Operator => self.operations.count(record.reason),
            // Also any kind that is not known here: it is counted rather than not.
            _ => {
                if record.reason == reason::ADMITTED_ANONYMOUS {
                    self.anonymous.fetch_add(1, Ordering::Relaxed);
                }
                self.requests.count(record.outcome, record.reason);
            }
        }
    }

    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// What has been counted here. Whoever counts what runs adds that.
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            admitted: self.requests.admitted.load(Ordering::Relaxed),
            admitted_anonymous: self.anonymous.load(Ordering::Relaxed),
            not_admitted: self.requests.not_admitted.snapshot(),
            calls_permitted: self.calls.admitted.load(Ordering::Relaxed),
            calls_refused: self.calls.not_admitted.snapshot(),
            sessions_begun: self.sessions_begun.load(Ordering::Relaxed),
            session_ends: self.session_ends.snapshot(),
            drifts: self.drifts.snapshot(),
            notices: self.notices.snapshot(),
            operations: self.operations.snapshot(),
            records_lost: self.lost.load(Ordering::Relaxed),
            running: 0,
            ended: BTreeMap::new(),
        }
    }
}

/// What became of one kind of thing. What is let in is one atomic.
#[derive(Debug, Default)]
struct Tally {
    admitted: AtomicU64,
    not_admitted: Reasons,
}

impl Tally {
    fn count(&self, outcome: Outcome, reason: ReasonCode) {
        if outcome == Outcome::Admitted {
            self.admitted.fetch_add(1, Ordering::Relaxed);
        } else {
            self.not_admitted.count(reason);
        }
    }
}

/// One counter for each reason code, of which there is a fixed number in the program.
#[derive(Debug, Default)]
struct Reasons(RwLock<BTreeMap<&'static str, AtomicU64>>);

impl Reasons {
    fn count(&self, reason: ReasonCode) {
        let name = reason.as_str();
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(counter) = known.get(name) {
                counter.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let mut counters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        counters
            .entry(name)
            .or_default()
            .fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        let counters = self.0.read().unwrap_or_else(PoisonError::into_inner);
        counters
            .iter()
            .map(|(&name, counter)| (name, counter.load(Ordering::Relaxed)))
            .collect()
    }
}
