//! A key set, as an issuer publishes it: a key is used only for what it is published for.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{json::Members, judged, token::KEYS};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "key_set",
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
        "null",
        "0",
        "{}",
        "[]",
        "\"keys\":",
        "\"keys\":[]",
        "\"kty\":",
        "\"crv\":",
        "\"x\":",
        "\"y\":",
        "\"n\":",
        "\"e\":",
        "\"d\":",
        "\"k\":",
        "\"p\":",
        "\"kid\":",
        "\"alg\":",
        "\"use\":",
        "\"key_ops\":",
        "\"x5c\":",
        "\"oct\"",
        "\"EC\"",
        "\"RSA\"",
        "\"OKP\"",
        "\"P-256\"",
        "\"P-384\"",
        "\"P-521\"",
        "\"Ed25519\"",
        "\"X25519\"",
        "\"HS256\"",
        "\"ES256\"",
        "\"RS256\"",
        "\"PS256\"",
        "\"RS1\"",
        "\"EdDSA\"",
        "\"none\"",
        "\"sig\"",
        "\"enc\"",
        "[\"verify\"]",
        "[\"sign\"]",
        "\"AQAB\"",
        "\"AQ\"",
        "\"Aw\"",
        "\"AA\"",
        "\"\"",
        "A",
        "AA",
        "=",
        "\"ed\"",
        "\"ec\"",
        "\"rsa\"",
        "\\u006b",
        ",\"use\":\"enc\"",
        "\"alg\":\"ES256\",",
        ",\"kid\":\"ed\"",
        "\"d\":\"AA\",",
        "\"k\":\"AA\",",
        "\"key_ops\":[],",
        "{},",
        ",\"x\":1e400",
        "\"k\\u0065ys\":",
        " ",
        "\n",
        "\u{feff}",
    ],
    executions: 6_000,
};

/// What begins each private number in the corpus.
const PRIVATE: &str = "c2VjcmV0";

/// A good token and the key that it was signed with.
struct Signed {
    token: &'static str,
    id: &'static str,
    kind: &'static str,
    /// What the key may say that it is for.
    algorithms: &'static [&'static str],
    /// The member that holds the number by which the key is known.
    number: &'static str,
}

const SIGNED: [Signed; 3] = [
    Signed {
        token: include_str!("../corpus/token/good-ed"),
        id: "ed",
        kind: "OKP",
        // The second is the name of RFC 9864.
        algorithms: &["EdDSA", "Ed25519"],
        number: "x",
    },
    Signed {
        token: include_str!("../corpus/token/good-ec"),
        id: "ec",
        kind: "EC",
        algorithms: &["ES256"],
        number: "x",
    },
    Signed {
        token: include_str!("../corpus/token/good-rsa"),
        id: "rsa",
        kind: "RSA",
        algorithms: &["RS256"],
        number: "n",
    },
];

static PUBLISHED: LazyLock<Members> = LazyLock::new(|| Members::read(KEYS.as_bytes()));

fn check(input: &[u8]) -> Answer {
    let Ok(text) = str::from_utf8(input) else {
        return Answer::Refused;
    };
    let authenticator = match judged::authenticator(text) {
        Ok(authenticator) => authenticator,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors.iter() {
                assert_eq!(error.setting(), "with_static_keys");
                assert!(!error.problem().contains(PRIVATE), "a private key was told");
            }
            return Answer::Refused;
        }
    };
    let set = Members::read(input);
    let keys = set.items("keys").expect("keys that are used are in `keys`");
    for signed in &SIGNED {
        if judged::accepted(&authenticator, signed.token.as_bytes()).is_some() {
            let is_there = keys.iter().any(|key| is_for(key.get(), signed));
            assert!(is_there, "no key of {text} is for {}", signed.id);
        }
    }
    Answer::Taken
}

/// Whether a key is the one that has signed, published for just that.
fn is_for(key: &str, signed: &Signed) -> bool {
    let Some(key) = Members::parse(key.as_bytes()).filter(Members::are_unique) else {
        return false;
    };
    let is = |name: &str, value: &str| key.text(name).as_deref() == Some(value);
    let is_one = |name: &str, values: &[&str]| values.iter().any(|value| is(name, value));
    let is_one_or_absent = |name: &str, values: &[&str]| !key.has(name) || is_one(name, values);
    let may_verify = match key.find("key_ops") {
        None => true,
        Some(operations) => operations
            .as_array()
            .is_some_and(|operations| operations.iter().any(|operation| operation == "verify")),
    };
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    is("kid", signed.id)
        && is("kty", signed.kind)
        && is_one_or_absent("alg", signed.algorithms)
        && is_one_or_absent("use", &["sig"])
        && may_verify
        && !private.iter().any(|name| key.has(name))
        && number(&key, signed.number) == number_of(signed)
}

/// The number of the key as it is published.
fn number_of(signed: &Signed) -> Option<Vec<u8>> {
    let mut keys = PUBLISHED.items("keys")?.into_iter();
    keys.find_map(|key| {
        let key = Members::parse(key.get().as_bytes())?;
        (key.text("kid")? == signed.id).then(|| number(&key, signed.number))?
    })
}

/// A number without zeros in front.
fn number(key: &Members, name: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(key.text(name)?).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}
