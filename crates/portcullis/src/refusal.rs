//! What the gate answers by itself: the one place that makes a response.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use portcullis_core::{NoticeReply, Outcome, ReasonCode, RequestId, SinkError};

use crate::reason;

/// A response that the gate gives by itself, and why.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Refusal {
    status: StatusCode,
    reason: ReasonCode,
    outcome: Outcome,
    layer: &'static str,
    authenticator: Option<&'static str>,
    challenges: Option<Arc<[HeaderValue]>>,
    retry_after: Option<Duration>,
    /// Few refusals have one, and each request carries the room for one.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    body: Body,
    is_free_of_charge: bool,
}

/// What honest callers and innocent browsers are refused for. A request without a credential
/// is how discovery begins, and any page on the web can have its visitor's browser send
/// requests from a wrong origin. None of it costs anything to refuse.
const FREE_OF_CHARGE: [ReasonCode; 4] = [
    reason::CREDENTIALS_MISSING,
    reason::CROSS_SITE,
    reason::HOST_NOT_ALLOWED,
    reason::ORIGIN_NOT_ALLOWED,
];

#[derive(Clone, Debug)]
enum Body {
    /// Nothing.
    Empty,
    /// A document that is the same for everybody.
    Document(&'static str, Bytes),
    /// RFC 9457, without a word about the reason.
    Problem,
    /// What a protocol of its own wants to hear.
    Reply(Box<NoticeReply>),
}

impl Refusal {
    pub(crate) fn new(layer: &'static str, status: StatusCode, reason: ReasonCode) -> Self {
        let outcome = if status.is_server_error() {
            Outcome::Failed
        } else {
            Outcome::Refused
        };
        Self {
            status,
            reason,
            outcome,
            layer,
            authenticator: None,
            challenges: None,
            retry_after: None,
            header: None,
            body: Body::Problem,
            is_free_of_charge: FREE_OF_CHARGE.contains(&reason),
        }
    }

    /// Nothing may be let in without a durable record, and there is none.
    pub(crate) fn without_record(id: RequestId, error: &SinkError) -> Self {
        tracing::error!(
            target: "portcullis",
            request_id = %id,
            "the strict audit sink has no durable record, so nothing is let in: {error}",
        );
        Self::new(
            "audit",
            StatusCode::SERVICE_UNAVAILABLE,
            reason::AUDIT_UNAVAILABLE,
        )
        .with_retry_after(Duration::from_secs(1))
    }

    /// Nothing more is let in, because the gate is shut down.
    pub(crate) fn shutting_down() -> Self {
        Self::new(
            "gate",
            StatusCode::SERVICE_UNAVAILABLE,
            reason::SHUTTING_DOWN,
        )
        .with_retry_after(Duration::from_secs(1))
    }

    /// An answer to something that needs no permission, without a body.
    pub(crate) fn answer(layer: &'static str, status: StatusCode, reason: ReasonCode) -> Self {
        let this = Self::new(layer, status, reason);
        Self {
            outcome: Outcome::Answered,
            body: Body::Empty,
            ..this
        }
    }

    pub(crate) fn with_authenticator(mut self, name: &'static str) -> Self {
        self.authenticator = Some(name);
        self
    }

    pub(crate) fn with_challenges(mut self, challenges: Arc<[HeaderValue]>) -> Self {
        self.challenges = Some(challenges);
        self
    }

    pub(crate) fn with_document(mut self, content_type: &'static str, document: Bytes) -> Self {
        self.body = Body::Document(content_type, document);
        self
    }

    /// Answers a notice in the words of its protocol.
    pub(crate) fn with_reply(mut self, reply: &NoticeReply) -> Self {
        self.body = Body::Reply(Box::new(reply.clone()));
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    pub(crate) fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn reason(&self) -> ReasonCode {
        self.reason
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub(crate) fn layer(&self) -> &'static str {
        self.layer
    }

    pub(crate) fn authenticator(&self) -> Option<&'static str> {
        self.authenticator
    }

    /// The lines of the challenge.
    pub(crate) fn challenges(&self) -> impl Iterator<Item = &HeaderValue> {
        self.challenges.iter().flat_map(|lines| lines.iter())
    }

    /// Whether it is the sender's doing, and charges the budget of its address.
    ///
    /// A 429 is none. A budget that is spent is not charged again: it would never come back
    /// under a steady flood. And a quota is that of a caller who is known, while an address is
    /// shared: if it were charged as well, one colleague's runaway agent would have everybody
    /// behind the same address treated as strangers.
    pub(crate) fn is_charged(&self) -> bool {
        self.outcome == Outcome::Refused
            && self.status != StatusCode::TOO_MANY_REQUESTS
            && !self.is_free_of_charge
    }

    /// Costs the sender's address nothing, because it is in order.
    pub(crate) fn free_of_charge(self) -> Self {
        Self {
            is_free_of_charge: true,
            ..self
        }
    }

    pub(crate) fn is_free_of_charge(&self) -> bool {
        self.is_free_of_charge
    }

    pub(crate) fn into_response(self, id: RequestId) -> Response<Bytes> {
        let mut headers = HeaderMap::with_capacity(8);
        for challenge in self.challenges() {
            headers.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(delay) = self.retry_after {
            // Rounded up, and never zero: a client that comes back at once comes too early.
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(header) = self.header {
            let (name, value) = *header;
            headers.insert(name, value);
        }
        let body = match self.body {
            Body::Empty => Bytes::new(),
            Body::Document(content_type, document) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                headers.insert(
                    header::ACCESS_CONTROL_ALLOW_ORIGIN,
                    HeaderValue::from_static("*"),
                );
                document
            }
            Body::Reply(reply) => {
                headers.extend(reply.headers().clone());
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                Bytes::copy_from_slice(reply.body().as_bytes())
            }
            Body::Problem => {
                let content_type = HeaderValue::from_static("application/problem+json");
                headers.insert(header::CONTENT_TYPE, content_type);
                problem(self.status, id, "").into()
            }
        };
        if self.outcome != Outcome::Answered {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// A problem of RFC 9457 with type, title, status and the request's id: what support needs to
/// find the record, and nothing that helps an attacker.
///
/// `more` is what is said besides: members of the object, each with a comma ahead of it.
pub(crate) fn problem(status: StatusCode, id: RequestId, more: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Refused");
    let code = status.as_u16();
    format!(
        r#"{{"type":"about:blank","title":"{title}","status":{code},"instance":"urn:uuid:{id}"{more}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_nothing_about_the_reason() {
        let response = Refusal::new(
            "authn",
            StatusCode::UNAUTHORIZED,
            reason::CREDENTIAL_UNKNOWN,
        )
        .into_response(RequestId::from_u128(7));
        let body = std::str::from_utf8(response.body()).unwrap();
        assert_eq!(
            body,
            "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\
             \"instance\":\"urn:uuid:00000000-0000-0000-0000-000000000007\"}",
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(!format!("{response:?}").contains("credential_unknown"));
    }

    #[test]
    fn never_asks_to_come_back_at_once() {
        for (delay, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let response = Refusal::new("x", StatusCode::SERVICE_UNAVAILABLE, reason::BUDGET_SPENT)
                .with_retry_after(Duration::from_millis(delay))
                .into_response(RequestId::from_u128(0));
            assert_eq!(response.headers()["retry-after"], seconds);
        }
    }
}
