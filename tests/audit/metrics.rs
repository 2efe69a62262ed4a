//! How a log fares, as the facade `metrics` is given it.

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
use portcullis::audit::{AuditSink as _, Outcome, log::AuditLog};
use portcullis_tests::folder::TestFolder;

use crate::log::{record, write};

/// Keeps every series.
#[derive(Default)]
struct Series {
    values: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<Vec<String>>,
}

impl Series {
    fn at(&self, key: &Key) -> Arc<AtomicU64> {
        let mut values = self.values.lock().unwrap();
        Arc::clone(values.entry(key.name().to_owned()).or_default())
    }

    fn bits(&self, name: &str) -> u64 {
        let values = self.values.lock().unwrap();
        let value = values.get(&format!("portcullis_audit_log_{name}"));
        value.unwrap().load(Ordering::Relaxed)
    }
}

impl Recorder for Series {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push(key.as_str().to_owned());
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push(key.as_str().to_owned());
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.at(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.at(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn how_a_log_fared_since_the_last_time_is_handed_over() {
    let (folder, other) = (TestFolder::new(), TestFolder::new());
    let series = Series::default();
    let publish = |log: &AuditLog| with_local_recorder(&series, || log.publish_metrics());
    let log = write(folder.path(), 2);
    publish(&log);
    publish(&log);
    assert_eq!(series.bits("records_written_total"), 2);
    assert_eq!(f64::from_bits(series.bits("failing")), 0.0);
    let mut refused = record(3);
    refused.outcome = Outcome::Refused;
    for _ in 0..65 {
        log.record(&refused).unwrap();
    }
    log.flush().unwrap();
    publish(&log);
    let more = write(other.path(), 3);
    publish(&more);
    publish(&more.clone());
    // The sum of what has no line of its own is one.
    assert_eq!(series.bits("records_written_total"), 2 + 60 + 1 + 3);
    assert_eq!(series.bits("refusals_summed_up_total"), 5);
    assert_eq!(series.bits("records_lost_total"), 0);
    assert_eq!(series.bits("failures_total"), 0);

    // Every series says what it is, and stands in the documentation.
    let described = series.described.lock().unwrap().clone();
    let page = include_str!("../../crates/portcullis/src/audit/log/mod.rs");
    let names: Vec<_> = series.values.lock().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 5);
    for name in names {
        assert!(described.contains(&name), "{name}");
        assert!(page.contains(&format!("//! | `{name}` | ")), "{name}");
    }
}
