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
    /// Hands over what was counted since the last time. The counters are read under the lock, so
    /// that they only ever go up.
    pub(crate) fn publish(&self, count_up: impl FnOnce() -> Stats) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = count_up();
        describe();
        let before = last.take().unwrap_or_default();
        for (reason, now, before) in [
            ("admitted", identified(&now), identified(&before)),
            (
                "admitted_anonymous",
                now.admitted_anonymous,
                before.admitted_anonymous,
            ),
        ] {
            count("portcullis_decisions_total", reason, now, before);
        }
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
        count_all("portcullis_notices_total", &now.notices, &before.notices);
        count_all(
            "portcullis_operations_total",
            &now.operations,
            &before.operations,
        );
        let lost = now.records_lost.saturating_sub(before.records_lost);
        counter!("portcullis_records_lost_total").increment(lost);
        let running = gauge!("portcullis_requests_running");
        #[expect(clippy::cast_precision_loss, reason = "nobody runs 2^52 requests")]
        match now.running.checked_sub(before.running) {
            Some(more) => running.increment(more as f64),
            None => running.decrement(before.running.abs_diff(now.running) as f64),
        }
        *last = Some(now);
    }
}

/// How many requests were let in with a principal: a gate has no others but anonymous ones.
fn identified(stats: &Stats) -> u64 {
    stats.admitted.saturating_sub(stats.admitted_anonymous)
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
            "portcullis_notices_total",
            "what was learnt of issuers without a request, by reason code",
        ),
        (
            "portcullis_operations_total",
            "what came of what operators were permitted to end or revoke, by reason code",
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
        with_local_recorder,
    };

    use super::*;

    /// Adds up what is let in.
    #[derive(Default)]
    struct Admitted(Arc<AtomicU64>);

    impl Recorder for Admitted {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            match key.labels().any(|label| label.value() == "admitted") {
                true => Counter::from_arc(Arc::clone(&self.0)),
                false => Counter::noop(),
            }
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    /// Whoever comes second has counted second: the counters are read under the lock.
    #[test]
    fn what_two_hand_over_at_once_is_not_counted_twice() {
        let (published, recorder) = (Published::default(), Admitted::default());
        let admitted = AtomicU64::new(0);
        let publish = || {
            with_local_recorder(&recorder, || {
                published.publish(|| {
                    assert!(
                        published.0.try_lock().is_err(),
                        "it is read outside of the lock"
                    );
                    Stats {
                        admitted: admitted.fetch_add(10, Ordering::Relaxed) + 10,
                        ..Stats::default()
                    }
                });
            });
        };
        for _ in 0..3 {
            publish();
        }
        assert_eq!(recorder.0.load(Ordering::Relaxed), 30);
    }
}
