//! How a log comes to its end.

use std::{sync::mpsc, thread};

use portcullis_core::{AuditSink as _, Outcome, SinkError};

use super::{
    super::{AuditLog, Head},
    bench::{Bench, START, record},
    disk::{Fault, FaultyDisk},
};

/// A log whose writer has a thread of its own.
fn started(bench: Bench) -> (AuditLog, FaultyDisk) {
    let Bench {
        shared,
        writer,
        disk,
        ..
    } = bench;
    let thread = thread::spawn(move || writer.run());
    (AuditLog::new(shared, thread), disk)
}

fn said(result: Result<Head, SinkError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_log_that_has_died_says_so_and_counts_what_it_took() {
    let mut bench = Bench::new(|builder| builder.with_flood_threshold(1));
    let refused = |n| {
        let mut record = record(n, START);
        record.outcome = Outcome::Refused;
        record
    };
    for n in 0..4 {
        bench.shared.take(&refused(n)).unwrap();
    }
    bench.disk.plan(&[Fault::Panic]);
    assert!(bench.record(|_| {}));
    let (log, disk) = started(bench);
    assert!(log.flush().is_err());
    let clone = log.clone();
    for log in [&log, &clone] {
        let closed = said(log.close());
        assert!(closed.contains("panicked"), "{closed}");
        assert!(log.record(&refused(9)).is_err(), "nobody will sum it up");
        assert!(log.record(&record(10, START)).is_err());
    }
    assert_eq!(log.stats().written, 0);
    assert_eq!(log.stats().lost, 5, "three of them in a sum");
    assert_eq!(disk.syncs(), 1, "that of the start");
}

#[test]
fn whoever_closes_a_log_as_well_waits_until_it_is_closed() {
    let bench = Bench::new(|builder| builder);
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    bench.disk.0.lock().unwrap().hold = Some((begun, may_go_on));
    let (log, disk) = started(bench);
    thread::scope(|scope| {
        let first = scope.spawn(|| log.clone().close().unwrap());
        has_begun.recv().unwrap();
        let (called, is_called) = mpsc::channel();
        let second = scope.spawn({
            let log = log.clone();
            move || {
                called.send(()).unwrap();
                log.close().unwrap()
            }
        });
        is_called.recv().unwrap();
        // More than enough for a call that does not wait.
        for _ in 0..10_000 {
            thread::yield_now();
        }
        let is_early = second.is_finished();
        go_on.send(()).unwrap();
        assert_eq!(first.join().unwrap(), second.join().unwrap());
        assert!(!is_early);
    });
    assert_eq!(disk.kinds(), ["head", "close"]);
}

#[test]
fn a_head_sink_that_panics_stops_nothing() {
    let bench = Bench::new(|builder| {
        builder.with_head_sink(|_: &Head| panic!("this sink was told to panic"))
    });
    assert!(bench.shared.take(&record(1, START)).is_ok());
    let (log, disk) = started(bench);
    log.flush().unwrap();
    let head = log.close().unwrap();
    assert_eq!(head, log.head());
    assert_eq!(disk.kinds(), ["head", "decision", "close"]);
    let stats = log.stats();
    assert_eq!((stats.written, stats.lost), (1, 0));
    assert_eq!(stats.head_failures, 2, "at the start and at the end");
}
