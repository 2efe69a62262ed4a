//! A header, a line feed and claims of a proof, which its key signs whatever they are: what is
//! accepted says what another reader of JSON finds in it. `$jwk` stands for the key, `$ath` for the
//! digest of the token.

use std::sync::{Arc, LazyLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Request;
use portcullis::{
    Check, Confirmation, Evidence, EvidenceKind, ProofVerdict, ProofVerifier as _, RequestView,
    Site, Timestamp,
    jwt::{Dpop, DpopVerifier},
    revocation::{ReplayKey, ReplayOwner, ReplayStore, StoreError, Taken},
};
use portcullis_testing::{clock::VirtualClock, dpop::ProofKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{json::Members, judged::NOW};
use crate::engine::{Answer, Target};

pub(crate) const TARGET: Target = Target {
    name: "dpop",
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
        "null",
        "true",
        "0",
        "1e400",
        "1800000060",
        "1799999940",
        "\"typ\":\"dpop+jwt\"",
        "\"typ\":\"at+jwt\"",
        "\"application/dpop+jwt\"",
        "\"alg\":\"ES256\"",
        "\"alg\":\"none\"",
        "\"alg\":\"HS256\"",
        "\"alg\":\"EdDSA\"",
        "\"jwk\":$jwk",
        "\"jwk\":{},",
        "\"d\":\"AAAA\",",
        "\"kid\":\"a\",",
        "\"crit\":[],",
        "\"b64\":false,",
        "\"zip\":\"DEF\",",
        "\"jti\":\"a\"",
        "\"htm\":\"GET\"",
        "\"htm\":\"POST\",",
        "\"ht\\u006d\":\"POST\",",
        "\"htu\":\"https://agent.example/notes\"",
        "https://AGENT.example:443/notes",
        "https://agent.example/a/../notes",
        "https://evil.example/notes",
        "?q=1",
        "#f",
        "%6e",
        "%2f",
        "\"iat\":1800000000",
        "\"ath\":\"$ath\"",
        "\"nonce\":\"a\",",
        " ",
        "\n",
        "\u{feff}",
        "\u{e4}",
    ],
    executions: 4_000,
};

const TOKEN: &str = "a.token";
/// How far `iat` may be from now: the default.
const WINDOW: f64 = 60.0;

/// Takes every proof as new, so that an input can be judged again.
struct Forgetful;

impl ReplayStore for Forgetful {
    fn take_now(
        &self,
        _owner: ReplayOwner,
        _key: ReplayKey,
        _until: Timestamp,
        _now: Timestamp,
    ) -> Check<Taken> {
        Check::Done(Taken::Fresh)
    }

    async fn take(
        &self,
        _owner: ReplayOwner,
        _key: ReplayKey,
        _until: Timestamp,
        _now: Timestamp,
    ) -> Result<Taken, StoreError> {
        Ok(Taken::Fresh)
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

struct Holder {
    key: ProofKey,
    verifier: DpopVerifier,
    evidence: Evidence,
}

static HOLDER: LazyLock<Holder> = LazyLock::new(|| {
    let clock = VirtualClock::starting_at(Timestamp::from_unix_seconds(NOW));
    let site = Site::new(Arc::new(clock.clone())).with_resource("https://agent.example/");
    let key = ProofKey::new(clock);
    let confirmation = Confirmation::default().with_jwk_thumbprint(key.thumbprint());
    Holder {
        verifier: Dpop::new(Forgetful).build(&site).unwrap(),
        evidence: Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
            .with_confirmation(confirmation),
        key,
    }
});

fn ath() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN))
}

/// The input with what stands for something else replaced.
fn spelled_out(input: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(input) else {
        return input.to_vec();
    };
    text.replace("$jwk", &HOLDER.key.jwk().to_string())
        .replace("$ath", &ath())
        .into_bytes()
}

fn check(input: &[u8]) -> Answer {
    let input = spelled_out(input);
    let border = input.iter().position(|byte| *byte == b'\n');
    let Some((header, claims)) = border.map(|at| (&input[..at], &input[at + 1..])) else {
        return Answer::Refused;
    };
    let proof = HOLDER
        .key
        .proof("GET", "https://agent.example/notes", TOKEN)
        .with_raw_header(header)
        .with_raw_claims(claims)
        .mint();
    let request = Request::builder()
        .uri("/notes?q=1")
        .header("authorization", format!("DPoP {TOKEN}"))
        .header("dpop", proof);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(NOW));
    match HOLDER.verifier.check(&view, &HOLDER.evidence) {
        Check::Done(ProofVerdict::Proven(_)) => {
            check_header(&Members::read(header));
            check_claims(&Members::read(claims));
            Answer::Taken
        }
        Check::Done(_) => Answer::Refused,
        Check::NeedsIo => panic!("this store is never waited for"),
    }
}

fn check_header(header: &Members) {
    let typ = header.text("typ").expect("it says of which kind it is");
    let typ = typ.to_ascii_lowercase();
    assert!(
        matches!(&*typ, "dpop+jwt" | "application/dpop+jwt"),
        "{typ}"
    );
    assert_eq!(header.text("alg").as_deref(), Some("ES256"));
    let jwk = header.find("jwk").expect("it says with which key");
    for name in ["kty", "crv", "x", "y"] {
        assert_eq!(jwk.get(name), HOLDER.key.jwk().get(name), "{name}");
    }
    assert_eq!(jwk.get("d"), None, "a key that is not for everybody");
    for name in ["crit", "b64", "zip", "cty"] {
        assert!(!header.has(name), "{name} is not understood");
    }
}

fn check_claims(claims: &Members) {
    assert_eq!(claims.text("htm").as_deref(), Some("GET"));
    assert_eq!(claims.text("ath"), Some(ath()));
    let id = claims.text("jti").expect("it can be told from others");
    assert!(!id.is_empty() && id.len() <= 256);
    let time = claims.find("iat").and_then(|time| time.as_f64());
    let distance = (time.expect("it was made") - NOW as f64).abs();
    // Times are read to the millisecond.
    assert!(distance < WINDOW + 0.001, "{distance}");
    let url = claims.text("htu").expect("it is of a URL");
    let url = url::Url::parse(&url).expect("it is of a URL");
    assert_eq!(url.origin().ascii_serialization(), "https://agent.example");
    let path = url.path().replace("%6e", "n").replace("%6E", "n");
    let path = percent_free(&path);
    assert_eq!(path, "/notes", "{url}");
    assert!(
        claims
            .find("nonce")
            .is_none_or(|nonce| nonce != Value::Null || nonce.is_null())
    );
}

/// What is percent-encoded without need, as it would be without.
fn percent_free(path: &str) -> String {
    let mut free = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        free.push_str(before);
        let digits = after.get(..2).expect("two digits");
        let byte = u8::from_str_radix(digits, 16).expect("digits");
        assert!(
            byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
            "%{digits}"
        );
        free.push(char::from(byte));
        rest = &after[2..];
    }
    free.push_str(rest);
    free
}
