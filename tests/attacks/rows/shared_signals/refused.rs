//! What is no good event.

use portcullis_testing::identity_provider::{IdentityProvider, SigningAlgorithm};

use super::*;
use crate::harness::Expected;

pub(super) async fn play(harness: &mut Harness) {
    let world = World::new(|signals| signals.with_verification_state(Secret::from("9b2e")));
    let victim = world.login();
    harness
        .control("who is in", &world.guard, world.guard.bearer(&victim))
        .await;
    world.guard.clock.advance(SECOND);
    let now = world.guard.clock.now().unix_seconds();
    let stranger = IdentityProvider::new()
        .with_issuer(ISSUER)
        .with_algorithms([SigningAlgorithm::Es256])
        .with_clock(world.guard.clock.clone());
    let good = || world.revoked();
    let event = format!("{CAEP}session-revoked");
    let of_stranger = stranger.security_event(RESOURCE, &event, json!({}), user(ISSUER, "alice"));
    let two = json!({ &event: {}, format!("{CAEP}token-claims-change"): { "claims": {} } });
    let other_state = world.of_stream("verification", json!({ "state": "of another" }));
    for (name, token, codes) in [
        (
            "without a signature",
            good().with_algorithm_none(),
            &["set_alg"],
        ),
        (
            "forged",
            good().with_flipped_signature(),
            &["set_signature"],
        ),
        ("of a stranger", of_stranger, &["set_signature"]),
        (
            "that is a logout token",
            good().with_header("typ", "logout+jwt"),
            &["set_typ"],
        ),
        (
            "that is an access token",
            good().with_header("typ", "at+jwt"),
            &["set_typ"],
        ),
        (
            "that does not say what it is",
            good().without_header("typ"),
            &["set_typ"],
        ),
        (
            "of another issuer",
            good().with_claim("iss", "https://evil.example"),
            &["set_issuer"],
        ),
        (
            "for another audience",
            good().with_audience("other"),
            &["set_audience"],
        ),
        (
            "that expires",
            good().with_claim("exp", now + 60),
            &["set_exp"],
        ),
        (
            "with a subject of tokens",
            good().with_claim("sub", "alice"),
            &["set_sub"],
        ),
        (
            "dated ahead",
            good().with_claim("iat", now + 3600),
            &["set_time"],
        ),
        (
            "without an id",
            good().without_claim("jti"),
            &["set_claims"],
        ),
        (
            "of nobody",
            good().without_claim("sub_id"),
            &["set_subject"],
        ),
        (
            "without an event",
            good().without_claim("events"),
            &["set_events"],
        ),
        ("of two", good().with_claim("events", two), &["set_events"]),
        ("that verifies another stream", other_state, &["set_state"]),
    ] {
        let name = format!("an event {name}");
        let expected = Expected::status(400, codes);
        let request = world.push(&token.mint());
        harness
            .attack(&name, &world.guard, request, &expected)
            .await;
    }
    let form = format!("logout_token={}", good().mint());
    for (name, media_type, body) in [
        ("as a form", "application/x-www-form-urlencoded", form),
        ("as any JWT", "application/jwt", good().mint()),
    ] {
        let name = format!("an event {name}");
        let expected = Expected::status(400, &["set_media_type"]);
        let request = world.push_as(media_type, &body);
        harness
            .attack(&name, &world.guard, request, &expected)
            .await;
    }
    let is_in = world.is_in(&victim).await;
    harness.judged("all of them together", as_expected(&is_in, &true));
    senders(harness).await;
}

/// Whoever has got hold of an event is not its transmitter.
async fn senders(harness: &mut Harness) {
    let mut world = World::new(|signals| signals.with_token(Secret::from("7a1f9c")));
    let expected = Expected::status(400, &["set_sender"]);
    let token = world.revoked().mint();
    for (name, brings) in [
        ("nobody", None),
        ("another", Some("Bearer 7a1f9d")),
        ("another scheme", Some("Basic 7a1f9c")),
    ] {
        world.brings = brings;
        let name = format!("an event sent by {name}");
        let request = world.push(&token);
        harness
            .attack(&name, &world.guard, request, &expected)
            .await;
    }
    world.brings = Some("Bearer 7a1f9c");
    let told = world.told(&token).await;
    harness.judged(
        "an event sent by its transmitter",
        as_expected(&told, &StatusCode::ACCEPTED),
    );
}
