//! How a log comes to its end.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use portcullis_core::{AuditSink, Outcome, SinkError};

use super::{
    super::{AuditLog, Head, queue::Shared},
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

#[test]
fn a_head_sink_that_waits_for_the_log_is_told_that_it_cannot() {
    let own = Arc::new(OnceLock::<AuditLog>::new());
    let said = Arc::new(Mutex::new(Vec::new()));
    let bench = Bench::new({
        let (own, said) = (Arc::clone(&own), Arc::clone(&said));
        move |builder| {
            builder.with_head_sink(move |_: &Head| {
                let Some(log) = own.get() else { return };
                let mut flush = AuditSink::flush(log);
                let waiting =
                    std::pin::Pin::new(&mut flush).poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(waiting, Poll::Ready(Err(_))));
                said.lock().unwrap().extend([log.flush(), log.close()]);
            })
        }
    });
    let (log, disk) = started(bench);
    own.set(log.clone()).unwrap();
    log.close().unwrap();
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 2);
    for result in said.iter() {
        let error = result.as_ref().unwrap_err().to_string();
        assert!(error.contains("hand the head on"), "{error}");
    }
    assert_eq!(disk.kinds(), ["head", "close"]);
    assert_eq!(log.stats().head_failures, 0);
}

/// Asks how the log fares as soon as it is woken.
struct Curious {
    shared: Arc<Shared>,
    is_woken: AtomicBool,
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        assert!(!self.shared.is_failing());
        self.is_woken.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_is_woken_by_the_end_of_a_log_may_ask_how_it_fares() {
    let mut bench = Bench::new(|builder| builder);
    let mut told = bench.wait_for_a_record();
    let curious = Arc::new(Curious {
        shared: Arc::clone(&bench.shared),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&curious));
    let waiting = std::pin::Pin::new(&mut told).poll(&mut Context::from_waker(&waker));
    assert!(waiting.is_pending());
    // Waits for itself if the queue is locked meanwhile.
    bench.shared.end(false);
    assert!(curious.is_woken.load(Ordering::Relaxed));
}
