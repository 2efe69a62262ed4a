//! What is written down.

use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use http::{Method, StatusCode};

use crate::{Evidence, ReasonCode, RevocationKey, SessionId, Timestamp, TraceParent};

/// The id of a request: ours, never the client's. A UUID of version 7 (RFC 9562 §5.7), so ids
/// sort by time. It is public, and no secret.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(u128);

impl RequestId {
    /// From the 128 bits of a UUID.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits of the UUID.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xffff,
            (bits >> 64) & 0xffff,
            (bits >> 48) & 0xffff,
            bits & 0xffff_ffff_ffff,
        )
    }
}

/// Takes the records of what was decided.
///
/// `record` is called on the path of a request: it should hand the record on, not write it to
/// a slow place. An error is counted and logged; it does not change the decision.
///
/// A sink that wraps another one passes on all four methods: one that forgets
/// [`is_strict`](Self::is_strict) makes a strict sink one that nobody waits for.
pub trait AuditSink: Send + Sync + 'static {
    /// Takes one record.
    ///
    /// # Errors
    ///
    /// The record could not be taken.
    fn record(&self, record: &Record<'_>) -> Result<(), SinkError>;

    /// Whether nothing may be let in before its record is durable. Asked once, when the gate is
    /// built. A sink that leaves this as it is costs nothing more than [`record`](Self::record).
    fn is_strict(&self) -> bool {
        false
    }

    /// Takes the record of something that is about to be let in, and completes when that record
    /// is durable. Only a strict sink is asked, for the admission of a request and for a call
    /// that is permitted; where it fails, neither happens. All other records go to
    /// [`record`](Self::record): to refuse, to end and to revoke waits for nobody.
    ///
    /// The record is taken at the call, whether or not the future is polled. As it is, what
    /// `record` has taken is durable.
    fn commit(&self, record: &Record<'_>) -> Durable {
        Durable::ready(self.record(record))
    }

    /// Completes when all that was taken so far is durable, or cannot be made so. Asked when the
    /// gate is shut down. As it is, for a sink that keeps nothing back, that is at once.
    fn flush(&self) -> Durable {
        Durable::ready(Ok(()))
    }
}

/// The future of [`AuditSink::commit`] and [`AuditSink::flush`]: completes when what it is about
/// is durable, or cannot be made so.
#[must_use = "nothing is known to be durable before it completes"]
pub struct Durable(Wait);

enum Wait {
    Known(Option<Result<(), SinkError>>),
    /// Never locked: the lock makes what holds it `Sync`, without asking that of the future.
    Unknown(Mutex<Later>),
}

type Later = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send>>;

impl Durable {
    /// Waits for a sink that takes a while.
    pub fn new(future: impl Future<Output = Result<(), SinkError>> + Send + 'static) -> Self {
        Self(Wait::Unknown(Mutex::new(Box::pin(future))))
    }

    /// What a sink knows at once.
    pub fn ready(result: Result<(), SinkError>) -> Self {
        Self(Wait::Known(Some(result)))
    }
}

impl Future for Durable {
    type Output = Result<(), SinkError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // Asked again after it is done, it says nothing: that is no yes.
            Wait::Known(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            Wait::Unknown(future) => {
                let future = future.get_mut().unwrap_or_else(PoisonError::into_inner);
                future.as_mut().poll(cx)
            }
        }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable").finish_non_exhaustive()
    }
}

/// One decision, as it is written down. Borrowed: a sink that keeps it copies what it needs.
///
/// Path and method come from the client, may hold anything that one can, and may be long; the
/// operation may come from a model and hold anything at all: a sink escapes and cuts them. The
/// trace comes from the client as well, and can hold nothing but two numbers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// What the record is about.
    pub kind: RecordKind,
    /// The request.
    pub request_id: RequestId,
    /// When the request arrived; of a call inside it, when the call was made; of what happened
    /// later, such as its end, when that did.
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
    pub principal: Option<&'a Evidence>,
    /// The authenticator that decided.
    pub authenticator: Option<&'static str>,
    /// Where the request came from, as far as that is known.
    pub client_address: Option<IpAddr>,
    /// The trace that the request belongs to, as whoever sent it says.
    pub trace: Option<TraceParent>,
    /// The method.
    pub method: &'a Method,
    /// The path that the client asked for.
    pub path: &'a str,
    /// What was asked for inside the request, where the record is about a call or about what came of
    /// one.
    pub operation: Option<&'a str>,
    /// What an operator has ended or revoked, where the record is about that. It comes from
    /// whoever asked for it, and can be as long and hold the same as a name in evidence.
    pub revoked: Option<&'a RevocationKey>,
}

impl<'a> Record<'a> {
    /// A record with all that is always known.
    #[must_use]
    pub const fn new(
        request_id: RequestId,
        at: Timestamp,
        outcome: Outcome,
        layer: &'static str,
        reason: ReasonCode,
        method: &'a Method,
        path: &'a str,
    ) -> Self {
        Self {
            kind: RecordKind::Decision,
            request_id,
            at,
            outcome,
            layer,
            reason,
            status: None,
            session: None,
            principal: None,
            authenticator: None,
            client_address: None,
            trace: None,
            method,
            path,
            operation: None,
            revoked: None,
        }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RecordKind {
    /// Whether an operation was permitted that a handler asked for inside a request. A request
    /// has as many as it asked for.
    Call,
    /// Whether a request was let in. Each request has exactly one, unless a layer inside a gate
    /// refuses what the gate has let in: then a second one says so.
    Decision,
    /// A request that was let in has ended. Each such request has exactly one, beside its
    /// decision, with the same id.
    End,
    /// A session has begun.
    SessionStart,
    /// A session was ended, or what ran in it was, because it was over.
    SessionEnd,
    /// A request came from elsewhere than its session did, and was let in all the same.
    Drift,
    /// Something was learnt of an issuer without a request: what it was asked for, or that it has
    /// fallen silent. Method, path and id are of no request.
    Notice,
    /// Something was ended or revoked because a request asked for it: who did, and what. A request
    /// that asks for it has one beside the [`Call`](Self::Call) that permits it.
    Operator,
}

impl RecordKind {
    /// A stable name: `call`, `decision`, `end`, `session_start`, `session_end`, `drift`,
    /// `notice`, `operator`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Decision => "decision",
            Self::End => "end",
            Self::SessionStart => "session_start",
            Self::SessionEnd => "session_end",
            Self::Drift => "drift",
            Self::Notice => "notice",
            Self::Operator => "operator",
        }
    }
}

/// What was decided about a request, or about a call inside it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was let in; of a call, it was permitted.
    Admitted,
    /// The gate answered it by itself, and it needed no permission: a CORS preflight, the
    /// resource metadata.
    Answered,
    /// It could not be decided, because something is down or misconfigured.
    Failed,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// A stable name: `admitted`, `answered`, `failed`, `refused`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// A record that could not be taken.
#[derive(Debug)]
pub struct SinkError(Box<str>);

impl SinkError {
    /// Says why: lower case, without secrets.
    #[must_use]
    pub fn new(problem: impl Into<Box<str>>) -> Self {
        Self(problem.into())
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SinkError {}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn a_request_id_reads_as_a_uuid() {
        let id = RequestId::from_u128(0x0192_a5c0_1234_7abc_8def_0123_4567_89ab);
        assert_eq!(id.to_string(), "0192a5c0-1234-7abc-8def-0123456789ab");
    }
}
