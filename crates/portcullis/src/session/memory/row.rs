//! One session in memory.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use portcullis_core::{EndReason, EvidenceKind, SessionId, SessionRecord, SessionState, Timestamp};

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

    /// What forgetting the session would cost.
    pub(super) fn loss(&self, now: Timestamp) -> Loss {
        let record = self.to_record();
        let is_standing = record.kind == EvidenceKind::Standing;
        match record.over(now) {
            None => Loss::Life,
            Some(EndReason::Abandoned) => record.barred_until.map_or(Loss::Nothing, Loss::Bar),
            Some(EndReason::Idle | EndReason::Absolute) if is_standing => Loss::Nothing,
            // A standing credential proves nothing that could be later.
            Some(_) if is_standing => Loss::Life,
            Some(_) => {
                let own = record.authenticated_at.unwrap_or(record.opened_at);
                Loss::Bar(record.barred_until.map_or(own, |bar| bar.max(own)))
            }
        }
    }
}

/// What forgetting a session would cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    /// Nothing: it never began, or may be opened again at once.
    Nothing,
    /// That whoever authenticated no later than this stays out.
    Bar(Timestamp),
    /// A session that lives, or one that must never be opened again.
    Life,
}
