//! A request on a known session that has an idle timeout, by ours and by `tower-sessions`: both in
//! memory, both inside the same `authn`, around a service that does next to nothing.
//!
//! | name | what |
//! |---|---|
//! | `session.idle.floor` | `authn` and the service |
//! | `session.idle.tower_sessions` | with `tower-sessions` between them, which saves the session at each request: otherwise it would lapse under whoever only reads it |
//! | `session.idle.ours` | with our layer between them |

use std::{convert::Infallible, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use portcullis::{
    Secret,
    session::{MemorySessions, SessionLayer},
};
use tower::{Layer as _, Service};
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer, cookie::time::Duration};

use crate::{
    Variant,
    composite::cookie_of,
    requests::request,
    services::{Bare, answer, send},
    variants::{any_credential, authn},
};

/// # Panics
///
/// One of the two does not find the session again.
pub(crate) fn variants() -> Vec<Variant> {
    const FLOOR: &str = "session.idle.floor";
    const THEIRS: &str = "session.idle.tower_sessions";
    let store = MemoryStore::default();
    let manager = SessionManagerLayer::new(store)
        .with_expiry(Expiry::OnInactivity(Duration::hours(1)))
        .with_always_save(true);
    let mut opening = manager.clone().layer(tower::service_fn(open));
    let cookie = cookie_of(&answer(&mut opening, request(&any_credential())));
    let credential = any_credential();
    let mut theirs = authn().layer(manager.layer(Bare));
    let again = cookie_of(&answer(&mut theirs, from(&credential, &cookie)));
    assert_eq!(again, cookie, "the session is found, and saved anew");

    let kept = Arc::new(MemorySessions::default());
    let sessions = SessionLayer::builder()
        .with_store(Arc::clone(&kept))
        .with_key(Secret::new([7; 16]))
        .with_idle(std::time::Duration::from_secs(3600))
        .build()
        .expect("the settings work");
    let mut ours = authn().layer(sessions.layer(Bare));
    for _ in 0..2 {
        let response = answer(&mut ours, from(&credential, &cookie));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(kept.len(), 1, "one session is begun, and found again");
    }
    vec![
        sending(FLOOR, authn().layer(Bare), &cookie),
        sending(THEIRS, theirs, &cookie).with_floor(FLOOR),
        sending("session.idle.ours", ours, &cookie)
            .with_floor(FLOOR)
            .with_composite(THEIRS),
    ]
}

/// Puts something into the session, so that there is one.
async fn open(mut request: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
    let session = request.extensions_mut().remove::<Session>();
    let session = session.expect("the layer gives a session");
    let put = session.insert("origin", 7_u64).await;
    put.expect("memory takes it");
    Ok(Response::default())
}

/// The same request for all of them.
fn from(credential: &HeaderValue, cookie: &HeaderValue) -> Request<Body> {
    let mut request = request(credential);
    request.headers_mut().insert(header::COOKIE, cookie.clone());
    request
}

fn sending<S, B>(name: &str, mut service: S, cookie: &HeaderValue) -> Variant
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug> + 'static,
    B: axum::body::HttpBody<Data: std::fmt::Debug, Error: std::fmt::Debug>,
{
    let (credential, cookie) = (any_credential(), cookie.clone());
    Variant::new(name, move || send(&mut service, from(&credential, &cookie)))
}
