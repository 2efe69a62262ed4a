//! One session in memory, packed: there may be a million of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{
    BindingReference, EndReason, EvidenceKind, FamilyKey, SessionId, SessionKey, SessionRecord,
    SessionState, StoredData, Timestamp,
};

use super::loss::Loss;

/// No time, where there may be one. Nobody authenticated so long ago.
const NONE: i64 = i64::MIN;

/// A record whose activity can be noted by many at once. Times are in milliseconds.
pub(super) struct Row {
    key: SessionKey,
    family: FamilyKey,
    id: SessionId,
    opened_at: i64,
    /// The record's, or later.
    active_at: AtomicI64,
    ends_at: i64,
    authenticated_at: i64,
    barred_until: i64,
    /// The time that belongs to the phase.
    phase_at: i64,
    data: Option<Arc<StoredData>>,
    /// Not boxed: that would cost those who have one more than it saves the others.
    binding: BindingReference,
    idle_seconds: u32,
    phase: Phase,
    kind: EvidenceKind,
    /// Whether a provisional session has begun since it was put here.
    has_begun: AtomicBool,
}

/// A [`SessionState`] without its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Provisional,
    Live,
    Ended(EndReason),
}

impl Row {
    pub(super) fn new(record: SessionRecord) -> Self {
        let millis = |at: Option<Timestamp>| at.map_or(NONE, Timestamp::unix_millis);
        let (phase, phase_at) = match record.state {
            SessionState::Provisional(until) => (Phase::Provisional, Some(until)),
            SessionState::Ended(at, reason) => (Phase::Ended(reason), Some(at)),
            // Also any state that this store does not know, which no layer of ours writes.
            _ => (Phase::Live, None),
        };
        Self {
            key: record.key,
            family: record.family,
            id: record.id,
            opened_at: record.opened_at.unix_millis(),
            active_at: AtomicI64::new(record.active_at.unix_millis()),
            ends_at: record.ends_at.unix_millis(),
            authenticated_at: millis(record.authenticated_at),
            barred_until: millis(record.barred_until),
            phase_at: millis(phase_at),
            idle_seconds: u32::try_from(record.idle().as_secs()).unwrap_or(u32::MAX),
            phase,
            kind: record.kind,
            has_begun: AtomicBool::new(false),
            data: record.data,
            binding: record.binding,
        }
    }

    pub(super) fn key(&self) -> SessionKey {
        self.key
    }

    /// Whether something ended it.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    pub(super) fn to_record(&self) -> SessionRecord {
        let at = Timestamp::from_unix_millis;
        let may_be = |millis: i64| (millis != NONE).then(|| at(millis));
        let mut record = SessionRecord::new(
            self.key,
            self.family,
            self.id,
            self.kind,
            at(self.opened_at),
            Duration::from_secs(u64::from(self.idle_seconds)),
            at(self.ends_at),
        );
        record.active_at = at(self.active_at.load(Ordering::Acquire));
        record.authenticated_at = may_be(self.authenticated_at);
        record.barred_until = may_be(self.barred_until);
        record.data.clone_from(&self.data);
        record.binding = self.binding;
        record.state = match self.phase {
            Phase::Ended(reason) => SessionState::Ended(at(self.phase_at), reason),
            Phase::Provisional if !self.has_begun.load(Ordering::Acquire) => {
                SessionState::Provisional(at(self.phase_at))
            }
            Phase::Provisional | Phase::Live => SessionState::Live,
        };
        record
    }

    /// As [`SessionRecord::touch`].
    pub(super) fn touch(&self, id: SessionId, at: Timestamp) -> bool {
        let millis = at.unix_millis();
        let active_at = self.active_at.load(Ordering::Acquire);
        let idle_at = active_at.saturating_add(i64::from(self.idle_seconds) * 1000);
        if self.id != id || millis >= self.ends_at || millis >= idle_at {
            return false;
        }
        let mut begins = false;
        match self.phase {
            Phase::Ended(_) => return false,
            Phase::Provisional if !self.has_begun.load(Ordering::Acquire) => {
                if millis >= self.phase_at {
                    return false;
                }
                // Of many at once, one begins it.
                begins = !self.has_begun.swap(true, Ordering::AcqRel);
            }
            Phase::Provisional | Phase::Live => {}
        }
        self.active_at.fetch_max(millis, Ordering::AcqRel);
        begins
    }

    /// What forgetting the session would cost.
    pub(super) fn loss(&self, now: Timestamp) -> Loss {
        Loss::of(&self.to_record(), now)
    }
}
