//! The counters, as the facade `metrics` is given them.

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
use portcullis_tests::{
    patience::settle,
    streams::{TICK, streaming},
};
use tower::{Layer as _, ServiceExt as _};

use crate::world::{World, answer, request, request_as};

/// Keeps every series.
#[derive(Default)]
struct Series {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<Vec<String>>,
}

impl Series {
    fn at(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{} {}", key.name(), labels.join(","));
        let mut counters = self.counters.lock().unwrap();
        Arc::clone(counters.entry(name.trim_end().to_owned()).or_default())
    }

    fn value(&self, name: &str) -> Option<u64> {
        let counters = self.counters.lock().unwrap();
        Some(counters.get(name)?.load(Ordering::Relaxed))
    }

    fn gauge(&self, name: &str) -> Option<f64> {
        self.value(name).map(f64::from_bits)
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

#[tokio::test]
async fn what_was_counted_since_the_last_time_is_handed_over() {
    let (world, other) = (World::new(), World::new());
    let series = Series::default();
    let publish = |world: &World| with_local_recorder(&series, || world.handle.publish_metrics());
    let stream = world
        .gate
        .layer(streaming(&world.clock, "text/event-stream", TICK));
    let stream = stream.oneshot(request()).await.unwrap();
    assert_eq!(world.ask(request(), answer()).await, 200);
    assert_eq!(world.ask(request_as("bad"), answer()).await, 401);
    assert_eq!(other.ask(request(), answer()).await, 200);
    settle().await;
    publish(&world);
    publish(&world);
    publish(&other);
    let value = |name: &str| series.value(name).unwrap_or(0);
    assert_eq!(
        value("portcullis_decisions_total reason=admitted"),
        3,
        "of both gates"
    );
    assert_eq!(value("portcullis_decisions_total reason=table_bad"), 1);
    assert_eq!(value("portcullis_requests_ended_total reason=completed"), 2);
    assert_eq!(value("portcullis_sessions_begun_total"), 2);
    assert_eq!(series.gauge("portcullis_requests_running"), Some(1.0));
    drop(stream);
    publish(&world);
    assert_eq!(series.gauge("portcullis_requests_running"), Some(0.0));
    assert_eq!(value("portcullis_requests_ended_total reason=dropped"), 1);

    // Every series says what it is.
    let described = series.described.lock().unwrap().clone();
    for name in series.counters.lock().unwrap().keys() {
        let name = name.split(' ').next().unwrap();
        assert!(described.iter().any(|known| known == name), "{name}");
    }
}

#[tokio::test]
async fn without_a_recorder_nothing_is_lost() {
    let world = World::new();
    assert_eq!(world.ask(request(), answer()).await, 200);
    // Nobody listens yet: a program may install its recorder after its gates are built.
    world.handle.publish_metrics();
    let series = Series::default();
    assert_eq!(world.ask(request(), answer()).await, 200);
    with_local_recorder(&series, || world.handle.publish_metrics());
    assert_eq!(
        series.value("portcullis_decisions_total reason=admitted"),
        Some(1)
    );
}
