//! Counters, handed to the facade `metrics`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use super::Stats;

/// What of one gate has been handed over. Differences are, so that several gates of a program
/// add up.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Option<Stats>>);

impl Published {
    pub(crate) fn publish(&self, now: &Stats) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        describe();
        let before = last.take().unwrap_or_default();
        count(
            "portcullis_decisions_total",
            "admitted",
            now.admitted,
            before.admitted,
        );
        count_all(
            "portcullis_decisions_total",
            &now.not_admitted,
            &before.not_admitted,
        );
        count_all("portcullis_requests_ended_total", &now.ended, &before.ended);
        count(
            "portcullis_calls_total",
            "permitted",
            now.calls_permitted,
            before.calls_permitted,
        );
        count_all(
            "portcullis_calls_total",
            &now.calls_refused,
            &before.calls_refused,
        );
        let begun = now.sessions_begun.saturating_sub(before.sessions_begun);
        counter!("portcullis_sessions_begun_total").increment(begun);
        count_all(
            "portcullis_session_ends_total",
            &now.session_ends,
            &before.session_ends,
        );
        count_all("portcullis_drifts_total", &now.drifts, &before.drifts);
        let lost = now.records_lost.saturating_sub(before.records_lost);
        counter!("portcullis_records_lost_total").increment(lost);
        let running = gauge!("portcullis_requests_running");
        #[expect(clippy::cast_precision_loss, reason = "nobody runs 2^52 requests")]
        match now.running.checked_sub(before.running) {
            Some(more) => running.increment(more as f64),
            None => running.decrement(before.running.abs_diff(now.running) as f64),
        }
        *last = Some(now.clone());
    }
}

fn count(name: &'static str, reason: &'static str, now: u64, before: u64) {
    counter!(name, "reason" => reason).increment(now.saturating_sub(before));
}

fn count_all(
    name: &'static str,
    now: &BTreeMap<&'static str, u64>,
    before: &BTreeMap<&'static str, u64>,
) {
    for (&reason, &now) in now {
        count(name, reason, now, before.get(reason).copied().unwrap_or(0));
    }
}

fn describe() {
    for (name, text) in [
        (
            "portcullis_decisions_total",
            "decisions about requests, by reason code",
        ),
        (
            "portcullis_requests_ended_total",
            "requests that were let in and have ended, by reason code",
        ),
        (
            "portcullis_calls_total",
            "decisions about calls inside requests, by reason code",
        ),
        (
            "portcullis_sessions_begun_total",
            "sessions that have begun",
        ),
        (
            "portcullis_session_ends_total",
            "what was ended because its session was over, by reason code",
        ),
        (
            "portcullis_drifts_total",
            "requests from elsewhere than their session, by reason code",
        ),
        (
            "portcullis_records_lost_total",
            "records that the audit sink did not take",
        ),
    ] {
        describe_counter!(name, Unit::Count, text);
    }
    describe_gauge!(
        "portcullis_requests_running",
        Unit::Count,
        "requests that are in right now"
    );
}
