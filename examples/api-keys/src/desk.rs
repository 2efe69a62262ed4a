//! Where callers manage their keys.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use portcullis::{
    Clock as _, GateHandle, Principal, Scopes, SystemClock, Timestamp,
    api_keys::{Grant, KeyError, KeyErrorKind, KeyRegistry, StoredKey},
    revocation::Revocation,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a key has to have that manages keys.
pub(crate) const SCOPE: &str = "keys.manage";

/// How long a secret goes on working that was rotated.
const OVERLAP: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_secs(86_400);
/// Keys on one page of a list.
const PAGE: usize = 50;

type Answer = Result<Json<Value>, (StatusCode, String)>;

/// The keys, and the gate that they open.
#[derive(Clone)]
pub(crate) struct Desk {
    keys: KeyRegistry,
    handle: Arc<GateHandle>,
    clock: SystemClock,
}

/// What a caller wants a key for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    scopes: String,
    days: Option<u16>,
    per_minute: Option<u32>,
}

#[derive(Deserialize)]
struct Place {
    /// The last id of the page before.
    after: Option<String>,
}

impl Desk {
    pub(crate) fn new(keys: KeyRegistry, handle: GateHandle) -> Self {
        Self {
            keys,
            handle: Arc::new(handle),
            clock: SystemClock::new(),
        }
    }

    /// The gate has to ask for [`SCOPE`] on each of these routes.
    pub(crate) fn into_router(self) -> Router {
        Router::new()
            .route("/keys", get(list).post(issue))
            .route("/keys/{id}", delete(revoke))
            .route("/keys/{id}/rotate", post(rotate))
            .with_state(self)
    }

    /// A key of the caller. That another caller's is there is nobody's business.
    async fn his(
        &self,
        principal: &Principal,
        id: &str,
    ) -> Result<StoredKey, (StatusCode, String)> {
        let found = self.keys.find(id).await.map_err(|error| refused(&error))?;
        found
            .filter(|key| key.grant().subject() == principal.subject())
            .ok_or_else(|| (StatusCode::NOT_FOUND, "you have no such key".to_owned()))
    }
}

async fn issue(
    State(desk): State<Desk>,
    principal: Principal,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let bad = |problem: String| (StatusCode::BAD_REQUEST, problem);
    let scopes = Scopes::parse(&wanted.scopes).map_err(|error| bad(error.to_string()))?;
    // Nobody gives what he has not got.
    if let Some(more) = scopes.iter().find(|scope| !principal.has_scope(scope)) {
        let problem = format!("you have not got the scope `{more}` yourself");
        return Err((StatusCode::FORBIDDEN, problem));
    }
    let now = desk.clock.now();
    let mut grant = Grant::for_user(principal.subject()).with_scopes(scopes);
    if let Some(days) = wanted.days {
        grant = grant.with_expires_at(now + u32::from(days) * DAY);
    }
    if let Some(requests) = wanted.per_minute {
        grant = grant.with_limit(requests, Duration::from_mins(1));
    }
    let issued = desk
        .keys
        .issue(grant, now)
        .await
        .map_err(|error| refused(&error))?;
    // The one time that the text of the key is shown.
    let mut shown = show(issued.stored());
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("key".to_owned(), issued.expose().into());
    }
    Ok(Json(shown))
}

async fn list(
    State(desk): State<Desk>,
    principal: Principal,
    Query(place): Query<Place>,
) -> Answer {
    let after = place.after.as_deref();
    let keys = desk.keys.list(principal.subject(), after, PAGE).await;
    let keys = keys.map_err(|error| refused(&error))?;
    Ok(Json(keys.iter().map(show).collect()))
}

async fn rotate(State(desk): State<Desk>, principal: Principal, Path(id): Path<String>) -> Answer {
    let key = desk.his(&principal, &id).await?;
    let now = desk.clock.now();
    let rotated = desk.keys.rotate(key.id(), OVERLAP, now).await;
    let rotated = rotated.map_err(|error| refused(&error))?;
    Ok(Json(json!({
        "id": rotated.stored().id(),
        "key": rotated.expose(),
        "old_works_until": rotated.stored().superseded().map(|old| text(old.until())),
    })))
}

async fn revoke(State(desk): State<Desk>, principal: Principal, Path(id): Path<String>) -> Answer {
    let key = desk.his(&principal, &id).await?;
    let now = desk.clock.now();
    desk.keys
        .revoke(key.id(), now)
        .await
        .map_err(|error| refused(&error))?;
    // Also for what an answer that is running still asks for.
    let what = Revocation::credential(principal.issuer(), key.id());
    let revoked = desk.handle.revoke(what).await;
    revoked.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(Json(json!({ "id": key.id(), "revoked": text(now) })))
}

/// What a caller may see of a key.
fn show(key: &StoredKey) -> Value {
    let grant = key.grant();
    json!({
        "id": key.id(),
        "scopes": grant.scopes().as_str(),
        "issued": key.issued_at().map(text),
        "ends": grant.expires_at().map(text),
        "per_minute": grant.limit().map(|limit| limit.requests()),
        "used": key.last_used_at().map(text),
        "revoked": key.revoked_at().map(text),
    })
}

fn text(time: Timestamp) -> String {
    time.to_string()
}

fn refused(error: &KeyError) -> (StatusCode, String) {
    let status = match error.kind() {
        KeyErrorKind::Unknown => StatusCode::NOT_FOUND,
        KeyErrorKind::Expired | KeyErrorKind::Invalid => StatusCode::BAD_REQUEST,
        KeyErrorKind::Conflict | KeyErrorKind::Revoked => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string())
}
