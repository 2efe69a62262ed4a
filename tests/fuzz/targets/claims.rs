//! A header, a line feed and claims, which the issuer signs whatever they are: what is accepted
//! says what another reader of JSON finds in it.

use std::sync::LazyLock;

use portcullis::{Evidence, EvidenceKind, Scopes, jwt::JwtAuthenticator};
use portcullis_testing::identity_provider::{IdentityProvider, SigningAlgorithm};
use serde_json::Value;

use super::{
    json::Members,
    judged::{self, AUDIENCE, ISSUER, NOW},
};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "claims",
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
        "true",
        "0",
        "-1",
        "1e300",
        "1e400",
        "1800000000",
        "1800000030",
        "1799999970",
        "9223372036854775808",
        "0.5",
        "\"iss\":",
        "\"sub\":",
        "\"aud\":",
        "\"exp\":",
        "\"nbf\":",
        "\"iat\":",
        "\"client_id\":",
        "\"jti\":",
        "\"scope\":",
        "\"scp\":",
        "\"cnf\":",
        "\"act\":",
        "\"acr\":",
        "\"amr\":",
        "\"auth_time\":",
        "\"sid\":",
        "\"alg\":",
        "\"kid\":",
        "\"typ\":",
        "\"crit\":",
        "\"b64\":",
        "\"zip\":",
        "\"cty\":",
        "\"jwk\":",
        "\"none\"",
        "\"HS256\"",
        "\"EdDSA\"",
        "\"Ed25519\"",
        "\"ES256\"",
        "\"at+jwt\"",
        "\"application/at+jwt\"",
        "\"JWT\"",
        "\"root\"",
        "\"alice\"",
        "\"https://idp.example\"",
        "\"https://notes.example\"",
        "https://evil.example",
        "\"s\\u0075b\":\"root\",",
        "\"sub\":\"root\",",
        "\"nbf\":0,",
        ",\"acr\":\"a\"",
        "\"amr\":[\"pwd\"],",
        "\"cnf\":{\"jkt\":\"a\"},",
        "\"cnf\":{},",
        "\"act\":{\"sub\":\"a\"},",
        ",\"x\":1e400",
        ",\"alg\":\"none\"",
        " ",
        "\n",
        "\t",
        "\u{feff}",
        "\u{e4}",
        "{\"jkt\":\"a\"}",
    ],
    executions: 6_000,
};

/// How far the clocks of issuer and server may be apart: the default.
const LEEWAY: f64 = 30.0;
/// How long a token may live: the default.
const LIFETIME: f64 = 86_400.0;

static ISSUED: LazyLock<(IdentityProvider, JwtAuthenticator)> = LazyLock::new(|| {
    let issuer = IdentityProvider::new().with_algorithms([SigningAlgorithm::EdDsa]);
    let authenticator = judged::authenticator(&issuer.jwks().to_string()).unwrap();
    (issuer, authenticator)
});

fn check(input: &[u8]) -> Answer {
    let (issuer, authenticator) = &*ISSUED;
    let border = input.iter().position(|byte| *byte == b'\n');
    let Some((header, claims)) = border.map(|at| (&input[..at], &input[at + 1..])) else {
        return Answer::Refused;
    };
    let token = issuer
        .token("alice")
        .with_raw_header(header)
        .with_raw_claims(claims)
        .mint();
    let Some(evidence) = judged::accepted(authenticator, token.as_bytes()) else {
        return Answer::Refused;
    };
    check_header(&Members::read(header));
    check_claims(&Members::read(claims), &evidence);
    Answer::Taken
}

fn check_header(header: &Members) {
    // The second is the name of RFC 9864 for the same.
    let algorithm = header.text("alg").expect("it says how it was signed");
    assert!(matches!(&*algorithm, "EdDSA" | "Ed25519"), "{algorithm}");
    let typ = header.text("typ").expect("it says of which kind it is");
    let typ = typ.to_ascii_lowercase();
    assert!(matches!(&*typ, "at+jwt" | "application/at+jwt"), "{typ}");
    if header.has("kid") {
        assert_eq!(header.text("kid").as_deref(), Some("eddsa-1"));
    }
    for name in ["crit", "b64", "zip", "cty"] {
        assert!(!header.has(name), "{name} is not understood");
    }
}

fn check_claims(claims: &Members, evidence: &Evidence) {
    assert_eq!(claims.text("iss").as_deref(), Some(ISSUER));
    assert_eq!(evidence.issuer(), ISSUER);
    let is_for_us = match claims.find("aud") {
        Some(Value::Array(names)) => names.iter().any(|name| name == AUDIENCE),
        Some(name) => name == AUDIENCE,
        None => false,
    };
    assert!(is_for_us, "{claims:?}");
    check_times(claims);

    let subject = claims.text("sub").expect("it is of somebody");
    let client = claims.text("client_id").expect("it was given to a client");
    assert!(!subject.is_empty() && !client.is_empty());
    assert_eq!(evidence.subject(), subject);
    assert_eq!(evidence.client(), Some(&*client));
    let kind = if subject == client {
        EvidenceKind::Client
    } else {
        EvidenceKind::User
    };
    assert_eq!(evidence.kind(), kind);

    // What is there is taken as it is, or the token is refused.
    for (name, taken) in [
        ("jti", evidence.token_id()),
        ("sid", evidence.session_id()),
        ("acr", evidence.acr()),
    ] {
        assert_eq!(claims.has(name), taken.is_some(), "{name}");
        assert_eq!(claims.text(name).as_deref(), taken, "{name}");
    }
    let scopes = claims.find("scope").unwrap_or_else(|| "".into());
    let scopes = Scopes::parse(scopes.as_str().expect("scopes are a text")).unwrap();
    assert_eq!(*evidence.scopes(), scopes);
    let methods: Vec<&str> = evidence.amr().collect();
    let named = claims
        .find("amr")
        .unwrap_or_else(|| Value::Array(Vec::new()));
    assert_eq!(named, Value::from(methods));
    assert_eq!(claims.has("act"), !evidence.actors().is_empty());
    // A credential that is bound to a key is never taken for one that is not.
    assert_eq!(
        claims.has("cnf"),
        evidence.confirmation().is_some(),
        "{claims:?}"
    );
}

fn check_times(claims: &Members) {
    let now = NOW as f64;
    let time = |name: &str| {
        claims
            .find(name)
            .map(|value| value.as_f64().expect("a number"))
    };
    let issued = time("iat").expect("it was issued");
    let ends = time("exp").expect("it ends");
    assert!(now < ends + LEEWAY, "it is over");
    assert!(issued <= now + LEEWAY, "it is of tomorrow");
    assert!(
        (0.0..=LIFETIME).contains(&(ends - issued)),
        "it lives {}",
        ends - issued
    );
    assert!(time("nbf").is_none_or(|start| (0.0..=now + LEEWAY).contains(&start)));
    assert!(time("auth_time").is_none_or(|time| time >= 0.0));
}
