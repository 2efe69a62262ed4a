//! A token on its way through the authenticator: none is accepted that the issuer has not
//! signed.

use std::sync::LazyLock;

use portcullis::jwt::JwtAuthenticator;

use super::judged;
use crate::{
    corpus,
    engine::{Answer, Target},
};

pub(crate) const TARGET: Target = Target {
    name: "token",
    check,
    dictionary: &[
        ".",
        "..",
        "=",
        "==",
        "-",
        "_",
        "+",
        "/",
        "A",
        "AA",
        "AAAA",
        "e30",
        "e30.e30.",
        // {"alg":"none"}, "alg":"HS256", "crit", "sub":"root", in each of the three ways that
        // base64 falls.
        "eyJhbGciOiJub25lIn0",
        "ImFsZyI6IkhTMjU2I",
        "JhbGciOiJIUzI1NiI",
        "iYWxnIjoiSFMyNTYi",
        "ImNyaXQiOlt",
        "InN1YiI6InJvb3Qi",
        "JzdWIiOiJyb290I",
        "ic3ViIjoicm9vdCI",
        " ",
        "\u{e4}",
        "\u{0}",
    ],
    executions: 6_000,
};

/// Public keys of published examples: RFC 8037 §A.1, RFC 7515 §A.3 and RFC 7520 §3.3. With
/// their private halves, which are published as well, the tokens of the corpus were signed.
pub(super) const KEYS: &str = include_str!("../keys.json");

static AUTHENTICATOR: LazyLock<JwtAuthenticator> =
    LazyLock::new(|| judged::authenticator(KEYS).unwrap());

/// What the issuer has signed.
static SIGNED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let entries = corpus::read(TARGET.name).into_iter();
    entries
        .filter(corpus::Entry::is_good)
        .map(|entry| entry.bytes)
        .collect()
});

fn check(input: &[u8]) -> Answer {
    let Some(evidence) = judged::accepted(&AUTHENTICATOR, input) else {
        return Answer::Refused;
    };
    // Whoever knows a signature of ECDSA can write another one of the same text (`-s` for
    // `s`), so that text is what has to be equal. Both are in the corpus.
    assert!(
        SIGNED.iter().any(|signed| signed == input),
        "accepted, but never signed: {:?} of {:?}",
        evidence.subject(),
        String::from_utf8_lossy(input)
    );
    Answer::Taken
}
