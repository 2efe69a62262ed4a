//! What is written down about a request.

use std::sync::atomic::Ordering;

use http::StatusCode;
use portcullis_core::{Durable, Outcome, ReasonCode, Record, RecordKind, RevocationKey, Timestamp};

use super::{Exchange, Ledger, Misplaced, Slot};
use crate::{principal::Identity, reason, refusal::Refusal, session::Session};

impl Exchange {
    /// Writes the record of a request that is let in, unless one is written already.
    pub(crate) fn record_admission(&self) {
        let is_written = self.0.is_decided.swap(true, Ordering::AcqRel);
        if is_written && !portcullis_core::sabotaged!("audit.once") {
            return;
        }
        self.0.record_admission();
    }

    /// Whether nothing may be let in before its record is durable.
    pub(crate) fn is_strict(&self) -> bool {
        self.0.shared.recorder.is_strict()
    }

    /// Writes the record of a request that is let in once it is durable. Until then it has not
    /// been let in, but whoever drops it has the record of its end written all the same.
    pub(crate) fn commit_admission(&self) -> Durable {
        self.0.is_decided.store(true, Ordering::Release);
        self.0.shared.recorder.commit(&self.0.admission())
    }

    /// Counts the admission whose record is durable.
    pub(crate) fn count_admission(&self) {
        self.0.shared.recorder.counters().count(&self.0.admission());
    }

    /// Writes the record of a request that the gate answers by itself, and charges the
    /// sender's budget for a refusal.
    pub(crate) fn record_refusal(&self, refusal: &Refusal) {
        let ledger = &*self.0;
        // A gate has recorded the admission before a loose layer inside it refuses. What
        // became of the request is then a second record of the same id, not a lost one.
        ledger.is_decided.store(true, Ordering::Release);
        ledger.is_refused.store(true, Ordering::Release);
        // The budget is that of strangers. An address is shared: if a caller who is known were
        // charged as well, one colleague's clumsy client would make strangers of all others.
        if refusal.is_charged() && self.principal().is_none() {
            ledger.charge();
        }
        let mut record = ledger.record(refusal.outcome(), refusal.layer(), refusal.reason());
        record.status = Some(refusal.status());
        record.authenticator = refusal.authenticator().or(record.authenticator);
        ledger.shared.recorder.write(&record);
    }

    /// Writes the record of a layer that stands where it must not.
    pub(crate) fn record_misplacement(&self, layer: &'static str, misplaced: Misplaced) {
        tracing::error!(
            target: "portcullis",
            request_id = %self.id(),
            layer,
            "{misplaced}",
        );
        // Not guarded by `is_decided`: a captured exchange has had its own record, and this
        // one is about the request that carries it.
        self.0.is_decided.store(true, Ordering::Release);
        self.0.is_refused.store(true, Ordering::Release);
        let mut record = self
            .0
            .record(Outcome::Failed, layer, reason::STACK_MISORDERED);
        record.status = Some(StatusCode::INTERNAL_SERVER_ERROR);
        self.0.shared.recorder.write(&record);
    }

    /// Writes the record of a call.
    pub(crate) fn record_call(&self, operation: &str, at: Timestamp, result: Result<(), &Refusal>) {
        self.0
            .shared
            .recorder
            .write(&self.0.call(operation, at, result));
    }

    /// Writes the record of a call that is permitted once it is durable.
    pub(crate) fn commit_call(&self, operation: &str, at: Timestamp) -> Durable {
        let record = self.0.call(operation, at, Ok(()));
        self.0.shared.recorder.commit(&record)
    }

    /// Counts the call whose record is durable.
    pub(crate) fn count_call(&self, operation: &str, at: Timestamp) {
        let record = self.0.call(operation, at, Ok(()));
        self.0.shared.recorder.counters().count(&record);
    }

    /// Writes the record of a call that nobody waited for until it was decided.
    pub(crate) fn record_abandoned_call(&self, operation: &str) {
        let layer = Slot::StepUp.name();
        let mut record = self.0.record(Outcome::Failed, layer, reason::ABANDONED);
        record.kind = RecordKind::Call;
        record.at = self.clock().now();
        record.operation = Some(operation);
        self.0.shared.recorder.write(&record);
    }

    /// Writes the record of what came of something that an operator was permitted to do.
    pub(crate) fn record_operation(
        &self,
        operation: &str,
        answer: &Refusal,
        revoked: Option<&RevocationKey>,
    ) {
        let ledger = &*self.0;
        let mut record = ledger.record(answer.outcome(), answer.layer(), answer.reason());
        record.kind = RecordKind::Operator;
        record.at = self.clock().now();
        record.status = Some(answer.status());
        record.operation = Some(operation);
        record.revoked = revoked;
        ledger.shared.recorder.write_event(&record);
    }

    /// Writes the record of the end of a request that was let in.
    pub(crate) fn record_end(&self, code: ReasonCode) {
        // What a layer has refused had its end with the refusal, and what is still being
        // decided was not let in, unless that stands in a record already: then a layer further
        // in is at it.
        let ledger = &*self.0;
        let was_let_in = ledger.is_decided.load(Ordering::Acquire)
            || !ledger.is_deciding.load(Ordering::Acquire);
        if self.is_refused() || !was_let_in || ledger.is_ended.swap(true, Ordering::AcqRel) {
            return;
        }
        // Behind loose layers the decision is written with the response, which may never come.
        self.record_admission();
        self.record_event(RecordKind::End, self.0.innermost(), code);
    }

    /// Writes a record about something that happened in this request.
    pub(crate) fn record_event(&self, kind: RecordKind, layer: &'static str, code: ReasonCode) {
        let mut record = self.0.record(Outcome::Admitted, layer, code);
        record.kind = kind;
        // Later than the request arrived, by hours where it streams.
        record.at = self.clock().now();
        self.0.shared.recorder.write_event(&record);
    }
}

impl Ledger {
    fn record(&self, outcome: Outcome, layer: &'static str, code: ReasonCode) -> Record<'_> {
        let mut record = Record::new(
            self.id,
            self.at,
            outcome,
            layer,
            code,
            &self.method,
            self.path.as_str(),
        );
        record.client_address = self
            .arrival
            .get()
            .and_then(|arrival| arrival.client_address);
        record.trace = self.trace;
        // Whom `authn` has let in is named, whatever a layer further in decides.
        if let Some(Identity::Principal(principal)) = self.identity.get() {
            record.principal = Some(principal.evidence());
            record.authenticator = Some(principal.authenticator());
        }
        record.session = self.session.get().map(Session::id);
        record
    }

    fn call<'a>(
        &'a self,
        operation: &'a str,
        at: Timestamp,
        result: Result<(), &Refusal>,
    ) -> Record<'a> {
        let mut record = match result {
            Ok(()) => {
                let layer = Slot::StepUp.name();
                self.record(Outcome::Admitted, layer, reason::PERMITTED)
            }
            Err(refusal) => {
                let (outcome, layer) = (refusal.outcome(), refusal.layer());
                self.record(outcome, layer, refusal.reason())
            }
        };
        record.kind = RecordKind::Call;
        record.at = at;
        record.operation = Some(operation);
        record.status = result.err().map(Refusal::status);
        record
    }

    /// The layer that the request came through last.
    fn innermost(&self) -> &'static str {
        self.trail.iter().last().map_or("gate", Slot::name)
    }

    /// Charges the sender's budget.
    fn charge(&self) {
        let arrival = self.arrival.get();
        if let Some(charge) = arrival.and_then(|arrival| arrival.charge.as_ref()) {
            charge.spend();
        }
    }

    fn record_admission(&self) {
        self.shared.recorder.write(&self.admission());
    }

    fn admission(&self) -> Record<'_> {
        let code = match self.identity.get() {
            Some(Identity::Principal(_)) => reason::ADMITTED,
            Some(Identity::Anonymous) => reason::ADMITTED_ANONYMOUS,
            None => reason::ADMITTED_UNIDENTIFIED,
        };
        self.record(Outcome::Admitted, self.innermost(), code)
    }
}

impl Drop for Ledger {
    /// A request whose future was dropped before its response, by a client that went away or
    /// by a panic, has its record all the same: of an admission, if every layer had let it in.
    fn drop(&mut self) {
        if *self.is_decided.get_mut() || portcullis_core::sabotaged!("audit.abandoned") {
            return;
        }
        if *self.is_deciding.get_mut() {
            // It has cost what a refusal costs, and going away in time must not save anybody
            // from paying.
            self.charge();
            let layer = self.innermost();
            self.shared
                .recorder
                .write(&self.record(Outcome::Failed, layer, reason::ABANDONED));
        } else {
            self.record_admission();
        }
    }
}
