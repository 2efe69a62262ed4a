//! What an authenticator answers.

use std::{sync::Arc, time::Duration};

use crate::{Evidence, ReasonCode};

/// What a synchronous look decided, or that it could not without I/O.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "there is no third way to answer at once"
)]
pub enum Check<T> {
    /// Decided.
    Done(T),
    /// The plug-in's asynchronous method has to be called.
    NeedsIo,
}

/// What an authenticator says about a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The credential is good, and this is what it says.
    ///
    /// The evidence is shared, so that a cache can hand out the same again.
    Accept(Arc<Evidence>),
    /// There is no credential of this authenticator's kind. The next one is asked.
    Absent,
    /// There is a credential of this kind, but it belongs to somebody else: another prefix,
    /// another issuer. The next one is asked; if none knows it, the answer is 401.
    NotMine,
    /// The credential is this authenticator's, and it is bad. Nobody else is asked.
    Reject(Rejection),
    /// The credential is good, and has been used as often as it may be for now. Nobody else is
    /// asked, and the answer is 429.
    Spent(Spent),
    /// Whether the credential is good cannot be found out now. Nobody else is asked, and the
    /// answer is 503: never a pass, and never a 401, which would send every client to log in.
    Unavailable(Unavailable),
}

impl Verdict {
    /// [`Accept`](Self::Accept)s evidence that nobody else holds yet.
    #[must_use]
    pub fn accept(evidence: Evidence) -> Self {
        Self::Accept(Arc::new(evidence))
    }
}

/// Why a credential is bad. The reason is recorded; the client is told only the kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Rejection {
    kind: RejectionKind,
    reason: ReasonCode,
}

impl Rejection {
    /// A request that cannot be read: two credentials, parameters that contradict each other.
    /// Status 400, `invalid_request`. A single credential that is garbage is
    /// [`invalid_token`](Self::invalid_token).
    pub const fn invalid_request(reason: ReasonCode) -> Self {
        Self {
            kind: RejectionKind::InvalidRequest,
            reason,
        }
    }

    /// A credential that is expired, revoked, malformed or not for us: status 401,
    /// `invalid_token`.
    pub const fn invalid_token(reason: ReasonCode) -> Self {
        Self {
            kind: RejectionKind::InvalidToken,
            reason,
        }
    }

    /// What the client is told.
    #[must_use]
    pub const fn kind(self) -> RejectionKind {
        self.kind
    }

    /// What is recorded.
    #[must_use]
    pub const fn reason(self) -> ReasonCode {
        self.reason
    }
}

/// What a client is told about a bad credential (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// Status 400, `invalid_request`.
    InvalidRequest,
    /// Status 401, `invalid_token`.
    InvalidToken,
}

/// Why a good credential cannot be used for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Spent {
    reason: ReasonCode,
    returns_in: Duration,
}

impl Spent {
    /// It can be used again after this while: sent as `Retry-After`, in whole seconds, at least
    /// one.
    pub const fn new(reason: ReasonCode, returns_in: Duration) -> Self {
        Self { reason, returns_in }
    }

    /// What is recorded.
    #[must_use]
    pub const fn reason(self) -> ReasonCode {
        self.reason
    }

    /// After how long it can be used again.
    #[must_use]
    pub const fn returns_in(self) -> Duration {
        self.returns_in
    }
}

/// Why a credential cannot be judged now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Unavailable {
    reason: ReasonCode,
    retry_after: Duration,
}

impl Unavailable {
    /// Something that the authenticator depends on is down. Clients are asked to come back
    /// after five seconds.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            retry_after: Duration::from_secs(5),
        }
    }

    /// When clients are asked to come back. Sent in whole seconds, at least one.
    pub const fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = delay;
        self
    }

    /// What is recorded.
    #[must_use]
    pub const fn reason(self) -> ReasonCode {
        self.reason
    }

    /// When clients are asked to come back.
    #[must_use]
    pub const fn retry_after(self) -> Duration {
        self.retry_after
    }
}
