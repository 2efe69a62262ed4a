//! The span of a request: what belongs to it in the logs and traces of whoever operates it.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Method, StatusCode, request::Parts};
use portcullis_core::{ReasonCode, RequestId, SessionId, TraceParent};
use tracing::{
    Span,
    field::{Empty, display},
    level_filters::LevelFilter,
};

use super::{Exchange, Scope};
use crate::{audit::Escaped, reason, route};

/// The span of one request, if anybody wants it. Without a subscriber that does, there is none,
/// and nothing here does anything.
pub(super) struct RequestSpan(Option<Box<Kept>>);

/// The span, until the request is over: whoever keeps the exchange for longer does not keep the
/// span open.
struct Kept {
    span: Mutex<Option<Span>>,
    has_failed: AtomicBool,
}

impl RequestSpan {
    pub(super) fn open(
        parts: &Parts,
        id: RequestId,
        path: &str,
        trace: Option<&TraceParent>,
    ) -> Self {
        // Says no in an instant where nobody listens at all.
        if LevelFilter::current() < LevelFilter::INFO {
            return Self(None);
        }
        let span = make(parts, id, path, trace);
        Self((!span.is_disabled()).then(|| {
            Box::new(Kept {
                span: Mutex::new(Some(span)),
                has_failed: AtomicBool::new(false),
            })
        }))
    }

    pub(super) fn set_client_address(&self, address: Option<IpAddr>) {
        if let (Some(span), Some(address)) = (self.get(), address) {
            span.record("client.address", display(address));
        }
    }

    pub(super) fn set_session(&self, session: SessionId) {
        if let Some(span) = self.get() {
            span.record("session.id", display(session));
        }
    }

    fn set_status(&self, status: StatusCode) {
        if let Some(span) = self.get() {
            // Signed, because that is what OpenTelemetry has numbers in.
            span.record("http.response.status_code", i64::from(status.as_u16()));
        }
    }

    /// Notes the first way in which the request failed: what is recorded twice stands in a line
    /// of text twice.
    fn fail(&self, error: &str) {
        let has_failed = self.0.as_ref().map(|kept| &kept.has_failed);
        if has_failed.is_none_or(|has_failed| has_failed.swap(true, Ordering::AcqRel)) {
            return;
        }
        if let Some(span) = self.get() {
            span.record("error.type", error);
            span.record("otel.status_code", "ERROR");
        }
    }

    fn close(&self) {
        if let Some(kept) = &self.0 {
            let span = kept
                .span
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            drop(span);
        }
    }

    /// A handle on the span, while the request is not over.
    fn get(&self) -> Option<Span> {
        let span = &self.0.as_ref()?.span;
        span.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What happens to the span of a request, for the layers.
impl Exchange {
    /// The span to enter for something that belongs to this request: none where the thread is
    /// running the request already, or nobody wants it. A handler's own span then stays the
    /// innermost.
    #[inline]
    pub(crate) fn span_to_enter(&self) -> Option<Span> {
        // Here ends what a request pays that nobody listens to.
        self.0.span.0.as_ref()?;
        self.open_span()
    }

    #[cold]
    fn open_span(&self) -> Option<Span> {
        let is_inside = self.0.flight.scope() == Scope::Same;
        self.0.span.get().filter(|_| !is_inside)
    }

    /// Does something of our own that belongs to this request.
    #[inline]
    pub(crate) fn in_span<R>(&self, f: impl FnOnce() -> R) -> R {
        // One call, so that it is compiled once, and inlined as if there were no spans.
        let span = self.span_to_enter();
        let _entered = span.as_ref().map(Span::enter);
        f()
    }

    /// Notes the answer that leaves the outermost of our layers, and why it is one of the gate's
    /// own, if it is.
    pub(crate) fn note_answer(&self, status: StatusCode, reason: Option<ReasonCode>) {
        self.0.span.set_status(status);
        if status.is_server_error() {
            let error = reason.map_or_else(|| status.as_str(), |reason| reason.as_str());
            self.0.span.fail(error);
        }
    }

    /// Closes the span of a request that ended in this way.
    pub(crate) fn close_span(&self, end: ReasonCode) {
        if end == reason::FAILED {
            self.0.span.fail(end.as_str());
        }
        self.0.span.close();
    }
}

/// The span, with all that it will ever say. The page for operators is held against it.
#[inline(never)]
fn make(parts: &Parts, id: RequestId, path: &str, trace: Option<&TraceParent>) -> Span {
    tracing::info_span!(
        target: "portcullis::request",
        "request",
        otel.name = %Name(parts),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = known(&parts.method),
        http.request.method_original = unknown(&parts.method).map(display),
        url.path = %Escaped(path),
        http.route = route::matched(parts).map(Escaped).map(display),
        client.address = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
        session.id = Empty,
        user.id = Empty,
        request_id = %id,
        trace_id = trace.map(|trace| display(trace.trace_id())),
        parent_id = trace.map(|trace| display(trace.parent_id())),
    )
}

/// What the span is called: nothing in it is of a stranger's choice, so that there are not more
/// names than routes.
struct Name<'a>(&'a Parts);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(parts) = self;
        f.write_str(match known(&parts.method) {
            OTHER => "HTTP",
            method => method,
        })?;
        match route::matched(parts) {
            Some(route) => write!(f, " {}", Escaped(route)),
            None => Ok(()),
        }
    }
}

/// What OpenTelemetry calls a method that it does not know.
const OTHER: &str = "_OTHER";

/// The method, if it is one of RFC 9110, PATCH or QUERY.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "CONNECT" => "CONNECT",
        "DELETE" => "DELETE",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "POST" => "POST",
        "PUT" => "PUT",
        "QUERY" => "QUERY",
        "TRACE" => "TRACE",
        _ => OTHER,
    }
}

/// The method, if it is none of them.
fn unknown(method: &Method) -> Option<Escaped<'_>> {
    (known(method) == OTHER).then(|| Escaped(method.as_str()))
}
