//! How a log fares, handed to the facade `metrics`.

use std::sync::{Mutex, PoisonError};

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use super::handle::LogStats;

/// What of one log has been handed over. Differences are, so that several logs of a program add
/// up.
#[derive(Debug, Default)]
pub(super) struct Published(Mutex<LogStats>);

impl Published {
    /// Hands over what has come since the last time. The counters are read under the lock, so that
    /// two who ask at once do not hand over the same.
    pub(super) fn publish(&self, count_up: impl FnOnce() -> LogStats) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = count_up();
        describe();
        let before = std::mem::replace(&mut *last, now);
        for (name, now, before) in [
            (WRITTEN, now.written, before.written),
            (LOST, now.lost, before.lost),
            (SUMMED_UP, now.summed_up, before.summed_up),
            (FAILURES, now.failures, before.failures),
        ] {
            counter!(name).increment(now.saturating_sub(before));
        }
        let failing = gauge!(FAILING);
        match (before.is_failing, now.is_failing) {
            (false, true) => failing.increment(1.0),
            (true, false) => failing.decrement(1.0),
            // It is there before anything has failed.
            _ => failing.increment(0.0),
        }
    }

    /// Whether somebody is handing over.
    #[cfg(test)]
    pub(super) fn is_taken(&self) -> bool {
        self.0.try_lock().is_err()
    }
}

const WRITTEN: &str = "portcullis_audit_log_records_written_total";
const LOST: &str = "portcullis_audit_log_records_lost_total";
const SUMMED_UP: &str = "portcullis_audit_log_refusals_summed_up_total";
const FAILURES: &str = "portcullis_audit_log_failures_total";
const FAILING: &str = "portcullis_audit_log_failing";

fn describe() {
    for (name, text) in [
        (WRITTEN, "records that are on the disk, summaries included"),
        (LOST, "records that were lost, because the queue was full"),
        (SUMMED_UP, "refusals that stand in summaries alone"),
        (
            FAILURES,
            "attempts that the disk of an audit log did not take",
        ),
    ] {
        describe_counter!(name, Unit::Count, text);
    }
    describe_gauge!(
        FAILING,
        Unit::Count,
        "audit logs whose disk did not take the last attempt"
    );
}
