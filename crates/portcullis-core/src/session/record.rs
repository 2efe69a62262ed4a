//! One session, as a store keeps it.

use std::{sync::Arc, time::Duration};

use super::{BindingReference, StoredData};
use crate::{EvidenceKind, Timestamp, hash::hashes};

hashes! {
    /// Whose sessions: a keyed hash of issuer and subject.
    OwnerKey;
    /// What one session of an owner is found by: a keyed hash of who calls, and with which kind
    /// of credential, client, session at the issuer and proof key.
    SessionKey;
    /// What sessions have in common that one authentication can open: a keyed hash of issuer,
    /// subject and client.
    FamilyKey;
    /// The name of a session in records: 128 random bits, drawn anew whenever the session is
    /// opened again. It is no credential, and nothing is found by it.
    SessionId;
}

/// One session, as a store keeps it: plain data. A store that keeps bytes has
/// [`to_bytes`](Self::to_bytes) and [`from_bytes`](Self::from_bytes); one that keeps columns
/// makes it again by [`new`](Self::new), and by setting the fields that are left.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis_core::{
///     EndReason, EvidenceKind, FamilyKey, SessionId, SessionKey, SessionRecord, Timestamp,
/// };
///
/// let at = Timestamp::from_unix_seconds(1_767_225_600);
/// let hour = Duration::from_secs(3600);
/// let record = SessionRecord::new(
///     SessionKey::from_u128(1), FamilyKey::from_u128(2), SessionId::from_u128(3),
///     EvidenceKind::User, at, hour, at + 8 * hour,
/// );
/// assert_eq!(record.over(at + hour / 2), None);
/// assert_eq!(record.over(at + hour), Some(EndReason::Idle));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionRecord {
    /// What it is found by.
    pub key: SessionKey,
    /// What it has in common with others.
    pub family: FamilyKey,
    /// Its name in records.
    pub id: SessionId,
    /// The kind of evidence that opened it.
    pub kind: EvidenceKind,
    /// Whether it has begun, and whether something has ended it.
    pub state: SessionState,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last active.
    pub active_at: Timestamp,
    /// When it ends, however active it is.
    pub ends_at: Timestamp,
    /// The latest authentication that it has seen, by the issuer's clock.
    pub authenticated_at: Option<Timestamp>,
    /// The latest authentication of all sessions of the family that were over when this one
    /// was opened and are not kept for its sake: what has to be outdone to open another. Of a
    /// standing credential: when the latest of those was ended.
    pub barred_until: Option<Timestamp>,
    /// How long it may be inactive, in seconds.
    idle: u32,
    /// Where it came from, where a `binding` layer compares that.
    pub binding: BindingReference,
    /// What a handler keeps in it, and what a cookie of it is held against.
    pub data: Option<Arc<StoredData>>,
}

/// Whether a session has begun, and whether something has ended it. That it is idle or too
/// old is no state: it follows from the time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SessionState {
    /// Nobody has answered in it yet. It counts until this time.
    Provisional(Timestamp),
    /// It has begun.
    Live,
    /// Something ended it, at this time.
    Ended(Timestamp, EndReason),
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// It never began: the first request of it was refused, or went away.
    Abandoned,
    /// It reached the end of its time.
    Absolute,
    /// The credential that a request came with has ended. The session goes on, with another.
    CredentialExpired,
    /// A handler asked for its end.
    Ended,
    /// It was inactive for too long.
    Idle,
    /// The user authenticated too long ago. The session goes on with a later authentication. No
    /// record says so.
    Reauthentication,
    /// Somebody outside of it ended it.
    Revoked,
    /// The server on which something ran in it is shut down. The session goes on, elsewhere or
    /// later. No record says so.
    Shutdown,
    /// Nobody could say for too long whether it lives, so what ran in it on one server was ended. The
    /// session may go on. No record says so.
    Unconfirmed,
}

impl EndReason {
    /// A stable name: `abandoned`, `absolute`, `credential_expired`, `ended`, `idle`,
    /// `reauthentication`, `revoked`, `shutdown`, `unconfirmed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Absolute => "absolute",
            Self::CredentialExpired => "credential_expired",
            Self::Ended => "ended",
            Self::Idle => "idle",
            Self::Reauthentication => "reauthentication",
            Self::Revoked => "revoked",
            Self::Shutdown => "shutdown",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

impl SessionRecord {
    /// A session that has begun at `at`. `idle` counts in whole seconds, at least one.
    #[must_use]
    pub fn new(
        key: SessionKey,
        family: FamilyKey,
        id: SessionId,
        kind: EvidenceKind,
        at: Timestamp,
        idle: Duration,
        ends_at: Timestamp,
    ) -> Self {
        Self {
            key,
            family,
            id,
            kind,
            state: SessionState::Live,
            opened_at: at,
            active_at: at,
            ends_at,
            authenticated_at: None,
            barred_until: None,
            idle: u32::try_from(idle.as_secs()).unwrap_or(u32::MAX).max(1),
            binding: BindingReference::default(),
            data: None,
        }
    }

    /// How long it may be inactive.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        Duration::from_secs(self.idle as u64)
    }

    /// Why the session is over at `now`; `None` if it is not.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> Option<EndReason> {
        match self.state {
            SessionState::Ended(_, reason) => Some(reason),
            SessionState::Provisional(until) if now >= until => Some(EndReason::Abandoned),
            _ if now >= self.ends_at => Some(EndReason::Absolute),
            _ if now >= self.active_at + self.idle() => Some(EndReason::Idle),
            _ => None,
        }
    }

    /// When it is over at the latest, if nothing more happens in it.
    #[must_use]
    pub fn over_at(&self) -> Timestamp {
        let lapses_at = self.ends_at.min(self.active_at + self.idle());
        match self.state {
            SessionState::Ended(at, _) => at,
            SessionState::Provisional(until) => until.min(lapses_at),
            SessionState::Live => lapses_at,
        }
    }

    /// Notes activity: what every store does in [`touch`](super::SessionStore::touch). A
    /// session that is over at that time, or is another one by now, stays as it is: nothing that
    /// comes late wakes it. Activity only ever becomes later, and a provisional session begins:
    /// says whether it has begun by this.
    pub fn touch(&mut self, id: SessionId, at: Timestamp) -> bool {
        if self.id != id || self.over(at).is_some() {
            return false;
        }
        let begins = matches!(self.state, SessionState::Provisional(_));
        self.state = SessionState::Live;
        self.active_at = self.active_at.max(at);
        begins
    }

    /// Takes over the activity of the record that this one replaces: what every store does in
    /// [`commit`](super::SessionStore::commit), since a touch may have come in between.
    pub fn succeed(&mut self, replaced: &Self) {
        if self.id != replaced.id {
            return;
        }
        self.active_at = self.active_at.max(replaced.active_at);
        if matches!(self.state, SessionState::Provisional(_)) {
            self.state = replaced.state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn record() -> SessionRecord {
        SessionRecord::new(
            SessionKey::from_u128(1),
            FamilyKey::from_u128(2),
            SessionId::from_u128(3),
            EvidenceKind::User,
            AT,
            60 * SECOND,
            AT + 100 * SECOND,
        )
    }

    #[test]
    fn ends_by_the_first_of_its_deadlines() {
        let mut record = record();
        assert_eq!(record.over_at(), AT + 60 * SECOND);
        assert_eq!(record.over(AT + 59 * SECOND), None);
        assert_eq!(record.over(AT + 60 * SECOND), Some(EndReason::Idle));
        record.touch(record.id, AT + 50 * SECOND);
        assert_eq!(record.over(AT + 99 * SECOND), None);
        assert_eq!(record.over(AT + 100 * SECOND), Some(EndReason::Absolute));
        assert_eq!(record.over_at(), AT + 100 * SECOND);
        record.state = SessionState::Ended(AT, EndReason::Revoked);
        assert_eq!(record.over(AT - SECOND), Some(EndReason::Revoked));
        assert_eq!(record.over_at(), AT);
    }

    #[test]
    fn begins_with_its_first_touch_or_never() {
        let mut record = record();
        record.state = SessionState::Provisional(AT + SECOND);
        assert_eq!(record.over(AT), None);
        assert_eq!(record.over(AT + SECOND), Some(EndReason::Abandoned));
        assert_eq!(record.over_at(), AT + SECOND);
        assert!(!record.touch(SessionId::from_u128(9), AT), "another");
        assert!(!record.touch(record.id, AT + SECOND), "too late");
        assert!(record.touch(record.id, AT));
        assert!(!record.touch(record.id, AT), "it has begun already");
        assert_eq!(record.over(AT + SECOND), None);
    }

    #[test]
    fn a_touch_neither_goes_back_nor_wakes_the_dead_nor_meets_another() {
        let mut record = record();
        record.touch(record.id, AT + SECOND);
        record.touch(record.id, AT);
        assert_eq!(record.active_at, AT + SECOND);
        record.touch(SessionId::from_u128(9), AT + 2 * SECOND);
        assert_eq!(record.active_at, AT + SECOND);
        let idle = record.clone();
        record.touch(record.id, AT + 61 * SECOND);
        assert_eq!(record, idle, "it is over by then");
        record.state = SessionState::Ended(AT, EndReason::Ended);
        record.touch(record.id, AT + 2 * SECOND);
        assert_eq!(record.over(AT), Some(EndReason::Ended));
    }

    #[test]
    fn a_successor_keeps_the_activity_of_the_same_session_only() {
        let mut old = record();
        old.touch(old.id, AT + 5 * SECOND);
        let mut new = record();
        new.state = SessionState::Provisional(AT + SECOND);
        new.succeed(&old);
        assert_eq!(
            (new.active_at, new.state),
            (AT + 5 * SECOND, SessionState::Live)
        );
        let mut other = record();
        other.id = SessionId::from_u128(9);
        other.succeed(&old);
        assert_eq!(other.active_at, AT);
    }

    #[test]
    fn a_hash_leaves_no_gap_beside_something_smaller() {
        assert_eq!(size_of::<(OwnerKey, u64)>(), 24);
        assert_eq!(size_of::<(SessionKey, FamilyKey, SessionId, u64)>(), 56);
        assert_eq!(
            OwnerKey::from_u128(0x1f).to_string(),
            format!("{:032x}", 0x1f)
        );
    }

    #[test]
    fn an_idle_time_is_at_least_a_second() {
        let with = |idle| {
            let r = record();
            SessionRecord::new(r.key, r.family, r.id, r.kind, AT, idle, r.ends_at).idle()
        };
        assert_eq!(with(Duration::ZERO), SECOND);
        assert_eq!(
            with(Duration::MAX),
            Duration::from_secs(u64::from(u32::MAX))
        );
    }
}
