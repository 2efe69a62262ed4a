//! A disk that fails, as the facade `metrics` is told of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};

use super::super::{handle::LogStats, metrics::Published};

#[derive(Default)]
struct Series(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Series {
    fn at(&self, name: &str) -> Arc<AtomicU64> {
        Arc::clone(self.0.lock().unwrap().entry(name.to_owned()).or_default())
    }

    fn failing(&self) -> f64 {
        let bits = self.at("portcullis_audit_log_failing");
        f64::from_bits(bits.load(Ordering::Relaxed))
    }
}

impl Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.at(key.name()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.at(key.name()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn logs_that_fail_are_counted_for_as_long_as_they_do() {
    let series = Series::default();
    let (one, two) = (Published::default(), Published::default());
    let publish = |log: &Published, is_failing: bool, failures: u64| {
        let stats = LogStats {
            is_failing,
            failures,
            lost: failures * 10,
            ..LogStats::default()
        };
        with_local_recorder(&series, || {
            log.publish(|| {
                assert!(log.is_taken(), "it is read outside of the lock");
                stats
            });
        });
        series.failing()
    };
    assert_eq!(publish(&one, true, 1), 1.0);
    assert_eq!(publish(&one, true, 3), 1.0);
    assert_eq!(publish(&two, true, 1), 2.0);
    assert_eq!(publish(&one, false, 3), 1.0);
    assert_eq!(publish(&two, false, 1), 0.0);
    let count = |name: &str| series.at(name).load(Ordering::Relaxed);
    assert_eq!(count("portcullis_audit_log_failures_total"), 4);
    assert_eq!(count("portcullis_audit_log_records_lost_total"), 40);
}
