//! Keys that are not, or no longer, good.

use std::time::Duration;

use portcullis::Clock as _;

use crate::{
    guard::Guard,
    harness::{Expected, Harness},
};

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:api keys", keys).await;
}

async fn keys(harness: &mut Harness) {
    let guard = Guard::fixed();
    let (id, key) = guard.issue(Duration::from_secs(3600));
    let (_, other) = guard.issue(Duration::from_secs(3600));
    harness.control("a key", &guard, guard.bearer(&key)).await;

    let malformed = Expected::invalid_token(&["api_key_malformed"]);
    for (name, text) in [
        (
            "cut short",
            key.get(..key.len() - 1).unwrap_or_default().to_owned(),
        ),
        ("too long", format!("{key}A")),
        ("upper case", key.to_uppercase().replacen("ACME", "acme", 1)),
        ("only the prefix", "acme_".to_owned()),
        ("one character changed", changed(&key)),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&text), &malformed)
            .await;
    }
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    for text in [
        key.replacen("acme", "acmf", 1),
        format!("x{key}"),
        key.to_uppercase(),
    ] {
        harness
            .attack(&format!("{text:.8}"), &guard, guard.bearer(&text), &unknown)
            .await;
    }

    // A well-formed key with the id of one and the secret of another, cut by somebody who
    // knows the format but not the secret.
    let stranger = Guard::fixed();
    let (_, theirs) = stranger.issue(Duration::from_secs(3600));
    let nobody = Expected::invalid_token(&["api_key_unknown"]);
    harness
        .attack(
            "the key of another ring",
            &guard,
            guard.bearer(&theirs),
            &nobody,
        )
        .await;
    let secret = Expected::invalid_token(&["api_key_secret"]);
    let rotated = guard.keys.rotate(&id, Duration::ZERO, guard.clock.now());
    harness
        .attack(
            "the secret before a rotation",
            &guard,
            guard.bearer(&key),
            &secret,
        )
        .await;
    if let Ok(rotated) = &rotated {
        harness
            .control(
                "the secret after it",
                &guard,
                guard.bearer(rotated.expose()),
            )
            .await;
    }

    // During the overlap both secrets work, at its end the old one is over.
    let overlap = Duration::from_secs(600);
    let (id, old) = guard.issue(Duration::from_secs(3600));
    let new = guard.keys.rotate(&id, overlap, guard.clock.now());
    harness
        .control(
            "the old secret during the overlap",
            &guard,
            guard.bearer(&old),
        )
        .await;
    guard.clock.advance(overlap);
    let over =
        Expected::invalid_token(&["api_key_superseded", "api_key_secret", "api_key_expired"]);
    harness
        .attack(
            "the old secret after the overlap",
            &guard,
            guard.bearer(&old),
            &over,
        )
        .await;
    if let Ok(new) = &new {
        harness
            .control(
                "the new secret after the overlap",
                &guard,
                guard.bearer(new.expose()),
            )
            .await;
    }

    let expired = Expected::invalid_token(&["api_key_expired"]);
    guard.clock.advance(Duration::from_secs(3000));
    harness
        .attack("an expired key", &guard, guard.bearer(&other), &expired)
        .await;
    let (id, revoked) = guard.issue(Duration::from_secs(3600));
    harness
        .control("before it is revoked", &guard, guard.bearer(&revoked))
        .await;
    let _ = guard.keys.revoke(&id);
    harness
        .attack("a revoked key", &guard, guard.bearer(&revoked), &nobody)
        .await;
}

/// The key with another character in the middle of its secret.
fn changed(key: &str) -> String {
    let middle = key.len() - 20;
    key.chars()
        .enumerate()
        .map(|(n, char)| match char {
            'a' if n == middle => 'b',
            _ if n == middle => 'a',
            char => char,
        })
        .collect()
}
