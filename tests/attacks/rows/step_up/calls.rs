//! What a handler asks for inside a request: U06.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis::{Exchange, RequestBody};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{guard, strong};
use crate::{
    guard::{Guard, text},
    harness::Harness,
};

/// Whether a handler is permitted what it asks for inside a request with this token.
pub(super) async fn is_permitted(guard: &Guard, token: &str, operation: &str) -> bool {
    let asked = operation.to_owned();
    let handler = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let exchange = Exchange::of(request.extensions()).cloned();
        let asked = asked.clone();
        async move {
            let permit = match &exchange {
                Some(exchange) => exchange.authorize(&asked, "permitted").await.ok(),
                None => None,
            };
            let said = permit.map_or("refused", |permit| permit.spend());
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(said)))
        }
    });
    let response = match guard.gate.layer(handler).oneshot(guard.bearer(token)).await {
        Ok(response) => response.map(http_body_util::combinators::UnsyncBoxBody::new),
        Err(never) => match never {},
    };
    text(response).await == "permitted"
}

/// A call that has to be refused.
pub(super) async fn call(
    harness: &mut Harness,
    guard: &Guard,
    name: &str,
    token: &str,
    operation: &str,
) {
    let is_permitted = is_permitted(guard, token, operation).await;
    harness.judged(
        name,
        match is_permitted {
            true => Err("is permitted".to_owned()),
            false => Ok(()),
        },
    );
}

/// A call that has to be permitted.
pub(super) async fn honest(harness: &mut Harness, guard: &Guard, token: &str, operation: &str) {
    if !is_permitted(guard, token, operation).await {
        harness.fail(operation, "is refused to one who may");
    }
}

/// Operations are named byte for byte. A caller who may do everything may not do what nobody
/// has named.
pub(super) async fn names(harness: &mut Harness) {
    let guard = guard();
    let token = strong(&guard).mint();
    for operation in ["payments.transfer", "vault.open", "notes.list"] {
        honest(harness, &guard, &token, operation).await;
    }
    for operation in [
        "",
        "Payments.Transfer",
        "payments.transfer ",
        "payments.transfer\0",
        "payments.tr\u{e4}nsfer",
        "payments.tra\u{301}nsfer",
        "payments.tr\u{430}nsfer",
        "tool:payments.transfer",
        "tools/call payments.transfer",
        "payments.transfer;v=2",
        "payments",
        "*",
        "__proto__",
    ] {
        call(
            harness,
            &guard,
            &operation.escape_debug().to_string(),
            &token,
            operation,
        )
        .await;
    }
}

/// A stream goes on after its token has expired. What it asks for then is refused.
pub(super) async fn expiry(harness: &mut Harness) {
    let guard = guard();
    let token = guard.token().mint();
    let late = guard.clock.clone();
    let handler = service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        let exchange = Exchange::of(request.extensions()).cloned();
        let late = late.clone();
        async move {
            let mut said = Vec::new();
            for wait in [0, 3600] {
                late.advance(Duration::from_secs(wait));
                if let Some(exchange) = &exchange {
                    said.push(exchange.authorize("notes.list", ()).await.is_ok());
                }
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("{said:?}"))))
        }
    });
    let response = match guard
        .gate
        .layer(handler)
        .oneshot(guard.bearer(&token))
        .await
    {
        Ok(response) => response.map(http_body_util::combinators::UnsyncBoxBody::new),
        Err(never) => match never {},
    };
    let said = text(response).await;
    harness.judged(
        "an hour later",
        (said == "[true, false]").then_some(()).ok_or(said),
    );
}
