//! Where the records of decisions go.
//!
//! Each request has exactly one record of the decision about it, and one more for each
//! [call](crate::authorize) inside it. By default a record goes to `tracing` as one event at
//! INFO, target `portcullis::decision`; another [`AuditSink`] is given to the stack or to a
//! loose layer with `with_audit`.
//!
//! ```
//! use portcullis::audit::{AuditSink, Record, SinkError};
//!
//! /// Prints what was decided, and nothing that a client chose.
//! struct Terse;
//!
//! impl AuditSink for Terse {
//!     fn record(&self, record: &Record<'_>) -> Result<(), SinkError> {
//!         println!("{} {} {}", record.request_id, record.outcome.as_str(), record.reason);
//!         Ok(())
//!     }
//! }
//! ```
//!
#![cfg_attr(
    feature = "audit-log",
    doc = "A [log](log) keeps them in files that show whether somebody changed them."
)]
#![cfg_attr(
    not(feature = "audit-log"),
    doc = "With the feature `audit-log`, `log` keeps them in files that show every change."
)]
//!
//! # A sink that everything waits for
//!
//! An agent that moves money should not do what nobody will be able to prove. A sink that
//! [is strict](AuditSink::is_strict) has the gate wait, after its last layer and before the
//! handler, until the record of the admission is durable; where it cannot be made so, the answer
//! is 503 and the handler is never called. The record of that has the reason
//! [`AUDIT_UNAVAILABLE`](crate::reason::AUDIT_UNAVAILABLE). A permit for a
//! [call](crate::authorize) waits in the same way. To refuse, to end a session and to revoke wait
//! for nobody.
//!
//! Only the gate can wait: a loose layer does not know whether another one decides further in,
//! and refuses to be built with a strict sink. With a sink that is not strict, none of this costs
//! anything.

//!
//! # Metrics
//!
//! What is recorded is counted as well: [`GateHandle::stats`](crate::GateHandle::stats). With the
//! feature `metrics`, `GateHandle::publish_metrics` hands the difference to the last time to the
//! recorder of the crate `metrics` that is installed by then; nothing is done for it on the way of
//! a request. No label holds anything that a client chose.
//!
//! | metric | label | what it counts |
//! |---|---|---|
//! | `portcullis_decisions_total` | `reason` | decisions about requests, those that let in among them |
//! | `portcullis_requests_ended_total` | `reason` | requests that were let in and have ended |
//! | `portcullis_requests_running` | | requests that are in right now: a gauge |
//! | `portcullis_calls_total` | `reason` | decisions about calls inside requests |
//! | `portcullis_sessions_begun_total` | | sessions that have begun |
//! | `portcullis_session_ends_total` | `reason` | what was ended because its session was over |
//! | `portcullis_drifts_total` | `reason` | requests from elsewhere than their session |
//! | `portcullis_notices_total` | `reason` | what was learnt of issuers without a request |
//! | `portcullis_operations_total` | `reason` | what came of what operators were permitted to end or revoke |
//! | `portcullis_records_lost_total` | | records that the sink did not take |

#[cfg(feature = "audit-log")]
pub mod log;
#[cfg(feature = "metrics")]
mod metrics;
mod stats;
mod tracing_sink;

use std::sync::Arc;

pub use portcullis_core::{AuditSink, Durable, Outcome, Record, RecordKind, RequestId, SinkError};

#[cfg(feature = "metrics")]
pub(crate) use self::metrics::Published;
pub(crate) use self::{stats::Counters, tracing_sink::Escaped};
pub use self::{stats::Stats, tracing_sink::TracingSink};

/// Where a layer writes to: the sink, and the counters beside it.
pub(crate) struct Recorder {
    sink: Arc<dyn AuditSink>,
    counters: Arc<Counters>,
    is_strict: bool,
}

impl Recorder {
    pub(crate) fn new(sink: Arc<dyn AuditSink>) -> Self {
        Self {
            is_strict: sink.is_strict(),
            sink,
            counters: Arc::default(),
        }
    }

    /// Whether nothing may be let in before its record is durable.
    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict && !portcullis_core::sabotaged!("audit.strict")
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(crate) fn write(&self, record: &Record<'_>) {
        self.counters.count(record);
        self.send(record);
    }

    /// Writes the record of something that waits for it. It counts once it is let in.
    pub(crate) fn commit(&self, record: &Record<'_>) -> Durable {
        self.sink.commit(record)
    }

    /// Completes when what the sink has taken is durable.
    pub(crate) fn flush(&self) -> Durable {
        self.sink.flush()
    }

    /// Writes a record about something that happened. How requests ended is counted where they
    /// end.
    pub(crate) fn write_event(&self, record: &Record<'_>) {
        if record.kind != RecordKind::End {
            self.counters.count(record);
        }
        self.send(record);
    }

    fn send(&self, record: &Record<'_>) {
        if let Err(error) = self.sink.record(record) {
            self.counters.count_lost();
            tracing::error!(
                target: "portcullis",
                request_id = %record.request_id,
                "the audit sink did not take a record: {error}",
            );
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}
