//! Events of Shared Signals, by the transmitter or by somebody who is not it: R07, R08.

mod acknowledged;
mod polled;
mod refused;
mod stopped;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use portcullis::{
    Clock as _, Secret,
    jwt::{Issuer, SharedSignals},
    revocation::MemoryRevocations,
    session::SessionLayer,
};
use portcullis_testing::{faulty_store::FaultyRevocations, identity_provider::Token};
use serde_json::{Value, json};

use crate::{
    guard::{Guard, ISSUER, RESOURCE, Settings, finish},
    harness::Harness,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";
const SET: &str = "application/secevent+jwt";

pub(crate) async fn play(harness: &mut Harness) {
    harness
        .row("R07", async |harness: &mut Harness| {
            refused::play(harness).await;
            acknowledged::play(harness).await;
            polled::play(harness).await;
        })
        .await;
    harness.row("R08", stopped::play).await;
}

/// A server to which events are pushed.
struct World {
    guard: Guard,
    store: FaultyRevocations<MemoryRevocations>,
    /// What the transmitter was told to bring along.
    brings: Option<&'static str>,
}

impl World {
    fn new(change: impl FnOnce(SharedSignals) -> SharedSignals) -> Self {
        let store = FaultyRevocations::new(MemoryRevocations::default());
        let mut settings = Settings::fixed();
        settings.session = Some(SessionLayer::builder());
        settings.revocations = Some(store.clone());
        let keys = settings.idp.jwks().to_string();
        let issuer = Issuer::new(ISSUER).with_static_keys(keys);
        settings.shared_signals = Some(change(SharedSignals::push(issuer)));
        Self {
            guard: settings.build(),
            store,
            brings: None,
        }
    }

    /// Somebody who has just logged in.
    fn login(&self) -> String {
        let now = self.guard.clock.now().unix_seconds();
        let token = self.guard.token().with_claim("auth_time", now);
        token.with_lifetime(MINUTE * 120).mint()
    }

    /// That everything of who has logged in is over.
    fn revoked(&self) -> Token {
        self.event(json!({}), user(ISSUER, "alice"))
    }

    fn event(&self, members: Value, subject: Value) -> Token {
        let event = format!("{CAEP}session-revoked");
        self.guard
            .idp
            .security_event(RESOURCE, &event, members, subject)
    }

    /// What the transmitter says of the stream itself.
    fn of_stream(&self, event: &str, members: Value) -> Token {
        let event = format!("{SSF}{event}");
        self.guard
            .idp
            .security_event(RESOURCE, &event, members, opaque("stream"))
    }

    fn push(&self, token: &str) -> Request<Full<Bytes>> {
        self.push_as(SET, token)
    }

    fn push_as(&self, media_type: &str, token: &str) -> Request<Full<Bytes>> {
        let request = self.guard.request("/shared-signals").method("POST");
        let mut request = finish(request.header("content-type", media_type));
        if let Some(token) = self.brings {
            let value = HeaderValue::from_static(token);
            request.headers_mut().insert("authorization", value);
        }
        *request.body_mut() = Full::from(token.to_owned());
        request
    }

    /// How a token is answered.
    async fn told(&self, token: &str) -> StatusCode {
        let status = self.guard.send(self.push(token)).await.status();
        let _ = self.guard.audit.take();
        status
    }

    /// Whether somebody is in.
    async fn is_in(&self, token: &str) -> bool {
        let status = self.guard.status_of(token).await;
        let _ = self.guard.audit.take();
        status == StatusCode::OK
    }
}

fn user(issuer: &str, subject: &str) -> Value {
    json!({ "format": "iss_sub", "iss": issuer, "sub": subject })
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

/// What was to be, or what was instead.
fn as_expected<T: PartialEq + std::fmt::Debug>(is: &T, should_be: &T) -> Result<(), String> {
    match is == should_be {
        true => Ok(()),
        false => Err(format!("{is:?}")),
    }
}
