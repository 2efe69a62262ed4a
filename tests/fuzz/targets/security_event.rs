//! The claims of a security event, which the issuer signs whatever they are: what is accepted ends
//! what another reader of JSON finds in it, and of no other issuer, and nothing that is later.

use std::sync::{Arc, LazyLock};

use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use portcullis::{
    RequestView, RevocationKey, Site, Timestamp,
    jwt::{Issuer, SharedSignals, SignalsReceiver},
    notices::{
        AcceptedNotices, IntoNoticeReceiver as _, NoticeDelivery, NoticeReceipt,
        NoticeReceiver as _,
    },
};
use portcullis_testing::{
    clock::VirtualClock,
    identity_provider::{IdentityProvider, SigningAlgorithm},
};
use serde_json::{Value, json};

use super::{
    json::Members,
    judged::{AUDIENCE, ISSUER, NOW},
};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "security_event",
    check,
    dictionary: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u0000",
        "\\u0061",
        "\\ud800",
        "null",
        "0",
        "-1",
        "1e400",
        "1799999000",
        "1800000000",
        "1800000030",
        "1800000000000",
        "\"iss\":",
        "\"aud\":",
        "\"iat\":",
        "\"jti\":",
        "\"toe\":1799999000,",
        "\"toe\":1800009000,",
        "\"exp\":1800000300,",
        "\"sub\":\"root\",",
        "\"s\\u0075b\":\"root\",",
        "\"sub_id\":",
        "\"events\":",
        "\"events\":{},",
        "\"event_timestamp\":1799999000,",
        "\"event_timestamp\":1800009000,",
        "\"change_type\":\"create\",",
        "\"change_direction\":\"increase\",",
        "\"current_level\":\"LOW\",",
        "\"current_status\":\"compliant\",",
        "\"principal\":\"USER\",",
        "\"principal\":\"TENANT\",",
        "\"status\":\"paused\",",
        "\"state\":\"9b2e\",",
        "\"format\":",
        "\"iss_sub\"",
        "\"opaque\"",
        "\"complex\"",
        "\"aliases\"",
        "\"jwt_id\"",
        "\"email\"",
        "\"identifiers\":[",
        "\"user\":{\"format\":\"opaque\",\"id\":\"root\"},",
        "\"session\":{\"format\":\"opaque\",\"id\":\"s\"},",
        "\"device\":{\"format\":\"opaque\",\"id\":\"d\"},",
        "\"application\":{\"format\":\"opaque\",\"id\":\"c\"},",
        "\"tenant\":{\"format\":\"opaque\",\"id\":\"acme\"},",
        "\"group\":{\"format\":\"opaque\",\"id\":\"g\"},",
        "caep/event-type/session-revoked",
        "caep/event-type/token-claims-change",
        "caep/event-type/credential-change",
        "caep/event-type/assurance-level-change",
        "caep/event-type/device-compliance-change",
        "caep/event-type/risk-level-change",
        "risc/event-type/account-disabled",
        "ssf/event-type/verification",
        "ssf/event-type/stream-updated",
        "\"https://idp.example\"",
        "\"https://notes.example\"",
        "https://evil.example",
        " ",
        "\n",
        "\u{feff}",
        "\u{e4}",
    ],
    executions: 6_000,
};

/// How far the clocks of issuer and server may be apart: the default.
const LEEWAY: f64 = 30.0;
/// What a sender may be told (RFC 8935 §2.4).
const ERRORS: [&str; 3] = ["invalid_audience", "invalid_issuer", "invalid_request"];

static HEARING: LazyLock<(IdentityProvider, SignalsReceiver)> = LazyLock::new(|| {
    let idp = IdentityProvider::new().with_algorithms([SigningAlgorithm::EdDsa]);
    let clock = VirtualClock::starting_at(Timestamp::from_unix_seconds(NOW));
    let issuer = Issuer::new(ISSUER).with_static_keys(idp.jwks().to_string());
    let receiver = SharedSignals::push(issuer)
        .with_audience(AUDIENCE)
        .add_whole_tenant("acme")
        .with_critical_subject_members(["group"])
        .into_notice_receiver(&Site::new(Arc::new(clock)));
    (idp, receiver.unwrap())
});

fn check(input: &[u8]) -> Answer {
    let (idp, receiver) = &*HEARING;
    let token = idp
        .security_event(AUDIENCE, "", json!({}), json!({}))
        .with_raw_claims(input)
        .mint();
    let request = Request::post("/").header("content-type", "application/secevent+jwt");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(NOW));
    let delivery = NoticeDelivery::new(view, token.as_bytes());
    let receipt = receiver.receive(&delivery).now_or_never();
    match receipt.expect("nobody is waited for") {
        NoticeReceipt::Accept(accepted) => {
            check_accepted(&Members::read(input), &accepted);
            Answer::Taken
        }
        NoticeReceipt::Refuse(refused) => {
            let reply = refused.reply();
            assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{refused:?}");
            let body: Value = serde_json::from_str(reply.body()).unwrap();
            let error = body["err"].as_str().unwrap();
            assert!(ERRORS.contains(&error), "{error}");
            Answer::Refused
        }
        other => panic!("{other:?}"),
    }
}

fn check_accepted(claims: &Members, accepted: &AcceptedNotices) {
    assert_eq!(accepted.reply().status(), StatusCode::ACCEPTED);
    assert_eq!(claims.text("iss").as_deref(), Some(ISSUER));
    let is_for_us = match claims.find("aud") {
        Some(Value::Array(names)) => names.iter().any(|name| name == AUDIENCE),
        Some(name) => name == AUDIENCE,
        None => false,
    };
    assert!(is_for_us, "{claims:?}");
    assert!(!claims.has("exp") && !claims.has("sub"), "{claims:?}");
    let id = claims.text("jti").expect("it has an id");
    assert!((1..=256).contains(&id.len()), "{id:?}");
    let issued = claims.find("iat").and_then(|time| time.as_f64());
    let issued = issued.expect("it was issued");
    assert!((0.0..=NOW as f64 + LEEWAY).contains(&issued), "{issued}");
    let events = claims.object("events").expect("it has events");
    let names: Vec<_> = events.names().collect();
    let [name] = names.as_slice() else {
        panic!("{names:?}");
    };
    assert!(events.object(name).is_some(), "{events:?}");

    let is_carried_out = accepted.reason().as_str() == "set_carried_out";
    assert_eq!(accepted.notices().is_empty(), !is_carried_out);
    // What cannot be read elsewhere in it, such as half a character, is nobody's name.
    let subject = claims.find("sub_id").filter(|subject| !subject.is_null());
    let mut named = Vec::new();
    if let Some(subject) = &subject {
        texts(subject, &mut named);
    }
    for notice in accepted.notices() {
        let known = ["caep", "risc"].map(|of| format!("https://schemas.openid.net/secevent/{of}/"));
        assert!(known.iter().any(|of| name.starts_with(of)), "{name}");
        // A time may be more than a float can tell apart.
        let time = notice.time().expect("it has a time").unix_millis() as f64;
        assert!(time <= issued * 1000.0 + 1.0, "{time} {issued}");
        assert!(notice.kept_for().is_some());
        let (issuer, of) = match notice.key() {
            RevocationKey::Issuer(issuer) => (issuer, vec!["acme"]),
            RevocationKey::Grant(issuer, one, other) => (issuer, vec![&**one, &**other]),
            RevocationKey::Client(issuer, one)
            | RevocationKey::Session(issuer, one)
            | RevocationKey::Subject(issuer, one)
            | RevocationKey::Token(issuer, one) => (issuer, vec![&**one]),
            other => panic!("{other:?}"),
        };
        assert_eq!(**issuer, *ISSUER);
        assert!(
            subject.is_none()
                || of
                    .iter()
                    .all(|name| named.iter().any(|known| known == name)),
            "{notice:?} {named:?}"
        );
    }
}

/// Every text in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}
