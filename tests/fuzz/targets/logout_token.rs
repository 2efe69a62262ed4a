//! A header, a line feed and claims, which the issuer signs whatever they are and posts as a logout:
//! what is carried out says what another reader of JSON finds in it.

use std::sync::{Arc, LazyLock};

use futures_util::FutureExt as _;
use http::{Request, header::CONTENT_TYPE};
use portcullis::{
    RequestView, RevocationKey, Site, Timestamp,
    jwt::{BackChannelLogout, Issuer, LogoutReceiver},
    notices::{
        IntoNoticeReceiver as _, Notice, NoticeDelivery, NoticeReceipt, NoticeReceiver as _,
    },
    revocation::MemoryReplays,
};
use portcullis_testing::{
    clock::VirtualClock,
    identity_provider::{IdentityProvider, SigningAlgorithm},
};
use serde_json::Value;

use super::{
    json::Members,
    judged::{ISSUER, NOW},
};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "logout_token",
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
        "\\u0061",
        "\\ud800",
        "null",
        "true",
        "0",
        "1e300",
        "1800000000",
        "1800000031",
        "1799999970",
        "1800000300",
        "\"iss\":",
        "\"sub\":",
        "\"aud\":",
        "\"exp\":",
        "\"iat\":",
        "\"jti\":",
        "\"sid\":",
        "\"nonce\":\"n\",",
        "\"nonce\":null,",
        "\"events\":",
        "\"http://schemas.openid.net/event/backchannel-logout\":{}",
        "\"http://schemas.openid.net/event/backchannel-logout\":[]",
        "\"https://schemas.openid.net/secevent/caep/event-type/session-revoked\":{},",
        "\"alg\":",
        "\"kid\":",
        "\"typ\":",
        "\"crit\":",
        "\"none\"",
        "\"ES256\"",
        "\"EdDSA\"",
        "\"logout+jwt\"",
        "\"application/logout+jwt\"",
        "\"JWT\"",
        "\"secevent+jwt\"",
        "\"root\"",
        "\"alice\"",
        "\"s-1\"",
        "\"notes-app\"",
        "\"https://idp.example\"",
        "https://evil.example",
        "\"s\\u0075b\":\"root\",",
        "\"sub\":\"root\",",
        ",\"sid\":\"\"",
        " ",
        "\n",
        "\u{feff}",
        "\u{e4}",
    ],
    executions: 6_000,
};

const CLIENT: &str = "notes-app";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far the clocks of issuer and server may be apart: the default.
const LEEWAY: f64 = 30.0;
/// How long such a token may live: the default.
const LIFETIME: f64 = 300.0;

static HEARING: LazyLock<(IdentityProvider, LogoutReceiver)> = LazyLock::new(|| {
    let provider = IdentityProvider::new().with_algorithms([SigningAlgorithm::EdDsa]);
    let issuer = Issuer::new(ISSUER).with_static_keys(provider.jwks().to_string());
    let clock = VirtualClock::starting_at(Timestamp::from_unix_seconds(NOW));
    let receiver = BackChannelLogout::new(issuer, CLIENT, MemoryReplays::default())
        .into_notice_receiver(&Site::new(Arc::new(clock)));
    (provider, receiver.unwrap())
});

fn check(input: &[u8]) -> Answer {
    let (provider, receiver) = &*HEARING;
    let border = input.iter().position(|byte| *byte == b'\n');
    let Some((header, claims)) = border.map(|at| (&input[..at], &input[at + 1..])) else {
        return Answer::Refused;
    };
    let token = provider
        .token("alice")
        .with_raw_header(header)
        .with_raw_claims(claims)
        .mint();
    let body = format!("logout_token={token}");
    let form = Request::post("/").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let (parts, ()) = form.body(()).unwrap().into_parts();
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(NOW));
    let delivery = NoticeDelivery::new(view, body.as_bytes());
    let receipt = receiver.receive(&delivery).now_or_never();
    match receipt.expect("keys that are given are never waited for") {
        NoticeReceipt::Accept(accepted) => {
            assert_eq!(accepted.reply().status(), 200);
            check_header(&Members::read(header));
            check_claims(&Members::read(claims), accepted.notices());
            Answer::Taken
        }
        NoticeReceipt::Refuse(refused) => {
            assert_eq!(refused.reply().status(), 400);
            Answer::Refused
        }
        other => panic!("{other:?}"),
    }
}

fn check_header(header: &Members) {
    let algorithm = header.text("alg").expect("it says how it was signed");
    assert!(matches!(&*algorithm, "EdDSA" | "Ed25519"), "{algorithm}");
    let typ = header.text("typ").expect("it says of which kind it is");
    let typ = typ.to_ascii_lowercase();
    assert!(
        matches!(&*typ, "logout+jwt" | "application/logout+jwt"),
        "{typ}"
    );
    for name in ["crit", "b64", "zip", "cty"] {
        assert!(!header.has(name), "{name} is not understood");
    }
}

fn check_claims(claims: &Members, notices: &[Notice]) {
    let [notice] = notices else {
        panic!("one token tells of one logout: {notices:?}");
    };
    assert_eq!(claims.text("iss").as_deref(), Some(ISSUER));
    let is_for_us = match claims.find("aud") {
        Some(Value::Array(names)) => names.iter().any(|name| name == CLIENT),
        Some(name) => name == CLIENT,
        None => false,
    };
    assert!(is_for_us, "{claims:?}");
    assert!(!claims.has("nonce"), "an ID token is no logout");
    assert!(claims.text("jti").is_some_and(|id| !id.is_empty()));
    check_times(claims, notice);

    let events = claims.find("events").expect("it tells of something");
    let events = events.as_object().expect("events are an object");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[EVENT].is_object(), "{events:?}");

    // It is over for whom it says, and for nobody else.
    let over = match claims.text("sid") {
        Some(sid) => RevocationKey::Session(ISSUER.into(), sid.into()),
        None => {
            assert!(!claims.has("sid"), "a login without a name");
            let subject = claims.text("sub").expect("it is of somebody");
            RevocationKey::Subject(ISSUER.into(), subject.into())
        }
    };
    assert_eq!(*notice.key(), over);
}

fn check_times(claims: &Members, notice: &Notice) {
    let now = NOW as f64;
    let time = |name: &str| {
        let value = claims.find(name).expect("it has both times");
        value.as_f64().expect("a number")
    };
    let (issued, ends) = (time("iat"), time("exp"));
    assert!(now < ends + LEEWAY, "it is over");
    assert!(issued <= now + LEEWAY, "it is of tomorrow");
    assert!((0.0..=LIFETIME).contains(&(ends - issued)));
    // Whoever has logged in since is in.
    let at = notice.time().expect("a logout has a time");
    assert!((at.unix_seconds() as f64 - issued).abs() < 1.0);
}
