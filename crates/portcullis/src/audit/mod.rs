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

mod stats;
mod tracing_sink;

use std::sync::Arc;

pub use portcullis_core::{AuditSink, Outcome, Record, RecordKind, RequestId, SinkError};

pub(crate) use self::{stats::Counters, tracing_sink::Escaped};
pub use self::{stats::Stats, tracing_sink::TracingSink};

/// Where a layer writes to: the sink, and the counters beside it.
#[derive(Clone)]
pub(crate) struct Recorder {
    sink: Arc<dyn AuditSink>,
    counters: Arc<Counters>,
}

impl Recorder {
    pub(crate) fn new(sink: Arc<dyn AuditSink>) -> Self {
        Self {
            sink,
            counters: Arc::default(),
        }
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(crate) fn write(&self, record: &Record<'_>) {
        self.counters.count(record);
        self.write_event(record);
    }

    /// Writes a record that is no decision about a request, and counts as none.
    pub(crate) fn write_event(&self, record: &Record<'_>) {
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
