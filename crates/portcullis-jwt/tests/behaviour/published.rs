//! Signed and encrypted texts that others have published, in every form, to a server that has the keys
//! of all of them: none is an access token.

use std::{collections::BTreeMap, fs, path::Path};

use portcullis_core::Verdict;
use portcullis_jwt::{Issuer, Jwt};
use serde_json::{Value, json};

use crate::support::{
    AUDIENCE, Answer, ISSUER, answer, clock::ManualClock, idp::site, now, signer::Signer, verdict,
};

/// Every example of the cookbook with its keys, by file.
fn cookbook() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/jose-cookbook");
    let mut examples = Vec::new();
    for folder in ["jws", "jwe", "rfc7797", "curve25519", "."] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let example = fs::read_to_string(&path).unwrap();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                examples.push((name, serde_json::from_str(&example).unwrap()));
            }
        }
    }
    examples
}

/// Every value of that name, however deep.
fn all<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                if member == name {
                    found.push(value);
                }
                all(value, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, name, found)),
        _ => {}
    }
}

/// The keys of an example, without their private halves.
fn keys(example: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    all(example, "key", &mut found);
    let keys = found.into_iter().flat_map(|found| match found {
        Value::Array(keys) => keys.clone(),
        key => vec![key.clone()],
    });
    let mut public = Vec::new();
    for mut key in keys.filter(|key| key.get("kty") != Some(&json!("oct"))) {
        if let Some(members) = key.as_object_mut() {
            for private in ["d", "p", "q", "dp", "dq", "qi"] {
                members.remove(private);
            }
            public.push(key);
        }
    }
    public
}

/// What becomes of a text that is no credential, another's, or refused.
fn named(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Absent => "no credential",
        Verdict::NotMine => "not ours",
        Verdict::Reject(rejection) => rejection.reason().as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_example_of_the_cookbook_is_an_access_token() {
    let own = Signer::es256("own");
    let mut answers = BTreeMap::<_, usize>::new();
    for (file, example) in cookbook() {
        let keys: Vec<_> = keys(&example).into_iter().chain([own.jwk()]).collect();
        let issuer = Issuer::new(ISSUER).with_static_keys(json!({ "keys": keys }).to_string());
        let auth = Jwt::new(issuer)
            .with_audience(AUDIENCE)
            .build(&site(&ManualClock::new()))
            .unwrap();
        let mut outputs = Vec::new();
        all(&example, "output", &mut outputs);
        assert!(!outputs.is_empty(), "{file}");
        for output in outputs {
            for form in ["compact", "json", "json_flat"] {
                let text = match output.get(form) {
                    Some(Value::String(compact)) => compact.clone(),
                    Some(json) => json.to_string(),
                    None => continue,
                };
                let answer = named(verdict(&auth, &text, now()).await);
                *answers.entry((form, answer)).or_default() += 1;
            }
        }
        let control = answer(&auth, &own.token(), now()).await;
        assert_eq!(control, Answer::Accepted, "{file}");
    }
    let expected = BTreeMap::from([
        // What is signed is a text, but for the nested token, which is of another issuer.
        (("compact", "jwt_payload"), 6),
        (("compact", "not ours"), 1),
        // What is encrypted has five parts.
        (("compact", "jwt_segments"), 11),
        // The content that stands for itself has blanks.
        (("compact", "no credential"), 1),
        (("json", "no credential"), 26),
        (("json_flat", "no credential"), 24),
    ]);
    assert_eq!(answers, expected);
}
