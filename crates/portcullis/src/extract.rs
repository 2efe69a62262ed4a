//! Extractors for axum (feature `axum`).
//!
//! ```
//! use portcullis::{ActorView, Exchange, Principal};
//!
//! async fn chat(principal: Principal) -> String {
//!     format!("hello {}", principal.subject())
//! }
//!
//! /// On a route that is declared anonymous, the principal is optional.
//! async fn health(principal: Option<Principal>, exchange: Exchange) -> String {
//!     format!("{} {}", exchange.id(), principal.is_some())
//! }
//! # let _: axum::Router = axum::Router::new()
//! #     .route("/chat", axum::routing::post(chat))
//! #     .route("/health", axum::routing::get(health));
//! ```
//!
//! | argument | without `authn` around the handler | anonymous caller |
//! |---|---|---|
//! | [`Principal`], [`ActorView`] | 500, and an ERROR log that names the layer | 401, and an ERROR log: the route is declared anonymous, but the handler is not written for it |
//! | `Option<Principal>` | 500, and an ERROR log | `None` |
//! | [`Session`] | 500, and an ERROR log, also without `session` | 401, and an ERROR log |
//! | `Option<Session>` | 500, and an ERROR log, also without `session` | `None` |
//! | [`Exchange`] | 500 if no layer of ours is there | as it is |

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{
    exchange::{Exchange, Slot},
    principal::{ActorView, Principal},
    session::Session,
};

/// Why an extractor has nothing to give. The response has no body: what is wrong is the
/// server's own affair, and stands in its log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExtractRejection(Missing);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Missing {
    Layer,
    Principal,
}

impl IntoResponse for ExtractRejection {
    fn into_response(self) -> Response {
        match self.0 {
            Missing::Layer => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Missing::Principal => StatusCode::UNAUTHORIZED.into_response(),
        }
    }
}

impl std::fmt::Display for ExtractRejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Missing::Layer => "no layer of portcullis stands around this handler",
            Missing::Principal => "the caller is anonymous",
        })
    }
}

impl std::error::Error for ExtractRejection {}

/// The exchange of a request that has come through the layer a handler relies on. Not read from
/// a copy: a handler is given the request itself.
fn exchange_behind(parts: &Parts, slot: Option<Slot>) -> Result<&Exchange, ExtractRejection> {
    let found = Exchange::of_own(&parts.extensions);
    match (found, slot) {
        (Some(exchange), None) => Ok(exchange),
        (Some(exchange), Some(slot)) if exchange.trail().any(|entered| entered == slot) => {
            Ok(exchange)
        }
        _ => {
            let layer = slot.map_or("gate", Slot::name);
            tracing::error!(
                target: "portcullis",
                layer,
                path = %parts.uri.path().escape_debug(),
                "`{layer}` is missing around this handler; guard the finished router with \
                 `gate.guard(router)`: a route that is added after the layer is not guarded",
            );
            Err(ExtractRejection(Missing::Layer))
        }
    }
}

fn principal_of(parts: &Parts) -> Result<Principal, ExtractRejection> {
    let exchange = exchange_behind(parts, Some(Slot::Authn))?;
    exchange.principal().cloned().ok_or_else(|| {
        tracing::error!(
            target: "portcullis",
            request_id = %exchange.id(),
            "this route is declared anonymous, but its handler wants a principal; \
             take `Option<Principal>`, or remove the route from `add_anonymous_route`",
        );
        ExtractRejection(Missing::Principal)
    })
}

impl<S: Sync> FromRequestParts<S> for Exchange {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ExtractRejection> {
        exchange_behind(parts, None).cloned()
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ExtractRejection> {
        principal_of(parts)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = ExtractRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, ExtractRejection> {
        Ok(exchange_behind(parts, Some(Slot::Authn))?
            .principal()
            .cloned())
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ExtractRejection> {
        let exchange = exchange_behind(parts, Some(Slot::Session))?;
        exchange.session().cloned().ok_or_else(|| {
            tracing::error!(
                target: "portcullis",
                request_id = %exchange.id(),
                "this route is declared anonymous, and an anonymous caller has no session; take \
                 `Option<Session>`, or remove the route from `add_anonymous_route`",
            );
            ExtractRejection(Missing::Principal)
        })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = ExtractRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, ExtractRejection> {
        let exchange = exchange_behind(parts, Some(Slot::Session))?;
        Ok(exchange.session().cloned())
    }
}

impl<S: Sync> FromRequestParts<S> for ActorView {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ExtractRejection> {
        principal_of(parts).map(|principal| principal.actor_view())
    }
}
