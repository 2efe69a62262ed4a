//! Whether a caller is in: the decision itself, on plain data.

use std::time::Duration;

use portcullis_core::{
    Change, EndReason, Evidence, EvidenceKind, SessionId, SessionRecord, SessionState, Sessions,
    Timestamp,
};

use super::{
    keys::Keys,
    policy::{PROVISIONAL, Policy},
};
use crate::time::credible;

/// What is known of a caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) keys: Keys,
    pub(super) kind: EvidenceKind,
    /// When the caller proved who he is, on the issuer's clock: what has to be later for an
    /// ended session to be opened again. `None` for a standing credential, which proves that
    /// anew with each request, and where the issuer does not say, or says one that is far ahead.
    pub(super) authenticated_at: Option<Timestamp>,
    /// When the credential was issued, where that is what has to be later: for a standing one,
    /// by the clock of this server.
    pub(super) issued_at: Option<Timestamp>,
    /// Whether he comes with the id of a session that is there: he opens none.
    pub(super) only_joins: bool,
}

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// What deadlines are held against.
    pub(super) now: Timestamp,
    /// What is written down.
    pub(super) steady: Timestamp,
}

/// What is to be done about a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ruling {
    /// It belongs to a session that lives.
    Continue(SessionRecord),
    /// It belongs to a session that lives, and tells something new of it.
    Update(SessionRecord),
    /// It opens a session: the record is one of the changes.
    Open(SessionRecord, Vec<Change>),
    Refuse(Bar),
}

/// Why a caller is not in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bar {
    /// The session is over, and what the caller shows does not open it again.
    Over(EndReason),
    /// The store has forgotten sessions that are over, and this may have been one.
    Forgotten,
    /// The principal has as many sessions as it may. One of them is over at the latest after
    /// so long.
    Limit(Duration),
}

impl Caller {
    pub(super) fn new(keys: Keys, evidence: &Evidence, policy: &Policy, now: Timestamp) -> Self {
        // One that is far ahead would be later than the end of every session.
        let said = |at: Option<Timestamp>| at.and_then(|at| credible(at, now));
        let (auth_time, issued_at) = (said(evidence.auth_time()), said(evidence.issued_at()));
        if evidence.is_asserted_per_request() {
            // It is proved anew with each request, by somebody whose business it is to end that.
            return Self {
                keys,
                kind: EvidenceKind::Standing,
                authenticated_at: None,
                issued_at: Some(Timestamp::MAX),
                only_joins: false,
            };
        }
        let authenticated_at = match evidence.kind() {
            EvidenceKind::User if policy.reopens_by_issue => auth_time.or(issued_at),
            EvidenceKind::User => auth_time,
            EvidenceKind::Client => issued_at,
            _ => None,
        };
        Self {
            keys,
            kind: evidence.kind(),
            authenticated_at,
            issued_at: issued_at.filter(|_| evidence.kind() == EvidenceKind::Standing),
            only_joins: false,
        }
    }

    /// Whether he comes with the id of a session.
    pub(super) fn with_cookie(self, is_there: bool) -> Self {
        Self {
            only_joins: is_there,
            ..self
        }
    }

    /// Whether a session that lives is this caller's, and there is nothing to be told of it.
    pub(super) fn is_known_to(&self, living: &SessionRecord) -> bool {
        self.may_join(living) && self.authenticated_at <= living.authenticated_at
    }

    /// Whether this caller may be in a session that lives. A key that was there when the one
    /// before it was ended does not come in again by way of the key that was issued since.
    fn may_join(&self, living: &SessionRecord) -> bool {
        self.kind != EvidenceKind::Standing
            || self.is_later_than(living.barred_until)
            || portcullis_core::sabotaged!("session.reopen")
    }

    /// Whether this caller proved who he is, or was issued a key, later than `bar`, if there is
    /// one.
    fn is_later_than(&self, bar: Option<Timestamp>) -> bool {
        let at = match self.kind {
            EvidenceKind::Standing => self.issued_at,
            _ => self.authenticated_at,
        };
        bar.is_none_or(|bar| at.is_some_and(|at| at > bar))
    }
}

/// What has to be outdone where a session is over for this reason, if anything.
fn bar_of(over: &SessionRecord, reason: EndReason) -> Option<Timestamp> {
    match (reason, over.kind, over.state) {
        (EndReason::Abandoned, ..) => None,
        (EndReason::Idle | EndReason::Absolute, EvidenceKind::Standing, _) => None,
        (_, EvidenceKind::Standing, SessionState::Ended(at, _)) => Some(at),
        _ => Some(authenticated_at(over)),
    }
}

/// When whoever opened a session had proved who he is. Where nobody said so, it was when the
/// session was opened at the latest.
fn authenticated_at(record: &SessionRecord) -> Timestamp {
    record.authenticated_at.unwrap_or(record.opened_at)
}

/// Rules on a request, from all sessions of its principal.
pub(super) fn rule(
    sessions: &Sessions,
    caller: &Caller,
    policy: &Policy,
    moment: Moment,
    forgotten: Option<Timestamp>,
    fresh: SessionId,
) -> Ruling {
    let Moment { now, steady } = moment;
    let own = sessions.get(caller.keys.session);
    if let Some(record) = own.filter(|record| record.over(now).is_none()) {
        return match caller.may_join(record) {
            true => on_living(record, caller, policy, now),
            false => Ruling::Refuse(Bar::Over(EndReason::Ended)),
        };
    }
    if caller.only_joins && !portcullis_core::sabotaged!("session.cookie_reopen") {
        let reason = own.and_then(|record| record.over(now));
        return Ruling::Refuse(Bar::Over(reason.unwrap_or(EndReason::Revoked)));
    }
    let mut bar = None;
    let mut changes = Vec::new();
    for record in family(sessions, caller) {
        bar = bar.max(record.barred_until);
        let Some(reason) = record.over(now) else {
            continue;
        };
        let own = bar_of(record, reason);
        if !caller.is_later_than(own) && !portcullis_core::sabotaged!("session.reopen") {
            return Ruling::Refuse(Bar::Over(reason));
        }
        bar = bar.max(own);
        // What it keeps out, the new session keeps out from now on.
        changes.push(Change::Remove(record.key));
    }
    if !caller.is_later_than(bar) && !portcullis_core::sabotaged!("session.reopen") {
        return Ruling::Refuse(Bar::Over(EndReason::Ended));
    }
    // What keeps a standing credential out is never forgotten.
    if caller.kind != EvidenceKind::Standing
        && !caller.is_later_than(forgotten)
        && !portcullis_core::sabotaged!("session.forgotten")
    {
        return Ruling::Refuse(Bar::Forgotten);
    }
    if policy.is_stale(caller.kind, caller.authenticated_at, now) {
        return Ruling::Refuse(Bar::Over(EndReason::Reauthentication));
    }
    let Some(ends_at) = ends_at(caller, policy, moment) else {
        return Ruling::Refuse(Bar::Over(EndReason::Absolute));
    };
    if let Some(bar) = at_limit(sessions, policy, now) {
        return Ruling::Refuse(bar);
    }

    let mut record = SessionRecord::new(
        caller.keys.session,
        caller.keys.family,
        fresh,
        caller.kind,
        steady,
        policy.idle,
        ends_at,
    );
    record.state = SessionState::Provisional(steady + PROVISIONAL);
    record.authenticated_at = caller.authenticated_at;
    record.barred_until = bar;
    changes.push(Change::Put(record.clone()));
    Ruling::Open(record, changes)
}

fn on_living(record: &SessionRecord, caller: &Caller, policy: &Policy, now: Timestamp) -> Ruling {
    let last = caller.authenticated_at.max(record.authenticated_at);
    if policy.is_stale(record.kind, last, now) {
        return Ruling::Refuse(Bar::Over(EndReason::Reauthentication));
    }
    if caller.authenticated_at > record.authenticated_at {
        let mut record = record.clone();
        record.authenticated_at = caller.authenticated_at;
        Ruling::Update(record)
    } else {
        Ruling::Continue(record.clone())
    }
}

/// The sessions that one authentication can have opened. What a credential of another kind has
/// left behind says nothing of this one, and is not this one's to take away.
fn family<'a>(
    sessions: &'a Sessions,
    caller: &'a Caller,
) -> impl Iterator<Item = &'a SessionRecord> {
    let records = sessions.records.iter();
    records.filter(|record| {
        let is_same_kind = record.kind == caller.kind;
        record.family == caller.keys.family && is_same_kind
    })
}

/// When a session that is opened now ends, however active it is. `None` if that is past: a
/// user's session counts from when the user authenticated.
fn ends_at(caller: &Caller, policy: &Policy, moment: Moment) -> Option<Timestamp> {
    let since = match (caller.kind, caller.authenticated_at) {
        (EvidenceKind::User, Some(at)) => at.min(moment.steady),
        _ => moment.steady,
    };
    let ends_at = since + policy.absolute;
    (ends_at > moment.now || portcullis_core::sabotaged!("session.absolute")).then_some(ends_at)
}

/// Whether the principal has as many sessions as it may.
fn at_limit(sessions: &Sessions, policy: &Policy, now: Timestamp) -> Option<Bar> {
    let limit = policy.limit?;
    let living = || {
        sessions
            .records
            .iter()
            .filter(|record| record.over(now).is_none())
    };
    if living().count() < limit as usize || portcullis_core::sabotaged!("session.limit") {
        return None;
    }
    let next = living().map(SessionRecord::over_at).min().unwrap_or(now);
    Some(Bar::Limit(next.saturating_since(now)))
}

#[cfg(test)]
mod tests;
