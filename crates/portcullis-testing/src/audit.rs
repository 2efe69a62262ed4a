//! A record keeper that tests can question.

mod recorded;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use http::StatusCode;
use portcullis_core::{AuditSink, Durable, Outcome, Record, SinkError};
use tokio::sync::watch;

use self::recorded::InWords;
pub use self::recorded::Recorded;

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

#[cfg(test)]
mod tests;
