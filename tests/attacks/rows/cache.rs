//! What a verified token is remembered for.

use std::time::Duration;

use portcullis_testing::identity_provider::SigningAlgorithm;

use crate::{
    guard::Settings,
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:token cache", cache).await;
}

async fn cache(harness: &mut Harness) {
    // The same text again, after it has expired.
    let guard = Settings::fixed().build();
    let token = guard.token().mint();
    for _ in 0..3 {
        harness
            .control("a token, seen again", &guard, guard.bearer(&token))
            .await;
    }
    guard.clock.advance(Duration::from_secs(331));
    let expired = Expected::invalid_token(&["jwt_expired"]);
    harness
        .attack(
            "expired since it was seen",
            &guard,
            guard.bearer(&token),
            &expired,
        )
        .await;

    // The same text again, after its key was withdrawn.
    let guard = Settings::served().await.build();
    let token = guard
        .token()
        .with_lifetime(Duration::from_secs(3600))
        .mint();
    harness
        .control("a token", &guard, guard.bearer(&token))
        .await;
    let old = guard.idp.key_id(SigningAlgorithm::Es256);
    guard.idp.rotate(SigningAlgorithm::Es256);
    guard.idp.withdraw(&old);
    guard.clock.advance(Duration::from_secs(331));
    // The next key makes the gate look, once.
    harness
        .control("the next key", &guard, guard.bearer(&guard.token().mint()))
        .await;
    let withdrawn = Expected::invalid_token(&["jwt_kid_unknown"]);
    harness
        .attack(
            "withdrawn since it was seen",
            &guard,
            guard.bearer(&token),
            &withdrawn,
        )
        .await;

    // A text that differs in one bit of its signature is another text.
    let guard = Settings::fixed().build();
    let good = guard.token();
    harness
        .control("a token, seen", &guard, guard.bearer(&good.mint()))
        .await;
    let forged = Expected::invalid_token(&["jwt_signature"]);
    let token = good.with_flipped_signature().mint();
    harness
        .attack(
            "one bit beside a token that was seen",
            &guard,
            guard.bearer(&token),
            &forged,
        )
        .await;
}
