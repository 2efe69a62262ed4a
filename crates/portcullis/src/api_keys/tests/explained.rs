//! What a developer is told.

use super::*;
use crate::api_keys::KeyStepOutcome;

/// A registry with the rows of a ring.
async fn registry_of(ring: &KeyRing) -> KeyRegistry {
    let store = MemoryApiKeys::default();
    for key in ring.snapshot() {
        assert_eq!(store.put(key).await.unwrap(), Commit::Done);
    }
    KeyRegistry::new("acme", &pepper(), store)
}

/// What is explained is what is decided, and so in both places.
#[tokio::test]
async fn an_explanation_agrees_with_the_verdict() {
    let ring = ring();
    let user = || Grant::for_user("alice");
    let good = issue(&ring, user());
    let wrong = other_secret(&good);
    let unknown = issue(&self::ring(), user());
    let revoked = issue(&ring, user());
    let row = revoked.stored().clone().with_revoked_at(now());
    ring.replace(row).unwrap();
    let expired = issue(&ring, user().with_expires_at(now() + MOMENT));
    let early = issue(&ring, user().with_not_before(now() + 2 * DAY));
    let old = issue(&ring, user());
    let _ = ring.rotate(old.stored().id(), MOMENT, now()).unwrap();
    let secret = format!("acme_{ID}_{}", "x".repeat(43));
    let at = now() + DAY;

    let guard = guard(&ring);
    let registry = registry_of(&ring).await;
    let texts = [
        (good.expose(), "the key is accepted", 11),
        ("other_", "the prefix is ours", 0),
        ("acme_", "it is as long as a key", 1),
        (
            &*sealed(&secret.replace("xx", "x-").replace("x-x", "xxx")),
            "it has the characters of a key",
            2,
        ),
        (&*format!("{secret}000000"), "the checksum fits", 3),
        (unknown.expose(), "the id is known", 4),
        (&*wrong, "the secret is that of the id", 5),
        (revoked.expose(), "the key is not revoked", 6),
        (expired.expose(), "the key has not ended", 7),
        (early.expose(), "the key has begun", 8),
        (
            old.expose(),
            "the secret is the present one, or its overlap is not over",
            9,
        ),
    ];
    for (text, label, passed) in texts {
        let explained = ring.explain(text, at);
        let verdict = bearer(&guard, text, at);
        let decided = match explained.reason() {
            Some(reason) => reason.as_str(),
            None if explained.is_accepted() => "accept",
            None => "not mine",
        };
        assert_eq!(decided, name(&verdict), "{label}");
        let steps: Vec<_> = explained.steps().collect();
        let count = |wanted| {
            steps
                .iter()
                .filter(|(_, outcome)| *outcome == wanted)
                .count()
        };
        assert_eq!(count(KeyStepOutcome::Passed), passed, "{explained}");
        let failed = steps
            .iter()
            .find(|(_, outcome)| *outcome == KeyStepOutcome::Failed);
        match failed {
            Some((failed, _)) => assert_eq!(*failed, label),
            None => assert_eq!(explained.summary(), label),
        }
        let told = registry.explain(text, at).await.unwrap();
        assert_eq!(told.to_string(), explained.to_string());
        // Nothing of the key, nor of what is kept of it.
        let shown = format!("{explained} {explained:?} {told:?}");
        for part in text.split('_').filter(|part| part.len() > 5) {
            assert!(!shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("alice"), "{shown}");
    }
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_named() {
    let ring = ring();
    let issued = issue(&ring, Grant::for_user("alice"));
    let registry = registry_of(&ring).await;
    let row = registry.find(issued.stored().id()).await.unwrap().unwrap();
    let row = row.with_grant(Grant::for_user("application:x"));
    assert_eq!(registry.store().put(row).await.unwrap(), Commit::Done);
    let told = registry.explain(issued.expose(), now()).await.unwrap();
    assert_eq!(told.reason().unwrap().as_str(), "api_key_unusable");
    assert!(!told.is_accepted());
}
