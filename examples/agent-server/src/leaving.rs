//! How a caller leaves: one session of his, or all that he has been given.

use axum::{Router, extract::State, http::StatusCode, routing::post};
use portcullis::{GateHandle, Principal, Session, revocation::Revocation, session::SessionValue};

/// The routes. The gate is told through its handle.
pub(crate) fn routes(handle: GateHandle) -> Router {
    Router::new()
        .route("/logout", post(logout))
        .route("/logout/everywhere", post(logout_everywhere))
        .route("/visits", post(visits))
        .with_state(handle)
}

/// Ends this session. The same login does not open another.
async fn logout(session: Session) -> StatusCode {
    match session.end().await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Ends all sessions of the caller, and revokes whatever was issued to him until now: what this
/// request was let in with as well, so the gate answers 401 in place of the handler.
async fn logout_everywhere(State(handle): State<GateHandle>, principal: Principal) -> StatusCode {
    let all = Revocation::subject(principal.issuer(), principal.subject());
    match handle.revoke(all).await {
        Ok(()) => StatusCode::UNAUTHORIZED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// How often somebody has been here in this session.
struct Visits(u64);

impl SessionValue for Visits {
    const NAME: &'static str = "visits";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes).map(Self)
    }
}

/// Counts, in what is kept with the session.
async fn visits(session: Session) -> Result<String, StatusCode> {
    let unavailable = |_| StatusCode::SERVICE_UNAVAILABLE;
    let before = session.get::<Visits>().await.map_err(unavailable)?;
    let now = Visits(before.map_or(1, |before| before.0.saturating_add(1)));
    session.put(&now).await.map_err(unavailable)?;
    Ok(format!("{}\n", now.0))
}
