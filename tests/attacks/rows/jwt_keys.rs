//! Which keys are taken: J12.

use portcullis::jwt::{Issuer, Jwt};
use portcullis_testing::identity_provider::SigningAlgorithm;
use serde_json::{Value, json};

use crate::{
    guard::{Guard, ISSUER, Settings},
    harness::{Expected, Harness},
    keys::WEAK,
};

const UNKNOWN: &[&str] = &["jwt_kid_unknown", "jwt_key_alg", "jwt_kid_missing"];

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J12", keys).await;
}

/// A guard whose issuer publishes these keys and a good one.
fn guard_with(idp: &Settings, keys: impl IntoIterator<Item = Value>) -> Guard {
    let mut set: Vec<_> = keys.into_iter().collect();
    set.push(idp.idp.jwk(SigningAlgorithm::EdDsa));
    let jwt = Jwt::new(Issuer::new(ISSUER).with_static_keys(json!({ "keys": set }).to_string()));
    Settings {
        idp: idp.idp.clone(),
        clock: idp.clock.clone(),
        jwt,
        ..Settings::fixed()
    }
    .build()
}

async fn keys(harness: &mut Harness) {
    let settings = Settings::fixed();
    let expected = Expected::invalid_token(UNKNOWN);
    for weak in WEAK {
        let Ok(jwk) = serde_json::from_str(weak.jwk) else {
            continue;
        };
        let guard = guard_with(&settings, [jwk]);
        harness
            .attack(weak.name, &guard, guard.bearer(weak.token), &expected)
            .await;
        let other = guard.token().with_algorithm(SigningAlgorithm::EdDsa).mint();
        harness
            .control(
                &format!("another key beside {}", weak.name),
                &guard,
                guard.bearer(&other),
            )
            .await;
    }

    let edited = |algorithm: SigningAlgorithm, members: &[(&str, Value)]| {
        let mut jwk = settings.idp.jwk(algorithm);
        for (name, value) in members {
            if let Some(object) = jwk.as_object_mut() {
                object.insert((*name).to_owned(), value.clone());
            }
        }
        jwk
    };
    let ec = SigningAlgorithm::Es256;
    for (name, key) in [
        ("use enc", edited(ec, &[("use", json!("enc"))])),
        (
            "key_ops without verify",
            edited(ec, &[("key_ops", json!(["sign"]))]),
        ),
        ("a private member", edited(ec, &[("d", json!("AAAA"))])),
        (
            "kty of another family",
            edited(ec, &[("kty", json!("RSA"))]),
        ),
        (
            "crv of another curve",
            edited(ec, &[("crv", json!("P-384"))]),
        ),
        (
            "alg of another algorithm",
            edited(ec, &[("alg", json!("ES384"))]),
        ),
        (
            "a point off the curve",
            edited(
                ec,
                &[("y", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))],
            ),
        ),
        ("a short coordinate", edited(ec, &[("x", json!("AAAA"))])),
        (
            "a symmetric key",
            json!({ "kty": "oct", "kid": settings.idp.key_id(ec), "k": "c2VjcmV0", "alg": "HS256" }),
        ),
    ] {
        let guard = guard_with(&settings, [key]);
        harness
            .attack(name, &guard, guard.bearer(&guard.token().mint()), &expected)
            .await;
    }
    let guard = guard_with(
        &settings,
        [edited(
            ec,
            &[("key_ops", json!(["verify"])), ("x-unknown", json!(1))],
        )],
    );
    harness
        .control(
            "key_ops verify",
            &guard,
            guard.bearer(&guard.token().mint()),
        )
        .await;

    // Two keys of one name: nobody can say which was meant.
    let other = Settings::fixed();
    let mut twin = other.idp.jwk(ec);
    if let Some(object) = twin.as_object_mut() {
        object.insert("kid".to_owned(), json!(settings.idp.key_id(ec)));
    }
    let guard = guard_with(&settings, [settings.idp.jwk(ec), twin]);
    harness
        .attack(
            "one kid for two keys",
            &guard,
            guard.bearer(&guard.token().mint()),
            &expected,
        )
        .await;

    // The neutral point as a public key confirms a signature that everybody can write.
    let neutral = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "neutral",
        "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    });
    let guard = guard_with(&settings, [neutral]);
    let forged = guard
        .token()
        .with_algorithm(SigningAlgorithm::EdDsa)
        .with_header("kid", "neutral")
        .with_spoiled_signature(|_| {
            let mut signature = vec![0; 64];
            if let Some(first) = signature.first_mut() {
                *first = 1;
            }
            signature
        });
    harness
        .attack(
            "a point of small order",
            &guard,
            guard.bearer(&forged.mint()),
            &expected,
        )
        .await;
}
