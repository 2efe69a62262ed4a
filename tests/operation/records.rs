//! What becomes of the records when a gate is shut down.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use portcullis::audit::{AuditSink, Durable, Record, SinkError};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{fixtures::stack_builder, patience::settle};

use crate::world::{GRACE, World, answer, request};

/// A sink that keeps back what it has, and what it says when it is asked for it.
#[derive(Clone)]
struct Keeping {
    audit: RecordingAudit,
    is_flushed: Arc<AtomicBool>,
    says: fn() -> Durable,
}

impl AuditSink for Keeping {
    fn record(&self, record: &Record<'_>) -> Result<(), SinkError> {
        assert!(
            !self.is_flushed.load(Ordering::SeqCst),
            "a record after the end"
        );
        self.audit.record(record)
    }

    fn flush(&self) -> Durable {
        self.is_flushed.store(true, Ordering::SeqCst);
        (self.says)()
    }
}

async fn shut_down_with(says: fn() -> Durable) -> (World, Result<(), SinkError>) {
    let keeping = Keeping {
        audit: RecordingAudit::new(),
        is_flushed: Arc::default(),
        says,
    };
    let is_flushed = Arc::clone(&keeping.is_flushed);
    let world = World::with(|stack| stack.with_audit(keeping));
    assert_eq!(world.ask(request(), answer()).await, 200);
    let shutting = world.shut().await;
    assert!(is_flushed.load(Ordering::SeqCst));
    world.pass(5).await;
    let shutdown = shutting.await.unwrap();
    (world, shutdown.audit)
}

#[tokio::test]
async fn the_sink_is_asked_to_have_everything_durable_and_what_it_says_is_told() {
    let (_, said) = shut_down_with(|| Durable::ready(Ok(()))).await;
    assert!(said.is_ok());
    let (_, said) = shut_down_with(|| {
        Durable::new(async {
            settle().await;
            Err(SinkError::new("the disk is full"))
        })
    })
    .await;
    assert_eq!(said.unwrap_err().to_string(), "the disk is full");
}

#[tokio::test]
async fn a_sink_that_does_not_answer_is_not_waited_for_for_ever() {
    let (_, said) = shut_down_with(|| Durable::new(std::future::pending())).await;
    let error = said.unwrap_err().to_string();
    assert!(error.contains("not said in time"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_log_holds_every_record_when_the_gate_is_shut_down() {
    let folder = portcullis_tests::folder::TestFolder::new();
    let log = portcullis::audit::log::AuditLog::builder(folder.path())
        .open()
        .unwrap();
    let (gate, handle) = stack_builder(&RecordingAudit::new())
        .with_clock(VirtualClock::new())
        .with_audit(log.clone())
        .build()
        .unwrap();
    let world = World {
        clock: VirtualClock::new(),
        audit: RecordingAudit::new(),
        gate,
        handle,
    };
    for _ in 0..100 {
        assert_eq!(world.ask(request(), answer()).await, 200);
    }
    world.handle.shutdown(GRACE).await.audit.unwrap();
    // Before it is closed.
    let report = portcullis::audit::log::verify(folder.path()).run().unwrap();
    // A session, and for each request its decision and its end.
    assert!(report.records >= 200, "{report:?}");
    assert_eq!(log.stats().lost, 0);
}
