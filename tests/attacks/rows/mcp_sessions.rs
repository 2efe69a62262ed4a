//! Sessions of MCP up to 2025-11-25 in the hands of somebody else: S06, R14.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use portcullis::{Clock as _, RequestBody};
use portcullis_tests::fixtures::short_sessions;
use std::{convert::Infallible, time::Duration};
use tower::{Layer as _, ServiceExt as _};

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings},
    harness::{Expected, Harness},
};

/// What the server behind the gate calls its one session.
const ID: &str = "6f0f3bd5-3a1d-4a35-9b0f-d3a3c0de0001";

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("S06", foreign).await;
    harness.row("R14", resumed).await;
}

fn guard() -> Guard {
    let mut settings = Settings::fixed();
    settings.session = Some(short_sessions().with_mcp_sessions());
    settings.build()
}

/// A token of somebody who authenticated now.
fn token(guard: &Guard, name: &str) -> String {
    guard
        .idp
        .token(name)
        .with_audience(RESOURCE)
        .with_lifetime(Duration::from_secs(7200))
        .with_claim("auth_time", guard.clock.now().unix_seconds())
        .mint()
}

/// Takes whoever names its session for the one who began it, as the SDKs do.
async fn ask(guard: &Guard, request: Request<Full<Bytes>>) -> (u16, Option<String>) {
    let handler = tower::service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let mut response = Response::new(Full::<Bytes>::default());
        match request.headers().get("mcp-session-id") {
            None => {
                let id = HeaderValue::from_static(ID);
                response.headers_mut().insert("mcp-session-id", id);
            }
            Some(id) if id == ID => {}
            Some(_) => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        Ok::<_, Infallible>(response)
    });
    let Ok(response) = guard.gate.layer(handler).oneshot(request).await;
    let id = response.headers().get("mcp-session-id");
    let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
    (response.status().as_u16(), id)
}

fn with_id(guard: &Guard, token: &str, id: &str) -> Request<Full<Bytes>> {
    let mut request = guard.bearer(token);
    if let Ok(id) = HeaderValue::from_str(id) {
        request.headers_mut().insert("mcp-session-id", id);
    }
    request
}

/// Begins a session, and says which id the client was given.
async fn begin(guard: &Guard, token: &str) -> String {
    let (_, id) = ask(guard, guard.bearer(token)).await;
    let _ = guard.audit.take();
    id.unwrap_or_default()
}

fn unknown() -> Expected {
    Expected::status(404, &["mcp_session_unknown"])
}

async fn foreign(harness: &mut Harness) {
    let guard = guard();
    let (alice, bob) = (token(&guard, "alice"), token(&guard, "bob"));
    let id = begin(&guard, &alice).await;
    harness
        .control("its own", &guard, with_id(&guard, &alice, &id))
        .await;
    let of_bob = begin(&guard, &bob).await;
    let tag = of_bob.get(ID.len()..).unwrap_or_default();
    for (name, token, id) in [
        ("of Alice, with the token of Bob", &bob, id.clone()),
        (
            "made up",
            &alice,
            "0e7f3bd5-3a1d-4a35-9b0f-d3a3c0de0002".to_owned(),
        ),
        ("the server's own", &alice, ID.to_owned()),
        (
            "another, with the hash of this one",
            &bob,
            format!("other{tag}"),
        ),
        (
            "with a hash that is cut",
            &alice,
            id.get(..id.len() - 1).unwrap_or_default().to_owned(),
        ),
    ] {
        harness
            .attack(
                &format!("an id {name}"),
                &guard,
                with_id(&guard, token, &id),
                &unknown(),
            )
            .await;
    }
}

async fn resumed(harness: &mut Harness) {
    let guard = guard();
    let (alice, bob) = (token(&guard, "alice"), token(&guard, "bob"));
    let id = begin(&guard, &alice).await;
    let resume = |token: &str| {
        let mut request = with_id(&guard, token, &id);
        *request.method_mut() = Method::GET;
        request
            .headers_mut()
            .insert("last-event-id", HeaderValue::from_static("0_1"));
        request
    };
    harness
        .control("its own stream", &guard, resume(&alice))
        .await;
    harness
        .attack(
            "the stream of somebody else",
            &guard,
            resume(&bob),
            &unknown(),
        )
        .await;
    let _ = guard.handle.end_sessions(ISSUER, "alice").await;
    let expected = Expected::invalid_token(&["session_revoked"]);
    harness
        .attack(
            "a stream that was revoked",
            &guard,
            resume(&alice),
            &expected,
        )
        .await;
    guard.clock.advance(Duration::from_secs(1));
    let later = token(&guard, "alice");
    harness
        .attack(
            "the same after a later login",
            &guard,
            resume(&later),
            &unknown(),
        )
        .await;
}
