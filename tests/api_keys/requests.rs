//! What requests with a key are answered.

use std::time::Duration;

use portcullis::{
    Scopes,
    api_keys::{ApiKeyStore, Grant, MemoryApiKeys},
    revocation::Revocation,
};
use portcullis_testing::faulty_store::FaultyApiKeys;

use crate::world::World;

const DAY: Duration = Duration::from_secs(86_400);

async fn a_life(store: impl ApiKeyStore) {
    let world = World::new(store);
    let grant = Grant::for_user("alice").with_scopes(Scopes::parse("notes.read").unwrap());
    let first = world.issue(grant).await;
    assert_eq!(world.status(first.expose()).await, 200);
    world.audit.assert_admitted("alice");
    let id = first.stored().id();
    let second = world.keys.rotate(id, DAY, world.now()).await.unwrap();
    assert_eq!(world.status(first.expose()).await, 200);
    assert_eq!(world.status(second.expose()).await, 200);
    world.clock.advance(DAY);
    assert_eq!(world.status(first.expose()).await, 401);
    world.audit.assert_refused("api_key_superseded", 401);
    assert_eq!(world.status(second.expose()).await, 200);
    let used = world.keys.find(id).await.unwrap().unwrap();
    assert_eq!(used.last_used_at(), Some(world.now()));
    world.keys.revoke(id, world.now()).await.unwrap();
    let calls = world.handler.calls();
    assert_eq!(world.status(second.expose()).await, 401);
    world.audit.assert_refused("api_key_revoked", 401);
    assert_eq!(world.handler.calls(), calls, "the handler was called");
}

#[tokio::test]
async fn a_key_lives_in_memory() {
    a_life(MemoryApiKeys::default()).await;
}

#[tokio::test]
async fn a_key_lives_in_a_store_that_is_asked() {
    a_life(FaultyApiKeys::new(MemoryApiKeys::default())).await;
}

#[tokio::test]
async fn a_key_lives_as_bytes() {
    a_life(crate::as_bytes::Table::default()).await;
}

/// Whoever guesses sees one answer, whatever there is to be found.
#[tokio::test]
async fn a_stranger_cannot_tell_one_bad_key_from_another() {
    let world = World::new(MemoryApiKeys::default());
    let elsewhere = World::new(MemoryApiKeys::default());
    let grant = || Grant::for_user("alice");
    let good = world.issue(grant()).await;
    let revoked = world.issue(grant()).await;
    world
        .keys
        .revoke(revoked.stored().id(), world.now())
        .await
        .unwrap();
    let short = world
        .issue(grant().with_expires_at(world.now() + DAY))
        .await;
    let early = world
        .issue(grant().with_not_before(world.now() + 9 * DAY))
        .await;
    let unknown = elsewhere.issue(grant()).await;
    let wrong = world.with_another_secret(&good).await;
    world.clock.advance(DAY);
    let mut answers = Vec::new();
    for (key, reason) in [
        (unknown.expose(), "api_key_unknown"),
        (&*wrong, "api_key_secret"),
        (revoked.expose(), "api_key_revoked"),
        (short.expose(), "api_key_expired"),
        (early.expose(), "api_key_not_yet_valid"),
        (&good.expose()[..40], "api_key_malformed"),
    ] {
        let answer = world.ask(key).await;
        world.audit.assert_refused(reason, 401);
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let mut body = body.as_object().unwrap().clone();
        assert!(body.remove("instance").is_some(), "{body:?}");
        let challenge = answer.headers()["www-authenticate"].clone();
        let names: Vec<_> = answer.headers().keys().cloned().collect();
        answers.push((answer.status(), challenge, names, body));
    }
    let (first, others) = answers.split_first().unwrap();
    assert!(others.iter().all(|other| other == first), "{answers:?}");
    assert_eq!(world.handler.calls(), 0);
}

#[tokio::test]
async fn a_store_that_is_down_is_503() {
    let store = FaultyApiKeys::new(MemoryApiKeys::default());
    let world = World::new(store.clone());
    let key = world.issue(Grant::for_user("alice")).await;
    assert_eq!(world.status(key.expose()).await, 200);
    store.set_failing(true);
    let answer = world.ask(key.expose()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert_eq!(
        world.handle.stats().not_admitted["api_key_store_unavailable"],
        1
    );
    // What is no key of ours is refused all the same.
    assert_eq!(world.status("acme_x").await, 401);
    store.set_failing(false);
    assert_eq!(world.status(key.expose()).await, 200);
}

/// The store has changed the key, and its answer got lost.
#[tokio::test]
async fn a_lost_answer_loses_no_revocation() {
    let store = FaultyApiKeys::new(MemoryApiKeys::default());
    let world = World::new(store.clone());
    let key = world.issue(Grant::for_user("alice")).await;
    store.set_losing_answers(true);
    let id = key.stored().id();
    assert!(world.keys.revoke(id, world.now()).await.is_err());
    store.set_losing_answers(false);
    assert_eq!(world.status(key.expose()).await, 401);
    world.keys.revoke(id, world.now()).await.unwrap();
}

/// At the gate a key is revoked by its issuer and id, with what it has opened.
#[tokio::test]
async fn the_gate_knows_keys_by_their_id() {
    let world = World::new(MemoryApiKeys::default());
    let key = world.issue(Grant::for_user("alice")).await;
    let other = world.issue(Grant::for_user("alice")).await;
    let what = Revocation::credential("api-keys:acme", key.stored().id());
    world.handle.revoke(what).await.unwrap();
    assert_eq!(world.status(key.expose()).await, 401);
    assert_eq!(world.status(other.expose()).await, 200);
}

/// 429 as of a quota, for one key, whose owner's other keys go on; and nobody's budget of
/// refusals is touched.
#[tokio::test]
async fn a_key_that_is_used_too_often_has_to_wait() {
    for store in [true, false] {
        let limited = || Grant::for_user("alice").with_limit(2, Duration::from_secs(60));
        let world = match store {
            true => World::new(MemoryApiKeys::default()),
            false => World::new(FaultyApiKeys::new(MemoryApiKeys::default())),
        };
        let key = world.issue(limited()).await;
        let other = world.issue(Grant::for_user("alice")).await;
        for _ in 0..2 {
            assert_eq!(world.status(key.expose()).await, 200);
        }
        for _ in 0..200 {
            assert_eq!(world.status(key.expose()).await, 429);
        }
        let answer = world.ask(key.expose()).await;
        world.audit.assert_refused("api_key_limit", 429);
        assert_eq!(answer.headers()["retry-after"], "30");
        assert!(!answer.headers().contains_key("www-authenticate"));
        assert_eq!(world.status(other.expose()).await, 200);
        world.clock.advance(Duration::from_secs(30));
        assert_eq!(world.status(key.expose()).await, 200);
        assert_eq!(world.status(key.expose()).await, 429);
    }
}
