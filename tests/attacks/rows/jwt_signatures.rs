//! Signatures that are none, and what they claim to be: J01–J03.

use portcullis_testing::identity_provider::SigningAlgorithm;
use serde_json::{Value, json};

use super::jwt_headers::guard_with;
use crate::{
    guard::{Guard, RESOURCE, Settings},
    harness::{Expected, Harness},
};

const BAD_ALG: &[&str] = &["jwt_alg", "jwt_header"];

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("J01", algorithms).await;
    harness.row("J02", confusion).await;
    harness.row("J03", signatures).await;
}

async fn algorithms(harness: &mut Harness) {
    let guard = Guard::fixed();
    let expected = Expected::invalid_token(BAD_ALG);
    harness
        .control("es256", &guard, guard.bearer(&guard.token().mint()))
        .await;
    let spellings = [
        "none", "None", "NONE", "nOnE", "none ", "", "es256", "HS256",
    ];
    for alg in spellings.map(Value::from).into_iter().chain([
        Value::Null,
        json!(7),
        json!(["ES256"]),
        json!({ "alg": "ES256" }),
    ]) {
        let token = guard
            .token()
            .with_algorithm_none()
            .with_header("alg", alg.clone());
        harness
            .attack(
                &format!("alg {alg}"),
                &guard,
                guard.bearer(&token.mint()),
                &expected,
            )
            .await;
    }
    let token = guard
        .token()
        .with_algorithm_none()
        .without_header("alg")
        .mint();
    harness
        .attack("alg absent", &guard, guard.bearer(&token), &expected)
        .await;
    // Truly signed, and then called by a name that is not on the list.
    let token = guard.token().with_header("alg", "none").mint();
    harness
        .attack(
            "alg none on a signed token",
            &guard,
            guard.bearer(&token),
            &expected,
        )
        .await;
}

async fn confusion(harness: &mut Harness) {
    let algorithms = [SigningAlgorithm::Es256, SigningAlgorithm::Rs256];
    let guard = Settings::with_algorithms(algorithms).build();
    let expected = Expected::invalid_token(&["jwt_alg"]);
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256] {
        let der = guard.idp.public_key_der(algorithm);
        let jwk = guard.idp.jwk(algorithm);
        let secrets: [(&str, Vec<u8>); 4] = [
            ("der", der.clone()),
            ("pem", pem(&der).into_bytes()),
            (
                "pem without its last newline",
                pem(&der).trim_end().as_bytes().to_vec(),
            ),
            ("jwk", jwk.to_string().into_bytes()),
        ];
        for (name, secret) in secrets {
            let token = guard
                .token()
                .with_algorithm(algorithm)
                .with_hmac_secret(secret)
                .mint();
            let name = format!("hs256 with the {} key as {name}", algorithm.name());
            harness
                .attack(&name, &guard, guard.bearer(&token), &expected)
                .await;
        }
    }
    let token = guard.token().with_hmac_secret(Vec::new()).mint();
    harness
        .attack(
            "hs256 with an empty secret",
            &guard,
            guard.bearer(&token),
            &expected,
        )
        .await;
    let token = guard.token().with_algorithm(SigningAlgorithm::Rs256).mint();
    harness.control("rs256", &guard, guard.bearer(&token)).await;

    // One key is for one algorithm, whatever else it could check.
    let mut jwk = guard.idp.jwk(SigningAlgorithm::Rs256);
    if let Some(alg) = jwk.get_mut("alg") {
        *alg = json!("PS256");
    }
    let other = guard_with(&guard, &[jwk]);
    let token = guard.token().with_algorithm(SigningAlgorithm::Rs256).mint();
    let expected = Expected::invalid_token(&["jwt_key_alg"]);
    harness
        .attack(
            "rs256 with a key for ps256",
            &other,
            other.bearer(&token),
            &expected,
        )
        .await;
    let claimed = guard
        .token()
        .with_algorithm(SigningAlgorithm::Rs256)
        .with_header("alg", "RS512")
        .mint();
    harness
        .attack(
            "rs256 that calls itself rs512",
            &guard,
            guard.bearer(&claimed),
            &expected,
        )
        .await;
}

async fn signatures(harness: &mut Harness) {
    let guard = Guard::fixed();
    let good = guard.token();
    harness
        .control("the same, as it was", &guard, guard.bearer(&good.mint()))
        .await;
    let signature = Expected::invalid_token(&["jwt_signature"]);
    for (name, token) in [
        ("empty", good.clone().with_empty_signature().mint()),
        ("truncated", good.clone().with_truncated_signature().mint()),
        ("flipped", good.clone().with_flipped_signature().mint()),
        (
            "of another key",
            good.clone().with_forged_signature().mint(),
        ),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&token), &signature)
            .await;
    }
    let (one, other) = (
        good.mint(),
        guard.idp.token("mallory").with_audience(RESOURCE).mint(),
    );
    let spliced = match (one.rsplit_once('.'), other.rsplit_once('.')) {
        (Some((head, _)), Some((_, tail))) => format!("{head}.{tail}"),
        _ => String::new(),
    };
    harness
        .attack(
            "of another token",
            &guard,
            guard.bearer(&spliced),
            &signature,
        )
        .await;
    let segments =
        Expected::invalid_token(&["jwt_segments", "jwt_header", "jwt_payload", "jwt_base64"]);
    let two = one
        .rsplit_once('.')
        .map(|(head, _)| head.to_owned())
        .unwrap_or_default();
    for (name, token) in [
        ("two segments", two.clone()),
        ("four segments", format!("{one}.AAAA")),
        ("five segments", format!("{one}.AAAA.AAAA")),
        ("trailing dot", format!("{one}.")),
        (
            "an empty claims segment",
            one.split('.')
                .enumerate()
                .map(|(n, part)| if n == 1 { "" } else { part })
                .collect::<Vec<_>>()
                .join("."),
        ),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&token), &segments)
            .await;
    }
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    harness
        .attack(
            "leading dot",
            &guard,
            guard.bearer(&format!(".{one}")),
            &unknown,
        )
        .await;
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}
