//! What stands outside the gate: tracing and CORS.
//!
//! They see every request before it is decided, also one that is refused. So a refusal is
//! traced, and carries the CORS headers without which a page could not read why it was refused.

use axum::extract::Request;
use http::{
    HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use portcullis::stack::GuardedRouter;
use tower_http::{cors::CorsLayer, trace::TraceLayer};

/// Puts tracing, and CORS where pages of an origin may call, around a guarded agent.
pub(crate) fn around(guarded: GuardedRouter, allow_origin: Option<&HeaderValue>) -> GuardedRouter {
    let guarded = match allow_origin {
        Some(origin) => guarded.layer(cors(origin)),
        None => guarded,
    };
    guarded.layer(TraceLayer::new_for_http().make_span_with(span))
}

/// Answers preflights itself: they carry no credential, and the gate has nothing to say to them.
fn cors(origin: &HeaderValue) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origin.clone())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([WWW_AUTHENTICATE, HeaderName::from_static("retry-after")])
}

/// The path alone: a query may hold what nobody should read in a log.
fn span(request: &Request) -> tracing::Span {
    tracing::debug_span!("request", method = %request.method(), path = request.uri().path())
}
