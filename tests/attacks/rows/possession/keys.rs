//! Keys that are none: P08.

use super::*;

pub(super) async fn keys(harness: &mut Harness) {
    let bound = Bound::new();
    bound
        .control(harness, "the key of the token", &bound.proof())
        .await;
    let more = with_jwk(&bound, |jwk| {
        jwk["kid"] = json!("a");
        jwk["use"] = json!("sig");
    });
    bound
        .control(harness, "members that make up no key", &more)
        .await;
    let other = ProofKey::new(bound.guard.clock.clone());
    let stolen = other.proof("GET", URL, &bound.token).mint();
    let expected = Expected::lines(&[BEARER, BAD_DPOP], &["dpop_key"]);
    let request = bound.request(&stolen);
    harness
        .attack("another key", &bound.guard, request, &expected)
        .await;
    let claimed = other
        .proof("GET", URL, &bound.token)
        .with_header("jwk", bound.key.jwk().clone())
        .mint();
    bound
        .attack(
            harness,
            "the key of the token, signed by another",
            &claimed,
            &["dpop_signature"],
        )
        .await;
    for (name, edit) in [
        (
            "a private member",
            (|jwk| jwk["d"] = json!("AAAA")) as fn(&mut Value),
        ),
        ("a symmetric key", |jwk| {
            *jwk = json!({"kty": "oct", "k": "AAAA"});
        }),
        ("another algorithm", |jwk| jwk["alg"] = json!("ES384")),
        ("for encryption", |jwk| jwk["use"] = json!("enc")),
        ("no key", |jwk| *jwk = Value::Null),
        ("a text", |jwk| *jwk = json!("a")),
    ] {
        let proof = with_jwk(&bound, edit).mint();
        bound.attack(harness, name, &proof, &["dpop_jwk"]).await;
    }
    for (name, proof) in [
        ("none", bound.proof().with_algorithm_none()),
        (
            "a shared secret",
            bound.proof().with_hmac_secret("the public key"),
        ),
        (
            "an algorithm that is not allowed",
            bound.proof().with_header("alg", "ES384"),
        ),
    ] {
        bound
            .attack(harness, name, &proof.mint(), &["dpop_alg"])
            .await;
    }
    let spoiled = bound.proof().with_empty_signature().mint();
    bound
        .attack(harness, "no signature", &spoiled, &["dpop_signature"])
        .await;

    // An Edwards curve, of which there are points that sign for everybody.
    let curve = ProofKey::with_algorithm(SigningAlgorithm::EdDsa, bound.guard.clock.clone());
    let token = bound
        .guard
        .token()
        .with_claim("cnf", curve.confirmation())
        .mint();
    let edwards = Bound {
        key: curve,
        token,
        guard: bound.guard,
    };
    edwards.control(harness, "EdDSA", &edwards.proof()).await;
    let fully_specified = edwards.proof().with_header("alg", "Ed25519");
    edwards.control(harness, "Ed25519", &fully_specified).await;
    // RSA keys are not allowed here unless somebody says so.
    let weak = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    let proof = edwards
        .proof()
        .with_header("jwk", weak)
        .with_header("alg", "PS256")
        .mint();
    edwards.attack(harness, "RSA", &proof, &["dpop_alg"]).await;
}

/// A good proof, but for what is done to its key.
fn with_jwk(bound: &Bound, edit: impl FnOnce(&mut Value)) -> Token {
    let mut jwk = bound.key.jwk().clone();
    edit(&mut jwk);
    bound.proof().with_header("jwk", jwk)
}
