//! A record keeper that tests can question.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Method, StatusCode};
use portcullis_core::{
    AuditSink, Durable, Evidence, Outcome, ReasonCode, Record, RecordKind, RequestId, SessionId,
    SinkError, Timestamp, TraceParent,
};
use tokio::sync::watch;

/// Keeps every record, and has assertions about them. Clones share what they keep.
///
/// An assertion that fails prints all records in plain words.
///
/// # Example
///
/// ```
/// use portcullis_core::{AuditSink as _, Outcome, ReasonCode, Record, RequestId, Timestamp};
/// use portcullis_testing::audit::RecordingAudit;
///
/// let audit = RecordingAudit::new();
///
/// // A layer does this for each request:
/// let method = http::Method::GET;
/// let mut record = Record::new(
///     RequestId::from_u128(1),
///     Timestamp::UNIX_EPOCH,
///     Outcome::Refused,
///     "authn",
///     ReasonCode::new("jwt_expired"),
///     &method,
///     "/notes",
/// );
/// record.status = Some(http::StatusCode::UNAUTHORIZED);
/// audit.record(&record)?;
///
/// let recorded = audit.assert_refused("jwt_expired", 401);
/// assert_eq!(recorded.layer, "authn");
/// # Ok::<(), portcullis_core::SinkError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordingAudit(Arc<State>);

#[derive(Debug, Default)]
struct State {
    records: Mutex<Vec<Recorded>>,
    is_failing: AtomicBool,
    is_strict: bool,
    is_held: watch::Sender<bool>,
}

impl RecordingAudit {
    /// Keeps every record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes no record: each attempt is an error, until [`set_failing`](Self::set_failing)
    /// says otherwise.
    #[must_use]
    pub fn failing() -> Self {
        let this = Self::new();
        this.set_failing(true);
        this
    }

    /// Keeps every record, and lets nothing in before its record is kept: a strict sink. A layer
    /// that is not a gate refuses it.
    ///
    /// A record for which somebody waits is kept at once; whether it is durable is said once
    /// nobody [holds it up](Self::set_held), and then as [`set_failing`](Self::set_failing)
    /// would have it.
    #[must_use]
    pub fn strict() -> Self {
        Self(Arc::new(State {
            is_strict: true,
            ..State::default()
        }))
    }

    /// Whether those who wait for a record go on waiting, until this is called with `false`.
    pub fn set_held(&self, is_held: bool) {
        self.0.is_held.send_replace(is_held);
    }

    /// Whether records are refused from now on. A refused record is not kept.
    pub fn set_failing(&self, is_failing: bool) {
        self.0.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with_records(|records| records.len())
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of all records, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<Recorded> {
        self.with_records(|records| records.clone())
    }

    /// Takes all records out, oldest first: for the next step of a test.
    #[must_use]
    pub fn take(&self) -> Vec<Recorded> {
        self.with_records(std::mem::take)
    }

    /// There is exactly one decision.
    ///
    /// # Panics
    ///
    /// There is none, or more than one.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the assertion alone is a use")]
    pub fn assert_one_decision(&self) -> Recorded {
        let records = self.records();
        let mut decisions = records.iter().filter(|record| record.is_decision());
        let one = decisions.next().filter(|_| decisions.next().is_none());
        assert!(
            one.is_some(),
            "expected one decision; {}",
            InWords(&records)
        );
        one.cloned().unwrap_or_else(|| unreachable!())
    }

    /// Every request has exactly one decision, and there are as many as `requests`.
    ///
    /// # Panics
    ///
    /// There are more or fewer, or one request has two.
    #[track_caller]
    pub fn assert_decisions(&self, requests: usize) {
        let records = self.records();
        let mut ids: Vec<_> = records
            .iter()
            .filter(|record| record.is_decision())
            .map(|record| record.request_id)
            .collect();
        let decisions = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert!(
            decisions == requests && ids.len() == requests,
            "expected one decision for each of {requests} requests; {}",
            InWords(&records)
        );
    }

    /// There is exactly one decision, and it refused with this reason and status. The status
    /// may be a number or a `StatusCode`.
    ///
    /// # Panics
    ///
    /// Anything else was decided.
    #[track_caller]
    pub fn assert_refused(
        &self,
        reason: &str,
        status: impl Copy + PartialEq<StatusCode> + fmt::Debug,
    ) -> Recorded {
        self.assert_decided(Outcome::Refused, reason, status)
    }

    /// There is exactly one decision: it could not be decided, for this reason and with this
    /// status.
    ///
    /// # Panics
    ///
    /// Anything else was decided.
    #[track_caller]
    pub fn assert_failed(
        &self,
        reason: &str,
        status: impl Copy + PartialEq<StatusCode> + fmt::Debug,
    ) -> Recorded {
        self.assert_decided(Outcome::Failed, reason, status)
    }

    /// There is exactly one decision, and it admitted this subject.
    ///
    /// # Panics
    ///
    /// Anything else was decided.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the assertion alone is a use")]
    pub fn assert_admitted(&self, subject: &str) -> Recorded {
        let decision = self.assert_one_decision();
        assert!(
            decision.outcome == Outcome::Admitted && decision.subject() == Some(subject),
            "expected that `{subject}` was admitted; {}",
            InWords(&self.records())
        );
        decision
    }

    /// There is exactly one call, and this operation was permitted.
    ///
    /// # Panics
    ///
    /// There is none or more than one, or anything else was decided.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the assertion alone is a use")]
    pub fn assert_call_permitted(&self, operation: &str) -> Recorded {
        self.assert_call(
            operation,
            |call| call.outcome == Outcome::Admitted,
            "permitted",
        )
    }

    /// There is exactly one call, and this operation was not permitted, for this reason.
    ///
    /// # Panics
    ///
    /// There is none or more than one, or anything else was decided.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the assertion alone is a use")]
    pub fn assert_call_refused(&self, operation: &str, reason: &str) -> Recorded {
        let is_refused =
            |call: &Recorded| call.outcome != Outcome::Admitted && call.reason.as_str() == reason;
        self.assert_call(operation, is_refused, &format!("refused for `{reason}`"))
    }

    #[track_caller]
    fn assert_call(
        &self,
        operation: &str,
        is_as_expected: impl FnOnce(&Recorded) -> bool,
        expected: &str,
    ) -> Recorded {
        let records = self.records();
        let mut calls = records.iter().filter(|record| record.is_call());
        let one = calls.next().filter(|_| calls.next().is_none());
        let one =
            one.filter(|call| call.operation.as_deref() == Some(operation) && is_as_expected(call));
        assert!(
            one.is_some(),
            "expected that one call, of {operation:?}, was {expected}; {}",
            InWords(&records)
        );
        one.cloned().unwrap_or_else(|| unreachable!())
    }

    #[track_caller]
    fn assert_decided(
        &self,
        outcome: Outcome,
        reason: &str,
        status: impl Copy + PartialEq<StatusCode> + fmt::Debug,
    ) -> Recorded {
        let decision = self.assert_one_decision();
        assert!(
            decision.outcome == outcome
                && decision.reason.as_str() == reason
                && decision.status.is_some_and(|actual| status == actual),
            "expected `{}` for `{reason}` with status {status:?}; {}",
            outcome.as_str(),
            InWords(&self.records())
        );
        decision
    }

    fn can_take(&self) -> Result<(), SinkError> {
        if self.0.is_failing.load(Ordering::Relaxed) {
            return Err(SinkError::new("this sink was told to fail"));
        }
        Ok(())
    }

    fn with_records<T>(&self, look: impl FnOnce(&mut Vec<Recorded>) -> T) -> T {
        look(
            &mut self
                .0
                .records
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl AuditSink for RecordingAudit {
    fn record(&self, record: &Record<'_>) -> Result<(), SinkError> {
        self.can_take()?;
        self.with_records(|records| records.push(Recorded::from(record)));
        Ok(())
    }

    fn is_strict(&self) -> bool {
        self.0.is_strict
    }

    fn commit(&self, record: &Record<'_>) -> Durable {
        let taken = self.record(record);
        let this = self.clone();
        Durable::new(async move {
            // The sender lives as long as `this` does.
            drop(
                this.0
                    .is_held
                    .subscribe()
                    .wait_for(|is_held| !is_held)
                    .await,
            );
            this.can_take().and(taken)
        })
    }
}

/// A [`Record`] that a [`RecordingAudit`] has kept. `Display` says it in plain words.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// What the record is about.
    pub kind: RecordKind,
    /// The request.
    pub request_id: RequestId,
    /// When the request arrived; of a call inside it, when the call was made.
    pub at: Timestamp,
    /// What was decided.
    pub outcome: Outcome,
    /// The layer that decided.
    pub layer: &'static str,
    /// Why.
    pub reason: ReasonCode,
    /// The status of the response, where the gate answered by itself; of a call that was
    /// refused, the one that a request for it would have been answered with.
    pub status: Option<StatusCode>,
    /// The session that the request belongs to.
    pub session: Option<SessionId>,
    /// Who called, where that is known.
    pub principal: Option<Evidence>,
    /// The authenticator that decided.
    pub authenticator: Option<&'static str>,
    /// Where the request came from, as far as that is known.
    pub client_address: Option<IpAddr>,
    /// The trace that the request belongs to, as whoever sent it says.
    pub trace: Option<TraceParent>,
    /// The method.
    pub method: Method,
    /// The path that the client asked for.
    pub path: String,
    /// What was asked for inside the request, where the record is about a call.
    pub operation: Option<String>,
}

impl Recorded {
    /// The subject of the caller, where that is known.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.principal.as_ref().map(Evidence::subject)
    }

    fn is_call(&self) -> bool {
        self.kind == RecordKind::Call
    }

    fn is_decision(&self) -> bool {
        self.kind == RecordKind::Decision
    }
}

impl From<&Record<'_>> for Recorded {
    fn from(record: &Record<'_>) -> Self {
        Self {
            kind: record.kind,
            request_id: record.request_id,
            at: record.at,
            outcome: record.outcome,
            layer: record.layer,
            reason: record.reason,
            status: record.status,
            session: record.session,
            principal: record.principal.cloned(),
            authenticator: record.authenticator,
            client_address: record.client_address,
            trace: record.trace,
            method: record.method.clone(),
            path: record.path.to_owned(),
            operation: record.operation.map(str::to_owned),
        }
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind.as_str())?;
        if let Some(operation) = &self.operation {
            write!(f, "{operation:?} in ")?;
        }
        write!(
            f,
            "{} {:?} was {} by `{}` for `{}`",
            self.method,
            self.path,
            self.outcome.as_str(),
            self.layer,
            self.reason,
        )?;
        if let Some(status) = self.status {
            write!(f, ", status {}", status.as_u16())?;
        }
        if let Some(principal) = &self.principal {
            write!(
                f,
                ", {} `{}` of `{}`",
                principal.kind().as_str(),
                principal.subject(),
                principal.issuer()
            )?;
        }
        if let Some(authenticator) = self.authenticator {
            write!(f, ", authenticator `{authenticator}`")?;
        }
        if let Some(address) = self.client_address {
            write!(f, ", from {address}")?;
        }
        if let Some(trace) = self.trace {
            write!(f, ", in trace {}", trace.trace_id())?;
        }
        write!(f, ", request {} at {}", self.request_id, self.at)
    }
}

struct InWords<'a>(&'a [Recorded]);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("there is no record"),
            1 => f.write_str("there is one record:"),
            n => write!(f, "there are {n} records:"),
        }?;
        self.0
            .iter()
            .try_for_each(|record| write!(f, "\n  {record}"))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use portcullis_core::EvidenceKind;

    use super::*;

    fn record<'a>(audit: &RecordingAudit, id: u128, change: impl FnOnce(&mut Record<'a>)) {
        let mut record = Record::new(
            RequestId::from_u128(id),
            Timestamp::UNIX_EPOCH,
            Outcome::Refused,
            "authn",
            ReasonCode::new("jwt_expired"),
            &Method::GET,
            "/notes",
        );
        record.status = Some(StatusCode::UNAUTHORIZED);
        change(&mut record);
        audit.record(&record).unwrap();
    }

    /// What the assertion says when it fails.
    fn complaint<T>(assertion: impl FnOnce() -> T) -> String {
        let payload = catch_unwind(AssertUnwindSafe(assertion)).err().unwrap();
        *payload.downcast::<String>().unwrap()
    }

    #[test]
    fn a_refusal_is_found_by_reason_and_status() {
        let audit = RecordingAudit::new();
        record(&audit, 1, |_| {});
        let recorded = audit
            .clone()
            .assert_refused("jwt_expired", StatusCode::UNAUTHORIZED);
        audit.assert_refused("jwt_expired", 401);
        assert_eq!(recorded.path, "/notes");
        assert_eq!(recorded.subject(), None);
        for failed in [
            complaint(|| audit.assert_refused("jwt_expired", 403)),
            complaint(|| audit.assert_refused("jwt_unknown", 401)),
            complaint(|| audit.assert_failed("jwt_expired", 401)),
            complaint(|| audit.assert_admitted("alice")),
        ] {
            assert!(
                failed.contains(
                    "there is one record:\n  decision: GET \"/notes\" was refused by `authn` \
                     for `jwt_expired`, status 401, request 00000000-0000-0000-0000-000000000001"
                ),
                "{failed}"
            );
        }
    }

    #[test]
    fn an_admission_is_found_by_subject() {
        let audit = RecordingAudit::new();
        let alice = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
        record(&audit, 1, |record| {
            record.outcome = Outcome::Admitted;
            record.status = None;
            record.principal = Some(&alice);
        });
        assert_eq!(audit.assert_admitted("alice").principal, Some(alice));
        let failed = complaint(|| audit.assert_admitted("bob"));
        assert!(
            failed.contains("user `alice` of `https://idp.example`"),
            "{failed}"
        );
    }

    #[test]
    fn one_decision_is_neither_none_nor_two() {
        let audit = RecordingAudit::new();
        let failed = complaint(|| audit.assert_one_decision());
        assert!(failed.ends_with("there is no record"), "{failed}");
        record(&audit, 1, |_| {});
        record(&audit, 2, |_| {});
        let failed = complaint(|| audit.assert_one_decision());
        assert!(failed.contains("there are 2 records"), "{failed}");
        audit.assert_decisions(2);
        record(&audit, 2, |_| {});
        complaint(|| audit.assert_decisions(2));
        complaint(|| audit.assert_decisions(3));
        assert_eq!(audit.len(), 3);
        assert_eq!(audit.take().len(), 3);
        assert!(audit.is_empty());
    }

    #[test]
    fn a_call_is_found_by_its_operation_and_is_no_decision() {
        let audit = RecordingAudit::new();
        record(&audit, 1, |_| {});
        let failed = complaint(|| audit.assert_call_permitted("payments.transfer"));
        assert!(failed.contains("there is one record"), "{failed}");
        record(&audit, 1, |record| {
            record.kind = RecordKind::Call;
            record.operation = Some("payments.transfer");
            record.reason = ReasonCode::new("scope_missing");
        });
        audit.assert_one_decision();
        let refused = audit.assert_call_refused("payments.transfer", "scope_missing");
        assert_eq!(refused.operation.as_deref(), Some("payments.transfer"));
        for failed in [
            complaint(|| audit.assert_call_permitted("payments.transfer")),
            complaint(|| audit.assert_call_refused("payments.transfer", "acr_insufficient")),
            complaint(|| audit.assert_call_refused("payments", "scope_missing")),
        ] {
            let wanted = "\n  call: \"payments.transfer\" in GET \"/notes\" was refused by `authn`";
            assert!(failed.contains(wanted), "{failed}");
        }
        record(&audit, 2, |record| {
            record.kind = RecordKind::Call;
            record.operation = Some("payments.transfer");
            record.outcome = Outcome::Admitted;
        });
        complaint(|| audit.assert_call_permitted("payments.transfer"));
    }

    #[test]
    fn a_failing_sink_keeps_nothing() {
        let audit = RecordingAudit::failing();
        let method = Method::GET;
        let record = Record::new(
            RequestId::from_u128(1),
            Timestamp::UNIX_EPOCH,
            Outcome::Admitted,
            "authn",
            ReasonCode::new("accepted"),
            &method,
            "/",
        );
        assert!(audit.record(&record).is_err());
        assert!(audit.is_empty());
        audit.set_failing(false);
        assert!(audit.record(&record).is_ok());
        assert_eq!(audit.len(), 1);
    }
}
