//! What is refused.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use portcullis_core::RequestId;

use crate::{
    json::Quoted,
    reason,
    refusal::{Refusal, problem},
};

/// An operation that was refused. See the [module docs](super).
///
/// Whatever is said of it in public holds no secret, and no reason beyond the one that the
/// challenge names: the reason stands in the record.
#[derive(Clone)]
pub struct Denial {
    operation: Box<str>,
    refusal: Refusal,
    request_id: RequestId,
}

impl Denial {
    pub(super) fn new(operation: Box<str>, refusal: Refusal, request_id: RequestId) -> Self {
        Self {
            operation,
            refusal,
            request_id,
        }
    }

    /// What was asked for.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The status that a request for it would have been answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.refusal.status()
    }

    /// The id of the request in which it was asked for, by which the record is found.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// The challenge: each line as a `WWW-Authenticate` of its own. There is none where nothing
    /// that a client can do would help.
    pub fn www_authenticate(&self) -> impl Iterator<Item = &str> {
        // They are printable by the way they are made.
        self.refusal
            .challenges()
            .filter_map(|line| line.to_str().ok())
    }

    /// What a model may be told, as JSON: the operation, and why it is not done, in plain
    /// words.
    ///
    /// ```json
    /// {"operation":"payments.transfer","refused":"the caller has not granted what it needs"}
    /// ```
    #[must_use]
    pub fn for_model(&self) -> String {
        format!(
            r#"{{"operation":{},"refused":{}}}"#,
            Quoted(&self.operation),
            Quoted(self.words()),
        )
    }

    /// What the client has to be told, as JSON on one line: a problem of RFC 9457 with the
    /// status, the id of the request, and besides the operation and the lines of the challenge.
    ///
    /// ```json
    /// {"type":"about:blank","title":"Forbidden","status":403,
    ///  "instance":"urn:uuid:0192a5c0-1234-7abc-8def-0123456789ab",
    ///  "operation":"payments.transfer",
    ///  "www_authenticate":["Bearer error=\"insufficient_scope\", scope=\"payments.write\""]}
    /// ```
    #[must_use]
    pub fn for_client(&self) -> String {
        let lines: Vec<_> = self
            .www_authenticate()
            .map(|line| Quoted(line).to_string())
            .collect();
        let more = format!(
            r#","operation":{},"www_authenticate":[{}]"#,
            Quoted(&self.operation),
            lines.join(","),
        );
        problem(self.status(), self.request_id, &more)
    }

    /// The answer that a request for the operation would have had.
    pub(crate) fn into_answer(self) -> Response<Bytes> {
        self.refusal.into_response(self.request_id)
    }

    /// Says no more than the challenge does.
    fn words(&self) -> &'static str {
        match (self.refusal.reason(), self.status()) {
            (reason::SCOPE_MISSING, _) => "the caller has not granted what it needs",
            (
                reason::CREDENTIALS_MISSING
                | reason::CREDENTIAL_EXPIRED
                | reason::CREDENTIAL_REVOKED
                | reason::REVOCATION_FORGOTTEN
                | reason::SESSION_CREDENTIAL_EXPIRED
                | reason::SESSION_ENDED
                | reason::SESSION_REVOKED,
                _,
            ) => "the caller has to sign in",
            (reason::OPERATION_UNKNOWN, _) => "there is no such operation",
            (_, StatusCode::UNAUTHORIZED) => {
                "the caller has to authenticate again, more strongly or more recently"
            }
            (_, StatusCode::FORBIDDEN) => "the caller may not do this",
            _ => "the server cannot decide about it",
        }
    }
}

impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial")
            .field("operation", &self.operation)
            .field("status", &self.status())
            .field("request_id", &format_args!("{}", self.request_id))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is refused: {}",
            self.operation.escape_debug(),
            self.words()
        )
    }
}

impl std::error::Error for Denial {}

/// The answer that a request for the operation would have had: for a handler that has not
/// answered yet.
#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Denial {
    fn into_response(self) -> axum::response::Response {
        self.into_answer().map(axum::body::Body::from)
    }
}
