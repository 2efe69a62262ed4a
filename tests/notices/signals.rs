//! Events of an issuer by Shared Signals: what they are here, and who sends them.

mod polled;
mod pushed;
mod streams;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use portcullis::{Clock as _, Secret, jwt::SharedSignals};
use portcullis_testing::{
    clock::VirtualClock,
    identity_provider::{IdentityProvider, Token},
};
use serde_json::{Value, json};

use crate::world::{ISSUER, RESOURCE, World, idp, issuer, post};

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";
const SET: &str = "application/secevent+jwt";
const PATH: &str = "/shared-signals";

fn pushed(idp: &IdentityProvider) -> SharedSignals {
    SharedSignals::push(issuer(idp))
}

fn world() -> World {
    World::new(|stack, idp| stack.add_notice_receiver(pushed(idp)))
}

/// Who is meant, by the issuer's own name for them.
fn user(name: &str) -> Value {
    json!({ "format": "iss_sub", "iss": ISSUER, "sub": name })
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

/// That everything of Alice is over.
fn revoked(idp: &IdentityProvider) -> Token {
    let event = format!("{CAEP}session-revoked");
    idp.security_event(RESOURCE, &event, json!({}), user("alice"))
}

/// What a transmitter says of the stream itself.
fn of_stream(idp: &IdentityProvider, event: &str, members: Value) -> Token {
    idp.security_event(
        RESOURCE,
        &format!("{SSF}{event}"),
        members,
        opaque("stream"),
    )
}

fn push(token: &Token) -> Request<Full<Bytes>> {
    post(PATH, SET, token.mint())
}

/// What the one record says of a token that is taken.
async fn taken(world: &World, token: &Token) -> String {
    let _ = world.audit.take();
    let answer = world.send(push(token)).await;
    assert_eq!(
        (answer.status(), &**answer.body()),
        (StatusCode::ACCEPTED, "")
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let (layer, reason) = world.one_record();
    assert_eq!(layer, "notices");
    reason
}

/// As RFC 8935 §2.3 has it.
fn is_refused(answer: &Response<String>, error: &str) {
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["content-language"], "en");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(body["err"], error);
    assert!(body["description"].is_string());
    assert_eq!(body.as_object().unwrap().len(), 2);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let clock = VirtualClock::new();
    let idp = idp(&clock);
    let second = Duration::from_secs(1);
    let polled = || SharedSignals::poll(issuer(&idp), "https://mdm.example/poll");
    let cases = [
        (pushed(&idp).with_leeway(second * 61), "`with_leeway`"),
        (
            pushed(&idp).with_kept_for(Duration::ZERO),
            "`with_kept_for`",
        ),
        (
            pushed(&idp).with_max_silence(second * 59),
            "`with_max_silence`",
        ),
        (pushed(&idp).with_fail_safe(second * 59), "`with_fail_safe`"),
        (
            pushed(&idp).with_subject_issuers([""; 0]),
            "`with_subject_issuers`",
        ),
        (
            pushed(&idp).with_subject_issuers(["a", ""]),
            "`with_subject_issuers`",
        ),
        (pushed(&idp).with_token(Secret::from("")), "`with_token`"),
        (pushed(&idp).with_token(Secret::from("a b")), "`with_token`"),
        (pushed(&idp).with_path("nowhere"), "`add_notice_receiver`"),
        (
            pushed(&idp).with_poll_interval(second),
            "`with_poll_interval`",
        ),
        (polled().with_path("/x"), "`with_path`"),
        (
            polled().with_poll_interval(second / 2),
            "`with_poll_interval`",
        ),
        (
            polled().with_poll_interval(second * 300),
            "`with_max_silence`",
        ),
        (
            SharedSignals::poll(issuer(&idp), "http://mdm.example/poll"),
            "`SharedSignals::poll`",
        ),
        (
            SharedSignals::poll(issuer(&idp), "/poll"),
            "`SharedSignals::poll`",
        ),
    ];
    for (signals, setting) in cases {
        let stack = portcullis::Stack::builder()
            .with_resource(RESOURCE)
            .add_authenticator(portcullis::jwt::Jwt::new(issuer(&idp)))
            .add_notice_receiver(signals);
        let errors = stack.build().unwrap_err().to_string();
        assert!(errors.contains(setting), "{setting}: {errors}");
    }
}
