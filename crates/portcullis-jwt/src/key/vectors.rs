//! Keys and signatures that others have published: every one of the cookbook, and what is made of it.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Choice, KeySet, UnusableSet};
use crate::{Algorithm, algorithm::Allowed};

/// All files of a folder, by name.
fn folder(name: &str) -> Vec<(String, Value)> {
    let cookbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/jose-cookbook");
    let mut files: Vec<_> = fs::read_dir(cookbook.join(name))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|file| file.ends_with(".json"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(cookbook.join(name).join(&file)).unwrap();
            (file, serde_json::from_str(&text).unwrap())
        })
        .collect()
}

fn set(jwk: &Value) -> Result<KeySet, UnusableSet> {
    let json = json!({ "keys": [jwk] }).to_string();
    KeySet::parse(&json, Allowed::ALL, "https://idp.example", None)
}

/// A key set of one key, without its private half.
fn public_set(mut jwk: Value) -> Result<KeySet, UnusableSet> {
    let members = jwk.as_object_mut().unwrap();
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        members.remove(private);
    }
    set(&jwk)
}

fn verifies(keys: &KeySet, algorithm: Algorithm, compact: &str) -> bool {
    let Choice::Key(key) = keys.choose(None, algorithm) else {
        panic!("no key")
    };
    let (signed, signature) = compact.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    key.verifies(signed.as_bytes(), &signature)
}

fn check(file: &str, input: &Value, algorithm: Algorithm, compact: &str) {
    let mut jwk = input["key"].clone();
    jwk["alg"] = input["alg"].clone();
    let keys = public_set(jwk).unwrap();
    assert!(verifies(&keys, algorithm, compact), "{file}");
    let changed = compact.replacen('.', ".A", 1);
    assert!(!verifies(&keys, algorithm, &changed), "{file}");
}

/// What is signed by a key that a key set may have is found to be signed by it; the other keys are not
/// taken: a secret, and a curve that is not supported.
#[test]
fn every_signature_of_the_cookbook_verifies_or_has_no_key() {
    let mut verified = Vec::new();
    let mut unusable = Vec::new();
    let signed = ["jws", "rfc7797", "curve25519"].map(folder).concat();
    let nested = folder(".")
        .into_iter()
        .map(|(file, it)| (file, it["sign"].clone()));
    for (file, vector) in signed.into_iter().chain(nested) {
        let input = &vector["input"];
        let number = file
            .split_once('.')
            .map_or(file.as_str(), |(number, _)| number)
            .to_owned();
        let algorithm = input["alg"].as_str().and_then(Algorithm::from_name);
        match (algorithm, vector["output"]["compact"].as_str()) {
            (Some(algorithm), Some(compact)) => {
                check(&file, input, algorithm, compact);
                verified.push(number);
            }
            // Several signatures by several keys.
            _ if input["key"].is_array() => unusable.push(number),
            _ => {
                assert!(public_set(input["key"].clone()).is_err(), "{file}");
                unusable.push(number);
            }
        }
    }
    assert_eq!(verified, ["4_1", "4_2", "jws", "6"]);
    assert_eq!(
        unusable,
        [
            "4_3",
            "4_4",
            "4_5",
            "4_6",
            "4_7",
            "4_8",
            "4",
            "hmac-sha2_b64_false",
            "ecdh-es"
        ]
    );
}

/// Of the keys, the public one on a supported curve is taken and no other.
#[test]
fn of_the_keys_of_the_cookbook_the_usable_public_one_is_taken() {
    let taken: Vec<_> = folder("jwk")
        .into_iter()
        .filter(|(_, jwk)| set(jwk).is_ok())
        .map(|(file, _)| file)
        .collect();
    assert_eq!(taken, ["3_3.rsa_public_key.json"]);
    let encrypting = folder("jwe");
    assert_eq!(encrypting.len(), 13);
    for (file, vector) in encrypting {
        let keys = &vector["input"]["key"];
        for key in keys.as_array().unwrap_or(&vec![keys.clone()]) {
            if key.is_object() {
                assert!(public_set(key.clone()).is_err(), "{file}");
            }
        }
    }
}

#[test]
fn rfc_7515_appendix_a_3_es256() {
    let jwk = json!({
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
