//! Signatures that others have published.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Choice, KeySet};
use crate::{Algorithm, algorithm::Allowed};

/// A key set of one key, without its private half.
fn public_set(mut jwk: Value) -> Result<KeySet, super::UnusableSet> {
    let members = jwk.as_object_mut().unwrap();
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        members.remove(private);
    }
    let json = serde_json::json!({ "keys": [jwk] }).to_string();
    KeySet::parse(&json, Allowed::ALL, "https://idp.example", None)
}

fn verifies(keys: &KeySet, algorithm: Algorithm, compact: &str) -> bool {
    let Choice::Key(key) = keys.choose(None, algorithm) else {
        panic!("no key")
    };
    let (signed, signature) = compact.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    key.verifies(signed.as_bytes(), &signature)
}

fn check(file: &str, algorithm: Algorithm) {
    let vector: Value = serde_json::from_str(file).unwrap();
    let mut jwk = vector["input"]["key"].clone();
    jwk["alg"] = vector["input"]["alg"].clone();
    let keys = public_set(jwk).unwrap();
    let compact = vector["output"]["compact"].as_str().unwrap();
    assert!(verifies(&keys, algorithm, compact));
    let changed = compact.replacen('.', ".A", 1);
    assert!(!verifies(&keys, algorithm, &changed));
}

#[test]
fn rfc_7520_section_4_1_rs256() {
    let file = include_str!("../../tests/vectors/rfc7520_4_1_rs256.json");
    check(file, Algorithm::Rs256);
}

#[test]
fn rfc_7520_section_4_2_ps384() {
    let file = include_str!("../../tests/vectors/rfc7520_4_2_ps384.json");
    check(file, Algorithm::Ps384);
}

#[test]
fn rfc_7520_section_4_3_is_on_a_curve_that_is_not_supported() {
    let file = include_str!("../../tests/vectors/rfc7520_4_3_es512.json");
    let vector: Value = serde_json::from_str(file).unwrap();
    assert!(public_set(vector["input"]["key"].clone()).is_err());
}

#[test]
fn rfc_8037_appendix_a_4_ed25519() {
    let file = include_str!("../../tests/vectors/rfc8037_ed25519.json");
    check(file, Algorithm::EdDsa);
}

#[test]
fn rfc_7515_appendix_a_3_es256() {
    let jwk = serde_json::json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let compact = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
                   Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4Gawx\
                   aepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert!(verifies(
        &public_set(jwk).unwrap(),
        Algorithm::Es256,
        compact
    ));
}
