//! Keys in a store: guessed, used too early, too late or too often, and carried elsewhere.
#![expect(
    clippy::panic,
    reason = "a slip in the set-up of an attack ends the row"
)]

use std::time::Duration;

use http_body_util::BodyExt as _;
use portcullis::{
    Clock as _, Secret,
    api_keys::{Grant, IssuedKey, KeyRegistry, MemoryApiKeys},
};
use portcullis_tests::api_key::sealed;

use crate::{
    guard::{Guard, Settings},
    harness::{Expected, Harness},
};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:api keys in a store", stored).await;
    harness.row("own:api keys that are guessed", guessed).await;
    harness.row("own:api keys of elsewhere", elsewhere).await;
    harness.row("own:api keys used too often", too_often).await;
}

/// A guard that takes the keys of a store as well, and the store.
fn guard() -> (Guard, KeyRegistry) {
    let keys = registry("acmelive", MemoryApiKeys::default());
    let mut settings = Settings::fixed();
    settings.registry = Some(keys.clone());
    (settings.build(), keys)
}

fn registry(prefix: &str, store: MemoryApiKeys) -> KeyRegistry {
    KeyRegistry::new(prefix, &Secret::new([7; 32]), store)
}

async fn issue(guard: &Guard, keys: &KeyRegistry, grant: Grant) -> IssuedKey {
    let issued = keys.issue(grant, guard.clock.now()).await;
    issued.unwrap_or_else(|problem| panic!("a key cannot be cut: {problem}"))
}

fn alice() -> Grant {
    Grant::for_user("alice")
}

async fn stored(harness: &mut Harness) {
    let (guard, keys) = guard();
    let now = guard.clock.now();
    let key = issue(&guard, &keys, alice()).await;
    let id = key.stored().id();
    let bearer = |key: &IssuedKey| guard.bearer(key.expose());
    harness.control("a key", &guard, bearer(&key)).await;

    let early = issue(&guard, &keys, alice().with_not_before(now + HOUR)).await;
    let refused = Expected::invalid_token(&["api_key_not_yet_valid"]);
    harness
        .attack("before its begin", &guard, bearer(&early), &refused)
        .await;

    let short = issue(&guard, &keys, alice().with_expires_at(now + HOUR)).await;
    let rotated = keys.rotate(id, HOUR, now).await;
    let Ok(rotated) = rotated else {
        return harness.fail("a rotation", "fails");
    };
    harness
        .control("the old secret", &guard, bearer(&key))
        .await;
    guard.clock.advance(HOUR);
    let refused = Expected::invalid_token(&["api_key_superseded"]);
    harness
        .attack("the old secret, later", &guard, bearer(&key), &refused)
        .await;
    let refused = Expected::invalid_token(&["api_key_expired"]);
    harness
        .attack("at its end", &guard, bearer(&short), &refused)
        .await;
    harness
        .control("begun by now", &guard, bearer(&early))
        .await;
    harness
        .control("the new secret", &guard, bearer(&rotated))
        .await;

    // From the next request on, with whatever is remembered of the one before.
    if keys.revoke(id, guard.clock.now()).await.is_err() {
        return harness.fail("a revocation", "fails");
    }
    let refused = Expected::invalid_token(&["api_key_revoked"]);
    harness
        .attack("revoked", &guard, bearer(&rotated), &refused)
        .await;
    let again = keys.rotate(id, HOUR, guard.clock.now()).await;
    harness.judged(
        "a revoked key is rotated",
        again.err().map(drop).ok_or_else(|| "rotated".to_owned()),
    );
    let _ = keys.remove(early.stored().id()).await;
    let refused = Expected::invalid_token(&["api_key_unknown"]);
    harness
        .attack("removed", &guard, bearer(&early), &refused)
        .await;
}

/// Whoever guesses is told nothing: not whether an id exists, nor what became of its key.
async fn guessed(harness: &mut Harness) {
    let (guard, keys) = guard();
    let now = guard.clock.now();
    let key = issue(&guard, &keys, alice()).await;
    let revoked = issue(&guard, &keys, alice()).await;
    let ended = issue(&guard, &keys, alice().with_expires_at(now + HOUR)).await;
    let _ = keys.revoke(revoked.stored().id(), now).await;
    guard.clock.advance(HOUR);
    let secret = "x".repeat(43);
    let guess = |id: &str| sealed(&format!("acmelive_{id}_{secret}"));
    let wrong = Expected::invalid_token(&["api_key_secret"]);
    let unknown = Expected::invalid_token(&["api_key_unknown"]);
    let mut told = Vec::new();
    for (name, text, expected) in [
        ("a secret", guess(key.stored().id()), &wrong),
        (
            "a revoked key's secret",
            guess(revoked.stored().id()),
            &wrong,
        ),
        (
            "a secret that has ended",
            guess(ended.stored().id()),
            &wrong,
        ),
        ("an id", guess("000000000000000"), &unknown),
    ] {
        harness
            .attack(name, &guard, guard.bearer(&text), expected)
            .await;
        let (parts, body) = guard.send(guard.bearer(&text)).await.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        // What is different for each request is its id, at the end.
        let body = body
            .split("urn:uuid:")
            .next()
            .unwrap_or_default()
            .to_owned();
        told.push(format!("{} {:?} {body}", parts.status, parts.headers));
        let _ = guard.audit.take();
    }
    told.dedup();
    harness.judged(
        "one guess is told from another",
        (told.len() == 1)
            .then_some(())
            .ok_or_else(|| format!("{told:?}")),
    );
    for length in [1, 9, 24, 25, 60, key.expose().len() - 1] {
        let cut = key.expose().get(..length).unwrap_or_default();
        let status = guard.status_of(cut).await;
        let _ = guard.audit.take();
        harness.judged(
            &format!("cut after {length}"),
            match status {
                401 => Ok(()),
                other => Err(format!("is answered {other}")),
            },
        );
    }
}

/// The keys of another environment, also with the prefix of this one and a checksum that fits.
async fn elsewhere(harness: &mut Harness) {
    let (guard, keys) = guard();
    let here = issue(&guard, &keys, alice()).await;
    // The same pepper, which is a mistake of itself.
    let test = registry("acmetest", MemoryApiKeys::default());
    let key = issue(&guard, &test, alice()).await;
    let unknown = Expected::invalid_token(&["credential_unknown"]);
    harness
        .attack("as it is", &guard, guard.bearer(key.expose()), &unknown)
        .await;
    let moved = |text: &str, from: &str, to: &str| {
        let body = text.get(..text.len() - 6).unwrap_or_default();
        sealed(&body.replacen(from, to, 1))
    };
    let renamed = moved(key.expose(), "acmetest", "acmelive");
    let nobody = Expected::invalid_token(&["api_key_unknown"]);
    harness
        .attack("renamed", &guard, guard.bearer(&renamed), &nobody)
        .await;
    // The table of one environment has been copied into the other.
    let copied = MemoryApiKeys::default();
    let wrong = Expected::invalid_token(&["api_key_secret"]);
    let row = here.stored().clone();
    let put = portcullis::api_keys::ApiKeyStore::put(&copied, row).await;
    if put.is_err() {
        return harness.fail("a row", "cannot be copied");
    }
    let mut settings = Settings::fixed();
    settings.registry = Some(registry("acmetest", copied));
    let other = settings.build();
    let renamed = moved(here.expose(), "acmelive", "acmetest");
    harness
        .attack(
            "renamed, with its row",
            &other,
            other.bearer(&renamed),
            &wrong,
        )
        .await;
}

async fn too_often(harness: &mut Harness) {
    let (guard, keys) = guard();
    let limited = alice().with_limit(3, Duration::from_secs(60));
    let key = issue(&guard, &keys, limited).await;
    let rotated = keys
        .rotate(key.stored().id(), HOUR, guard.clock.now())
        .await;
    let Ok(rotated) = rotated else {
        return harness.fail("a rotation", "fails");
    };
    let other = issue(&guard, &keys, alice()).await;
    for _ in 0..3 {
        harness
            .control("a request that it has", &guard, guard.bearer(key.expose()))
            .await;
    }
    let spent = Expected::status(429, &["api_key_limit"]);
    for (name, key) in [("one more", &key), ("by the other secret", &rotated)] {
        harness
            .attack(name, &guard, guard.bearer(key.expose()), &spent)
            .await;
    }
    harness
        .control(
            "another key of the same user",
            &guard,
            guard.bearer(other.expose()),
        )
        .await;
    guard.clock.advance(Duration::from_secs(20));
    harness
        .control("after a while", &guard, guard.bearer(key.expose()))
        .await;
}
