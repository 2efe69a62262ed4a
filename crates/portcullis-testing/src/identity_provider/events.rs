//! What the issuer tells applications: logouts, and security events.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{IdentityProvider, Token};

/// What waits to be asked for, and what was said of it.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(String, String)>,
    acknowledged: Vec<String>,
    refused: Vec<(String, String)>,
}

impl Outbox {
    pub(super) fn push(&self, id: &str, token: String) {
        self.state().waiting.push((id.to_owned(), token));
    }

    pub(super) fn acknowledged(&self) -> Vec<String> {
        self.state().acknowledged.clone()
    }

    pub(super) fn refused(&self) -> Vec<(String, String)> {
        self.state().refused.clone()
    }

    /// Answers a poll (RFC 8936 §2.4). What is not acknowledged is handed out again.
    pub(super) fn poll(&self, body: &[u8]) -> (StatusCode, Value) {
        let Ok(Value::Object(asked)) = serde_json::from_slice(body) else {
            return (StatusCode::BAD_REQUEST, json!({}));
        };
        let mut state = self.state();
        if let Some(Value::Array(ids)) = asked.get("ack") {
            let ids = ids.iter().filter_map(Value::as_str).map(str::to_owned);
            state.acknowledged.extend(ids);
        }
        if let Some(Value::Object(problems)) = asked.get("setErrs") {
            for (id, problem) in problems {
                let error = problem.get("err").and_then(Value::as_str);
                let error = error.unwrap_or_default().to_owned();
                state.refused.push((id.clone(), error));
            }
        }
        let done: Vec<_> = state
            .acknowledged
            .iter()
            .chain(state.refused.iter().map(|(id, _)| id))
            .cloned()
            .collect();
        state.waiting.retain(|(id, _)| !done.contains(id));
        let most = asked.get("maxEvents").and_then(Value::as_u64);
        let most = most.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        let sets = state.waiting.iter().take(most);
        let sets: Map<_, _> = sets
            .map(|(id, token)| (id.clone(), token.clone().into()))
            .collect();
        let more = state.waiting.len() > sets.len();
        (
            StatusCode::OK,
            json!({ "sets": sets, "moreAvailable": more }),
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdentityProvider {
    /// A good logout token for this client (OpenID Connect Back-Channel Logout 1.0 §2.4), two
    /// minutes long, but for what it ends: give it a claim `sid`, `sub`, or both. It can be made
    /// bad in any way.
    ///
    /// ```
    /// use portcullis_testing::identity_provider::IdentityProvider;
    ///
    /// let idp = IdentityProvider::new();
    /// let form = format!(
    ///     "logout_token={}",
    ///     idp.logout_token("notes-app").with_claim("sid", "08a5019c").mint(),
    /// );
    /// # assert_eq!(form.matches('.').count(), 2);
    /// ```
    pub fn logout_token(&self, client: &str) -> Token {
        self.token("")
            .without_claim("sub")
            .without_claim("client_id")
            .with_header("typ", "logout+jwt")
            .with_audience(client)
            .with_lifetime(std::time::Duration::from_secs(120))
            .with_claim(
                "events",
                json!({ "http://schemas.openid.net/event/backchannel-logout": {} }),
            )
    }

    /// A good security event token for this receiver (RFC 8417, OpenID Shared Signals Framework
    /// 1.0): one event of this type with these members, about this subject (RFC 9493). It can be
    /// made bad in any way.
    ///
    /// ```
    /// use portcullis_testing::identity_provider::IdentityProvider;
    /// use serde_json::json;
    ///
    /// let idp = IdentityProvider::new();
    /// let revoked = idp.security_event(
    ///     "https://notes.example",
    ///     "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
    ///     json!({ "event_timestamp": 1_767_225_600 }),
    ///     json!({ "format": "iss_sub", "iss": idp.issuer(), "sub": "alice" }),
    /// );
    /// # assert_eq!(revoked.mint().matches('.').count(), 2);
    /// ```
    pub fn security_event(
        &self,
        audience: &str,
        event_type: &str,
        event: Value,
        subject: Value,
    ) -> Token {
        let events = Map::from_iter([(event_type.to_owned(), event)]);
        self.token("")
            .without_claim("sub")
            .without_claim("client_id")
            .without_claim("exp")
            .with_header("typ", "secevent+jwt")
            .with_audience(audience)
            .with_claim("sub_id", subject)
            .with_claim("events", events)
    }

    /// Has a security event wait at [`events_endpoint`](Self::events_endpoint) until it is
    /// acknowledged, under this id, which is also to be its `jti`.
    pub fn queue_event(&self, id: &str, token: &Token) {
        self.outbox
            .push(id, token.clone().with_claim("jti", id).mint());
    }

    /// Where security events are asked for (RFC 8936).
    #[must_use]
    pub fn events_endpoint(&self) -> String {
        format!("{}/events", self.issuer())
    }

    /// The ids of the events that were acknowledged.
    #[must_use]
    pub fn acknowledged_events(&self) -> Vec<String> {
        self.outbox.acknowledged()
    }

    /// The ids of the events that were refused, and with which `err`.
    #[must_use]
    pub fn refused_events(&self) -> Vec<(String, String)> {
        self.outbox.refused()
    }
}
