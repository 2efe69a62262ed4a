//! Where records go, and what that costs.

use std::{
    cell::Cell,
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use portcullis::{
    Clock as _, Evidence, EvidenceKind, ReasonCode, RequestId, SystemClock, Timestamp,
    audit::{
        AuditSink, Outcome, Record, TracingSink,
        log::{AuditLog, Mode},
    },
};
use tracing::{Dispatch, dispatcher};

use crate::Variant;

/// A folder that is gone when this is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("portcullis-bench-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What is written down of an ordinary request.
fn record<'a>(n: u128, principal: &'a Evidence) -> Record<'a> {
    let mut record = Record::new(
        RequestId::from_u128(n),
        Timestamp::from_unix_seconds(1_767_225_600),
        Outcome::Admitted,
        "authn",
        ReasonCode::new("admitted"),
        &Method::POST,
        "/chat",
    );
    record.principal = Some(principal);
    record.authenticator = Some("jwt");
    record.client_address = Some([192, 0, 2, 1].into());
    record
}

fn principal() -> Evidence {
    Evidence::new(EvidenceKind::User, "https://idp.example", "alice").with_client("app")
}

/// Taking one record: what a request waits for.
///
/// | name | what is measured |
/// |---|---|
/// | `audit.log` | into an audit log, whose thread writes it meanwhile |
/// | `audit.tracing_json` | as a line of JSON by `tracing-subscriber`, which nobody keeps |
/// | `audit.flush` | waiting until all that the log has taken is durable |
///
/// From here on somebody listens to `tracing`, which costs whatever is measured later: so these
/// are measured last, and are not among [`variants`](crate::variants).
///
/// # Panics
///
/// The log cannot be opened.
#[must_use]
pub fn taking() -> Vec<Variant> {
    let folder = Folder::new("taking");
    // Room for all that the runs of a measurement take, whatever the disk does meanwhile.
    let log = AuditLog::builder(folder.path())
        .with_max_queued(1 << 20, 1 << 30)
        .open()
        .expect("the log opens");
    let written = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&written);
    let json = tracing_subscriber::fmt()
        .json()
        .with_writer(move || Counted(Arc::clone(&counter)))
        .finish();
    let json = Dispatch::new(json);
    let traced = into(TracingSink::new());
    // The first event of its place in the source decides whether it is ever looked at again.
    dispatcher::with_default(&json, || {
        tracing::callsite::rebuild_interest_cache();
        traced();
    });
    let (flushed, taken) = (log.clone(), into(log));
    vec![
        Variant::new("audit.tracing_json", move || {
            dispatcher::with_default(&json, &traced);
            assert!(written.load(Ordering::Relaxed) > 0, "nobody listens");
        }),
        Variant::new("audit.log", taken),
        // Also leaves the writer nothing to do for the round that follows.
        Variant::new("audit.flush", move || {
            let _ = &folder;
            flushed.flush().expect("the disk takes it");
        }),
    ]
}

/// Counts what is written, and keeps nothing of it.
struct Counted(Arc<AtomicU64>);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn into(sink: impl AuditSink) -> impl Fn() {
    let (n, principal) = (Cell::new(0), principal());
    move || {
        n.set(n.get() + 1);
        sink.record(&record(n.get(), &principal))
            .expect("there is room");
    }
}

/// How many records become durable in a second, if so many are waited for at once.
///
/// # Panics
///
/// The log cannot be written.
#[must_use]
pub fn durable_in_a_second(at_once: usize) -> f64 {
    const FOR: Duration = Duration::from_secs(2);
    let folder = Folder::new("strict");
    let log = AuditLog::builder(folder.path())
        .with_mode(Mode::Strict)
        .open()
        .expect("the log opens");
    let clock = SystemClock::new();
    let start = clock.instant();
    let done = Rc::new(Cell::new(0_u64));
    let tasks = tokio::task::LocalSet::new();
    for _ in 0..at_once {
        let (log, done) = (log.clone(), Rc::clone(&done));
        tasks.spawn_local(async move {
            let principal = principal();
            while clock.instant() - start < FOR {
                let durable = log.commit(&record(7, &principal));
                durable.await.expect("the disk takes it");
                done.set(done.get() + 1);
            }
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(tasks);
    done.get() as f64 / (clock.instant() - start).as_secs_f64()
}
