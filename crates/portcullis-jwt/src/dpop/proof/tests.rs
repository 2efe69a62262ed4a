use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use http::Request;
use serde_json::{Value, json};

use super::*;

const AT: i64 = 1_767_225_600;
const TOKEN: &str = "a.token";
const WINDOW: Duration = Duration::from_secs(60);

/// A holder of a key.
struct Holder(EcdsaKeyPair);

impl Holder {
    fn new() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap())
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
    }

    fn thumbprint(&self) -> String {
        let jwk = self.jwk().to_string();
        Candidate::read(Raw::parse(&jwk).unwrap())
            .unwrap()
            .thumbprint()
            .unwrap()
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn claims() -> Value {
    json!({
        "jti": "-BwC3ESc6acc2lTc",
        "htm": "GET",
        "htu": "https://agent.example/notes",
        "iat": AT,
        "ath": URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN)),
    })
}

fn rules() -> Rules {
    Rules {
        allowed: Allowed::only(&[Algorithm::Es256, Algorithm::EdDsa]),
        window: WINDOW,
        origin: Origin::parse("https://agent.example/mcp").unwrap(),
        nonces: None,
    }
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

/// What is said of proofs that come with a request for `/notes`.
fn judge_at(proofs: &[&str], thumbprint: &str, rules: &Rules, at: i64) -> Result<Proven, Fault> {
    let mut request = Request::builder()
        .uri("/notes?q=1")
        .header("authorization", format!("DPoP {TOKEN}"));
    for proof in proofs {
        request = request.header("DPoP", *proof);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let view = RequestView::new(&parts, Timestamp::from_unix_seconds(at));
    check(&view, thumbprint, rules)
}

fn judge(holder: &Holder, header: &Value, claims: &Value) -> Result<(), &'static str> {
    let proof = holder.sign(header, claims);
    judge_at(&[&proof], &holder.thumbprint(), &rules(), AT)
        .map(drop)
        .map_err(code)
}

fn code(fault: Fault) -> &'static str {
    match fault {
        Fault::Proof(code) | Fault::Key(code) | Fault::Nonce(code) => code.as_str(),
    }
}

#[test]
fn a_good_proof_says_until_when_it_could_be_used() {
    let holder = Holder::new();
    let proof = holder.sign(&holder.header(), &claims());
    let proven = judge_at(&[&proof], &holder.thumbprint(), &rules(), AT + 7).unwrap();
    assert_eq!(proven.until, Timestamp::from_unix_seconds(AT + 60));
    assert_eq!(
        proven.id,
        <[u8; 32]>::from(Sha256::digest("-BwC3ESc6acc2lTc"))
    );
    assert!(!proven.wants_nonce);
}

#[test]
fn what_else_there_is_does_not_matter() {
    let holder = Holder::new();
    for (header, claims) in [
        (with(holder.header(), "kid", "a"), claims()),
        (
            with(holder.header(), "jku", "https://evil.example"),
            claims(),
        ),
        (with(holder.header(), "typ", "DPoP+JWT"), claims()),
        (
            with(holder.header(), "typ", "application/dpop+jwt"),
            claims(),
        ),
        (holder.header(), with(claims(), "nbf", "never")),
        (
            holder.header(),
            with(claims(), "nonce", "of another server"),
        ),
        (
            holder.header(),
            with(claims(), "htu", "https://agent.example/notes?q=2#f"),
        ),
        (
            holder.header(),
            with(claims(), "htu", "HTTPS://Agent.Example:443/notes"),
        ),
    ] {
        assert_eq!(
            judge(&holder, &header, &claims),
            Ok(()),
            "{header} {claims}"
        );
    }
}

#[test]
fn each_part_of_the_header_has_to_be_right() {
    let holder = Holder::new();
    let header = || holder.header();
    let jwk = |name: &str, value: Value| with(header(), "jwk", with(holder.jwk(), name, value));
    for (header, expected) in [
        (without(header(), "typ"), "dpop_typ"),
        (with(header(), "typ", "JWT"), "dpop_typ"),
        (with(header(), "typ", "at+jwt"), "dpop_typ"),
        (with(header(), "typ", 7), "dpop_typ"),
        (without(header(), "alg"), "dpop_alg"),
        (with(header(), "alg", "none"), "dpop_alg"),
        (with(header(), "alg", "RS256"), "dpop_alg"),
        (with(header(), "alg", "HS256"), "dpop_alg"),
        (with(header(), "alg", "es256"), "dpop_alg"),
        (with(header(), "alg", "EdDSA"), "dpop_jwk"),
        (without(header(), "jwk"), "dpop_jwk"),
        (with(header(), "jwk", "a"), "dpop_jwk"),
        (
            with(header(), "jwk", json!({"kty": "oct", "k": "AAAA"})),
            "dpop_jwk",
        ),
        (jwk("d", json!("AAAA")), "dpop_jwk"),
        (jwk("alg", json!("ES384")), "dpop_jwk"),
        (jwk("use", json!("enc")), "dpop_jwk"),
        (jwk("y", holder.jwk()["x"].clone()), "dpop_key"),
        (with(header(), "crit", json!(["exp"])), "dpop_malformed"),
        (with(header(), "b64", true), "dpop_malformed"),
        (with(header(), "zip", "DEF"), "dpop_malformed"),
    ] {
        assert_eq!(
            judge(&holder, &header, &claims()),
            Err(expected),
            "{header}"
        );
    }
}

#[test]
fn each_claim_has_to_be_there_and_right() {
    let holder = Holder::new();
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        for wrong in [Value::Null, json!(true), json!([]), json!({})] {
            let claims = with(claims(), name, wrong);
            assert_eq!(
                judge(&holder, &holder.header(), &claims),
                Err("dpop_claims"),
                "{claims}"
            );
        }
        let claims = without(claims(), name);
        assert_eq!(
            judge(&holder, &holder.header(), &claims),
            Err("dpop_claims"),
            "{name}"
        );
    }
    for (name, value, expected) in [
        ("jti", json!(""), "dpop_claims"),
        ("jti", json!("a".repeat(257)), "dpop_claims"),
        ("iat", json!("1767225600"), "dpop_claims"),
        ("iat", json!(-1), "dpop_claims"),
        ("htm", json!("POST"), "dpop_htm"),
        ("htm", json!("get"), "dpop_htm"),
        ("htu", json!("https://agent.example/other"), "dpop_htu"),
        ("htu", json!("https://evil.example/notes"), "dpop_htu"),
        ("htu", json!("/notes"), "dpop_htu"),
        (
            "ath",
            json!("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"),
            "dpop_ath",
        ),
        ("ath", json!(""), "dpop_ath"),
    ] {
        let claims = with(claims(), name, value);
        assert_eq!(
            judge(&holder, &holder.header(), &claims),
            Err(expected),
            "{claims}"
        );
    }
}

#[test]
fn the_window_is_as_wide_before_as_after() {
    let holder = Holder::new();
    let proof = holder.sign(&holder.header(), &claims());
    let at = |at| {
        let judged = judge_at(&[&proof], &holder.thumbprint(), &rules(), at);
        judged.map(drop).map_err(code)
    };
    for distance in [0, 10, 59, 60] {
        assert_eq!(
            (at(AT + distance), at(AT - distance)),
            (Ok(()), Ok(())),
            "{distance}"
        );
    }
    for distance in [61, 3600] {
        let late = Err("dpop_iat");
        assert_eq!(
            (at(AT + distance), at(AT - distance)),
            (late, late),
            "{distance}"
        );
    }
}

#[test]
fn with_nonces_the_time_does_not_matter_and_the_nonce_does() {
    let holder = Holder::new();
    let span = Duration::from_secs(300);
    let rules = Rules {
        nonces: Some(Nonces::new(&[1; 32], span)),
        ..rules()
    };
    let now = Timestamp::from_unix_seconds(AT);
    let nonce_of = |at| {
        let nonces = rules.nonces.as_ref().unwrap();
        nonces.fresh(at).unwrap().to_str().unwrap().to_owned()
    };
    let judge = |claims: Value| {
        let proof = holder.sign(&holder.header(), &claims);
        judge_at(&[&proof], &holder.thumbprint(), &rules, AT)
    };
    for skewed in [AT, AT - 3600, AT + 3600] {
        let claims = with(with(claims(), "nonce", nonce_of(now)), "iat", skewed);
        let proven = judge(claims).unwrap();
        assert!(!proven.wants_nonce);
        assert_eq!(proven.until, Timestamp::from_unix_seconds(AT + 600));
    }
    let before = Timestamp::from_unix_seconds(AT - 300);
    let proven = judge(with(claims(), "nonce", nonce_of(before))).unwrap();
    assert!(proven.wants_nonce);
    let gone = Timestamp::from_unix_seconds(AT - 301);
    for (claims, expected) in [
        (claims(), Fault::Nonce(reason::DPOP_NONCE_MISSING)),
        (
            with(claims(), "nonce", ""),
            Fault::Nonce(reason::DPOP_NONCE),
        ),
        (
            with(claims(), "nonce", nonce_of(gone)),
            Fault::Nonce(reason::DPOP_NONCE),
        ),
        (
            with(claims(), "nonce", 7),
            Fault::Proof(reason::DPOP_CLAIMS),
        ),
    ] {
        assert_eq!(judge(claims).unwrap_err(), expected);
    }
}

#[test]
fn the_key_is_the_one_that_the_token_is_bound_to() {
    let (holder, other) = (Holder::new(), Holder::new());
    let proof = other.sign(&other.header(), &claims());
    let judged = judge_at(&[&proof], &holder.thumbprint(), &rules(), AT);
    assert_eq!(judged.unwrap_err(), Fault::Key(reason::DPOP_KEY));
    // With the key of the token and the signature of another.
    let proof = other.sign(&holder.header(), &claims());
    let judged = judge_at(&[&proof], &holder.thumbprint(), &rules(), AT);
    assert_eq!(judged.unwrap_err(), Fault::Proof(reason::DPOP_SIGNATURE));
}

#[test]
fn there_is_one_proof_in_one_form() {
    let holder = Holder::new();
    let proof = &*holder.sign(&holder.header(), &claims());
    let judge = |proofs: &[&str]| {
        judge_at(proofs, &holder.thumbprint(), &rules(), AT)
            .map(drop)
            .map_err(code)
    };
    assert_eq!(judge(&[]), Err("dpop_missing"));
    assert_eq!(judge(&[proof, proof]), Err("dpop_twice"));
    for text in [
        "",
        "a",
        "a.b.c",
        &format!("{proof}, {proof}"),
        &format!("{proof},{proof}"),
        &format!("{proof}="),
        &format!(" {proof}"),
        &format!("{proof}."),
        &"a".repeat(8193),
    ] {
        assert_eq!(judge(&[text]), Err("dpop_malformed"), "{text}");
    }
    // A blank after the header is the same JSON, and not what was signed.
    let header = format!("{} ", holder.header());
    let (_, rest) = proof.split_once('.').unwrap();
    let other = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
    assert_eq!(judge(&[&other]), Err("dpop_signature"));
}

#[test]
fn the_examples_of_the_draft() {
    let examples = include_str!("../../../tests/vectors/rfc9449_draft_examples.json");
    let examples: Vec<Value> = serde_json::from_str(examples).unwrap();
    let mut judged = Vec::new();
    for example in &examples {
        // Lines are folded with a backslash (RFC 8792).
        let text = example["text"]
            .as_str()
            .unwrap()
            .replace("\\\n ", "")
            .replace("\\\n", "");
        let Some((_, rest)) = text.split_once("DPoP: ") else {
            continue;
        };
        let proof = rest.split_whitespace().next().unwrap();
        let request = Request::builder()
            .uri("/protectedresource")
            .header(
                "authorization",
                "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
            )
            .header("dpop", proof);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let view = RequestView::new(&parts, Timestamp::from_unix_seconds(1_562_262_618));
        let rules = Rules {
            origin: Origin::parse("https://resource.example.org").unwrap(),
            ..rules()
        };
        let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        judged.push(check(&view, thumbprint, &rules).map(drop).map_err(code));
    }
    let good = judged.iter().filter(|judged| judged.is_ok()).count();
    // Proofs for the token endpoint are for another URL.
    let for_tokens = judged
        .iter()
        .filter(|judged| **judged == Err("dpop_htm"))
        .count();
    assert_eq!((good, for_tokens, judged.len()), (1, 3, 4), "{judged:?}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused(text in "[ -~]{0,200}") {
        let judged = judge_at(&[&text], "t", &rules(), AT);
        proptest::prop_assert!(judged.is_err());
    }
}
