//! What an issuer answers about a token: what is accepted says what another reader of JSON finds
//! in it.

use std::sync::{Arc, LazyLock, Mutex};

use futures_util::FutureExt as _;
use http::{Request, header::AUTHORIZATION};
use portcullis::{
    Authenticator as _, Evidence, EvidenceKind, RequestView, Scopes, Secret, Site, Timestamp,
    Verdict,
    jwt::{
        ClientCredentials, HttpClient, HttpError, HttpRequest, Introspection,
        IntrospectionAuthenticator,
    },
};
use portcullis_testing::clock::VirtualClock;
use serde_json::Value;

use super::{
    json::Members,
    judged::{AUDIENCE, ISSUER, NOW},
};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "introspection",
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
        "false",
        "0",
        "1e400",
        "1800000000",
        "1800000030",
        "1799999970",
        "\"active\":true",
        "\"active\":false,",
        "\"\\u0061ctive\":false,",
        "\"token_type\":\"Bearer\"",
        "\"token_type\":\"DPoP\"",
        "\"token_use\":\"access\"",
        "\"token_use\":\"refresh_token\",",
        "\"typ\":\"Refresh\",",
        "\"typ\":\"ID\",",
        "\"iss\":",
        "\"sub\":",
        "\"aud\":",
        "\"exp\":",
        "\"nbf\":",
        "\"iat\":",
        "\"client_id\":",
        "\"scope\":",
        "\"cnf\":{\"jkt\":\"a\"},",
        "\"cnf\":{},",
        "\"act\":{\"sub\":\"a\"},",
        "\"username\":\"root\",",
        "\"alice\"",
        "\"root\"",
        "\"https://idp.example\"",
        "\"https://notes.example\"",
        "https://evil.example",
        " ",
        "\n",
        "\u{feff}",
        "\u{e4}",
    ],
    executions: 20_000,
};

/// How far the clocks of issuer and server may be apart: the default.
const LEEWAY: f64 = 30.0;

/// The issuer, which answers with whatever is there.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Vec<u8>>>);

impl HttpClient for Desk {
    async fn send(&self, _: &HttpRequest) -> Result<http::Response<Vec<u8>>, HttpError> {
        let mut response = http::Response::new(self.0.lock().unwrap().clone());
        let json = "application/json".parse().unwrap();
        response.headers_mut().insert("content-type", json);
        Ok(response)
    }
}

static ASKING: LazyLock<(Desk, IntrospectionAuthenticator)> = LazyLock::new(|| {
    let desk = Desk::default();
    let clock = VirtualClock::starting_at(Timestamp::from_unix_seconds(NOW));
    let credentials = ClientCredentials::client_secret_basic("agent", Secret::from("hush"));
    let authenticator = Introspection::new(ISSUER, credentials)
        .with_endpoint("https://idp.example/introspect")
        .with_audience(AUDIENCE)
        .with_http_client(desk.clone())
        .without_cache()
        .build(&Site::new(Arc::new(clock)));
    (desk, authenticator.unwrap())
});

fn check(input: &[u8]) -> Answer {
    let (desk, authenticator) = &*ASKING;
    *desk.0.lock().unwrap() = input.to_vec();
    let mut parts = Request::new(()).into_parts().0;
    let value = "Bearer opaque".parse().unwrap();
    parts.headers.insert(AUTHORIZATION, value);
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(NOW));
    let verdict = authenticator.verify(&view).now_or_never();
    match verdict.expect("nobody is waited for") {
        Verdict::Accept(evidence) => {
            check_answer(&Members::read(input), &evidence);
            Answer::Taken
        }
        Verdict::Reject(_) | Verdict::Unavailable(_) => Answer::Refused,
        other => panic!("{other:?}"),
    }
}

fn check_answer(answer: &Members, evidence: &Evidence) {
    assert!(evidence.validate().is_ok());
    assert_eq!(answer.find("active"), Some(Value::Bool(true)));
    let kind = answer
        .text("token_type")
        .expect("it says of which type it is");
    let kind = kind.to_ascii_lowercase();
    assert!(matches!(&*kind, "bearer" | "dpop"), "{kind}");
    if answer.has("token_use") {
        let token_use = answer.text("token_use").expect("its use is a text");
        assert!(
            matches!(&*token_use, "access" | "access_token"),
            "{token_use}"
        );
    }
    assert_eq!(evidence.issuer(), ISSUER);
    if answer.has("iss") {
        assert_eq!(answer.text("iss").as_deref(), Some(ISSUER));
    }
    let is_for_us = match answer.find("aud") {
        Some(Value::Array(names)) => names.iter().any(|name| name == AUDIENCE),
        Some(name) => name == AUDIENCE,
        None => false,
    };
    assert!(is_for_us, "{answer:?}");
    check_times(answer);

    let client = answer.text("client_id").filter(|client| !client.is_empty());
    assert_eq!(evidence.client(), client.as_deref());
    let subject = match answer.has("sub") {
        true => answer.text("sub").expect("its subject is a text"),
        false => client.clone().expect("it is of somebody"),
    };
    assert_eq!(evidence.subject(), subject);
    let is_client = client.as_deref() == Some(&*subject);
    assert_eq!(evidence.kind() == EvidenceKind::Client, is_client);

    let scopes = answer.find("scope").unwrap_or_else(|| "".into());
    let scopes = Scopes::parse(scopes.as_str().expect("scopes are a text")).unwrap();
    assert_eq!(*evidence.scopes(), scopes);
    assert_eq!(answer.has("act"), !evidence.actors().is_empty());
    // A credential that is bound to a key is never taken for one that is not.
    let is_bound = answer.has("cnf") || kind == "dpop";
    assert_eq!(evidence.confirmation().is_some(), is_bound, "{answer:?}");
}

fn check_times(answer: &Members) {
    let now = NOW as f64;
    let time = |name: &str| {
        let value = answer.find(name)?;
        Some(value.as_f64().expect("a number"))
    };
    assert!(
        time("exp").is_none_or(|end| now < end + LEEWAY),
        "it is over"
    );
    assert!(time("iat").is_none_or(|start| (0.0..=now + LEEWAY).contains(&start)));
    assert!(time("nbf").is_none_or(|start| (0.0..=now + LEEWAY).contains(&start)));
}
