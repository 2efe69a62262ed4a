//! What stands in a token's header beside the algorithm: J04–J06, J10, J13.

use portcullis::jwt::{Issuer, Jwt};
use portcullis_testing::{http_probe::ConnectionTrap, identity_provider::SigningAlgorithm};
use serde_json::{Value, json};

use crate::{
    guard::{Guard, ISSUER, Settings},
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J04", embedded_keys).await;
    harness.row("J05", key_ids).await;
    harness.row("J06", extensions).await;
    harness.row("J10", encryption).await;
    harness.row("J13", kinds).await;
}

async fn embedded_keys(harness: &mut Harness) {
    let guard = Guard::fixed();
    let trap = ConnectionTrap::set().await;
    let attacker = Guard::fixed();
    let jwk = attacker.idp.jwk(SigningAlgorithm::Es256);
    let expected = Expected::invalid_token(&["jwt_signature", "jwt_kid_unknown"]);
    let pointers = [
        ("jwk", jwk.clone()),
        ("jku", json!(format!("{}/jwks", trap.origin()))),
        ("jku", json!("http://169.254.169.254/latest/meta-data")),
        ("jku", json!("https://rebound.attacker.example/jwks")),
        ("x5u", json!(format!("{}/cert", trap.origin()))),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
    ];
    for (name, value) in pointers {
        for token in [
            guard.token().with_signature_of(&attacker.idp),
            guard
                .token()
                .with_signature_of(&attacker.idp)
                .with_header("kid", jwk.get("kid").cloned()),
        ] {
            let token = token.with_header(name, value.clone()).mint();
            harness
                .attack(
                    &format!("{name} {value}"),
                    &guard,
                    guard.bearer(&token),
                    &expected,
                )
                .await;
        }
        // Ignored where the signature is good.
        let token = guard.token().with_header(name, value).mint();
        harness
            .control(
                &format!("{name} on a good token"),
                &guard,
                guard.bearer(&token),
            )
            .await;
    }
    let connections = trap.connections().await;
    harness.judged(
        "no connection is made",
        if connections == 0 {
            Ok(())
        } else {
            Err(format!("{connections} connections"))
        },
    );
}

async fn key_ids(harness: &mut Harness) {
    let guard = Guard::fixed();
    let unknown = Expected::invalid_token(&["jwt_kid_unknown"]);
    for kid in [
        "../../dev/null",
        "' OR 1=1 --",
        "*)(uid=*",
        "\0",
        "es256-1\0",
        "ES256-1",
        "es256-1 ",
    ] {
        let token = guard.token().with_header("kid", kid).mint();
        harness
            .attack(
                &format!("kid {kid:?}"),
                &guard,
                guard.bearer(&token),
                &unknown,
            )
            .await;
    }
    let bad = Expected::invalid_token(&["jwt_kid"]);
    for kid in [
        json!(7),
        json!(null),
        json!(["es256-1"]),
        json!(""),
        json!("k".repeat(8 << 10)),
    ] {
        let token = guard.token().with_header("kid", kid.clone()).mint();
        let name = format!("kid {:.20}", kid.to_string());
        harness
            .attack(&name, &guard, guard.bearer(&token), &bad)
            .await;
    }
    // Without a key id there has to be one candidate.
    let token = guard.token().without_header("kid").mint();
    harness
        .control("kid missing, one key", &guard, guard.bearer(&token))
        .await;
    let second = Guard::fixed();
    let mut other = second.idp.jwk(SigningAlgorithm::Es256);
    if let Some(kid) = other.get_mut("kid") {
        *kid = json!("another");
    }
    let two = guard_with(&guard, &[guard.idp.jwk(SigningAlgorithm::Es256), other]);
    let ambiguous = Expected::invalid_token(&["jwt_kid_missing"]);
    let token = guard.token().without_header("kid").mint();
    harness
        .attack(
            "kid missing, two keys",
            &two,
            two.bearer(&token),
            &ambiguous,
        )
        .await;
    harness
        .control(
            "kid given, two keys",
            &two,
            two.bearer(&guard.token().mint()),
        )
        .await;
}

/// A guard that trusts the issuer of another guard, with these keys.
pub(super) fn guard_with(guard: &Guard, keys: &[Value]) -> Guard {
    let set = json!({ "keys": keys }).to_string();
    let jwt = Jwt::new(Issuer::new(ISSUER).with_static_keys(set));
    Settings {
        idp: guard.idp.clone(),
        clock: guard.clock.clone(),
        jwt,
        ..Settings::fixed()
    }
    .build()
}

async fn extensions(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_crit", "jwt_zip", "jwt_nested"]);
    for (name, value) in [
        ("crit", json!(["http://example.invalid/unknown"])),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        let token = guard.token().with_header(name, value.clone()).mint();
        harness
            .attack(
                &format!("{name} {value}"),
                &guard,
                guard.bearer(&token),
                &expected,
            )
            .await;
    }
    let token = guard
        .token()
        .with_header("crit", json!(["b64"]))
        .with_header("b64", false)
        .mint();
    harness
        .attack("crit and b64", &guard, guard.bearer(&token), &expected)
        .await;
    let kid = guard.idp.key_id(SigningAlgorithm::Es256);
    let raw =
        format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":"{kid}","crit":["a"],"crit":["b"]}}"#);
    let token = guard.token().with_raw_header(raw).mint();
    let twice = Expected::invalid_token(&["jwt_duplicate"]);
    harness
        .attack("crit twice", &guard, guard.bearer(&token), &twice)
        .await;
    let token = guard.token().with_header("x-unknown", "ignored").mint();
    harness
        .control(
            "a header that is not critical",
            &guard,
            guard.bearer(&token),
        )
        .await;
}

async fn encryption(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_segments", "jwt_zip", "jwt_nested"]);
    let jwe = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA";
    harness
        .attack("jwe", &guard, guard.bearer(jwe), &expected)
        .await;
    // {"alg":"PBES2-HS256+A128KW","p2c":2147483648,"enc":"A128GCM"}
    let pbes2 = "eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJwMmMiOjIxNDc0ODM2NDgsImVuYyI6IkExMjhHQ00ifQ.AAAA.AAAA.AAAA.AAAA";
    harness
        .attack(
            "pbes2 with a count of 2^31",
            &guard,
            guard.bearer(pbes2),
            &expected,
        )
        .await;
    let token = guard.token().with_header("zip", "DEF").mint();
    harness
        .attack("compressed", &guard, guard.bearer(&token), &expected)
        .await;
    let token = guard.token().with_header("cty", "JWT").mint();
    harness
        .attack("nested", &guard, guard.bearer(&token), &expected)
        .await;
}

async fn kinds(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(&["jwt_typ"]);
    for typ in [
        "JWT",
        "jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "statuslist+jwt",
        "token-introspection+jwt",
        "txn-authz-challenge+jwt",
        "dbsc+jwt",
        "text/at+jwt",
        "",
    ] {
        let token = guard.token().with_header("typ", typ).mint();
        harness
            .attack(
                &format!("typ {typ:?}"),
                &guard,
                guard.bearer(&token),
                &expected,
            )
            .await;
    }
    let token = guard.token().without_header("typ").mint();
    harness
        .attack("typ absent", &guard, guard.bearer(&token), &expected)
        .await;
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let token = guard.token().with_header("typ", typ).mint();
        harness.control(typ, &guard, guard.bearer(&token)).await;
    }
    // An issuer of the old kind may say `JWT`, but an ID token still opens nothing.
    let mut settings = Settings::fixed();
    settings.jwt = Jwt::new(
        Issuer::new(ISSUER)
            .with_static_keys(settings.idp.jwks().to_string())
            .with_legacy_typ(),
    );
    let legacy = settings.build();
    let token = legacy.token().with_header("typ", "JWT");
    harness
        .control("legacy typ", &legacy, legacy.bearer(&token.mint()))
        .await;
    let expected = Expected::invalid_token(&["jwt_not_access_token"]);
    for claim in ["nonce", "at_hash", "events"] {
        let token = token.clone().with_claim(claim, "x").mint();
        harness
            .attack(
                &format!("legacy typ with {claim}"),
                &legacy,
                legacy.bearer(&token),
                &expected,
            )
            .await;
    }
}
