//! A record that was kept, and what it says.

use std::{fmt, net::IpAddr};

use http::{Method, StatusCode};
use portcullis_core::{
    Evidence, Outcome, ReasonCode, Record, RecordKind, RequestId, RevocationKey, SessionId,
    Timestamp, TraceParent,
};

/// A [`Record`] that a [`RecordingAudit`](super::RecordingAudit) has kept. `Display` says it in
/// plain words.
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
    /// What an operator has ended or revoked.
    pub revoked: Option<RevocationKey>,
}

impl Recorded {
    /// The subject of the caller, where that is known.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.principal.as_ref().map(Evidence::subject)
    }

    pub(super) fn is_call(&self) -> bool {
        self.kind == RecordKind::Call
    }

    pub(super) fn is_decision(&self) -> bool {
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
            revoked: record.revoked.cloned(),
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

pub(super) struct InWords<'a>(pub(super) &'a [Recorded]);

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
