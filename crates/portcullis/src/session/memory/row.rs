//! One session in memory.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use portcullis_core::{EndReason, SessionId, SessionRecord, SessionState, Timestamp};

/// A record whose activity can be noted by many at once.
pub(super) struct Row {
    record: SessionRecord,
    /// The record's, in milliseconds, and later than in there.
    active_at: AtomicI64,
    /// Whether a provisional session has begun since.
    has_begun: AtomicBool,
}

impl Row {
    pub(super) fn new(record: SessionRecord) -> Self {
        Self {
            active_at: AtomicI64::new(record.active_at.unix_millis()),
            has_begun: AtomicBool::new(false),
            record,
        }
    }

    /// What was put, not what happened to it since: enough for what nothing changes.
    pub(super) fn record(&self) -> &SessionRecord {
        &self.record
    }

    pub(super) fn to_record(&self) -> SessionRecord {
        let mut record = self.record.clone();
        if self.has_begun.load(Ordering::Acquire) {
            record.state = SessionState::Live;
        }
        record.active_at = Timestamp::from_unix_millis(self.active_at.load(Ordering::Acquire));
        record
    }

    /// As [`SessionRecord::touch`].
    pub(super) fn touch(&self, id: SessionId, at: Timestamp) {
        if self.record.id != id {
            return;
        }
        match self.record.state {
            SessionState::Ended(..) => return,
            SessionState::Provisional(_) => self.has_begun.store(true, Ordering::Release),
            _ => {}
        }
        self.active_at.fetch_max(at.unix_millis(), Ordering::AcqRel);
    }

    /// Whether the session is over, and may not be opened again by whoever opened it. One that
    /// never began, or that a standing credential may open again at once, leaves nothing to
    /// remember.
    pub(super) fn is_tombstone(&self, now: Timestamp) -> bool {
        match self.to_record().over(now) {
            None | Some(EndReason::Abandoned) => false,
            Some(EndReason::Idle | EndReason::Absolute) => self.record.authenticated_at.is_some(),
            Some(_) => true,
        }
    }
}
