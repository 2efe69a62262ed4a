//! What a developer is told.

use portcullis_jwt::{StepOutcome, reason};
use serde_json::json;

use crate::support::{
    ISSUER, NOW,
    idp::{KEYS_URL, World, fixed},
    signer::Signer,
};

#[tokio::test]
async fn a_good_token_passes_every_check() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let explanation = auth.explain(&signer.token()).await;
    assert!(explanation.is_accepted(), "{explanation}");
    assert_eq!(explanation.reason(), None);
    assert!(
        explanation
            .steps()
            .all(|step| step.outcome() == StepOutcome::Passed)
    );
}

#[tokio::test]
async fn the_check_that_failed_is_named_with_what_was_expected() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let token = signer.token_with(json!({"aud": "https://notes.example/"}));
    let explanation = auth.explain(&token).await;
    assert!(!explanation.is_accepted());
    assert_eq!(explanation.reason(), Some(reason::AUDIENCE));
    let outcome = |name: &str| {
        let mut steps = explanation.steps();
        steps.find(|step| step.name() == name).unwrap().outcome()
    };
    assert_eq!(outcome("issuer"), StepOutcome::Passed);
    assert_eq!(outcome("audience"), StepOutcome::Failed);
    assert_eq!(outcome("signature"), StepOutcome::NotReached);
    let text = explanation.to_string();
    for part in [
        "FAILED  audience",
        "aud: \"https://notes.example/\"",
        "audiences: https://notes.example\n",
        "keys of the issuer: a (EdDSA)",
        "jwt_audience: no entry of `aud` equals a configured audience",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[tokio::test]
async fn it_sees_the_time_and_the_network_as_a_request_does() {
    let signer = Signer::eddsa("a");
    let world = World::new([&signer]);
    assert!(world.auth.explain(&signer.token()).await.is_accepted());
    assert_eq!(world.network.count(), 1);
    let expired = signer.token_with(json!({"iat": NOW - 100, "exp": NOW - 60}));
    let explanation = world.auth.explain(&expired).await;
    assert_eq!(explanation.reason(), Some(reason::EXPIRED));
    assert!(
        explanation
            .to_string()
            .contains("exp: 2027-01-15T07:59:00.000Z"),
        "{explanation}"
    );

    let world = World::new([&signer]);
    world.network.fail(KEYS_URL);
    let explanation = world.auth.explain(&signer.token()).await;
    assert_eq!(explanation.reason(), Some(reason::KEYS_UNAVAILABLE));
}

#[tokio::test]
async fn what_is_left_to_others_is_said_to_be() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let explanation = auth.explain("pc_live_key").await;
    assert!(!explanation.is_accepted());
    assert_eq!(explanation.reason(), None);
    assert!(explanation.summary().contains("no JWT"));
    let foreign = signer.token_with(json!({"iss": "https://other.example"}));
    let explanation = auth.explain(&foreign).await;
    assert!(explanation.summary().contains("configured issuers"));
    assert!(explanation.to_string().contains(ISSUER));
}

#[tokio::test]
async fn what_a_stranger_wrote_cannot_steer_a_terminal() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let token = signer.token_with(json!({"aud": "\u{1b}[2J\u{202e}\n".repeat(1000)}));
    let text = auth.explain(&token).await.to_string();
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        "{text}"
    );
    assert!(text.len() < 4000);
}

#[tokio::test]
async fn any_text_is_explained() {
    let auth = fixed([&Signer::eddsa("a")]);
    for text in [
        "",
        ".",
        "eyJ",
        "e30.e30.",
        "eyJ.eyJ.eyJ",
        "\u{e4}",
        &"eyJ.".repeat(10_000),
    ] {
        let explanation = auth.explain(text).await;
        assert!(!explanation.is_accepted(), "{text:.40}");
        assert!(!explanation.to_string().is_empty());
    }
}
