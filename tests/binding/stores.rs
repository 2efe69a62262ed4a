//! Stores that have to be asked, and stores that cannot say.

use portcullis::{
    binding::Reaction,
    session::{MemorySessions, SessionLayer},
};
use portcullis_testing::faulty_store::FaultyStore;

use crate::callers::{DEVICE, From, World, from};

const ALICE: &str = "alice.user.0";

fn asked() -> (FaultyStore<MemorySessions>, World) {
    let store = FaultyStore::new(MemorySessions::with_capacity(100));
    let session = SessionLayer::builder().with_store(store.clone());
    let world = World::with_session(session, |binding| {
        binding
            .with_network(Reaction::Ask)
            .with_device_header(DEVICE)
    });
    (store, world)
}

#[tokio::test]
async fn a_store_that_is_asked_keeps_the_same() {
    let (_, world) = asked();
    let home = from(ALICE).on(Some("phone"));
    world.passes(home, &[]).await;
    world.passes(home.on(None), &["drift_device"]).await;
    world.asks(home.at("198.51.100.1"), "drift_network").await;
    world.passes(home.at("2001:db8:1::1"), &[]).await;
    world.asks(home.at("2001:db8:2::1"), "drift_network").await;
    let anew = from("alice.user.5").on(Some("tablet")).at("198.51.100.1");
    world.passes(anew, &[]).await;
    world.asks(home, "drift_network").await;
}

/// Nothing is asked for what is compared: a request costs what it costs the session alone.
#[tokio::test]
async fn a_store_is_told_only_what_is_new() {
    let (store, world) = asked();
    let home = from(ALICE).on(Some("phone"));
    // Activity is noted by a task of its own.
    let asked_by = async |from: From, reason: Option<&str>| {
        let before = store.asked();
        match reason {
            None => world.passes(from, &[]).await,
            Some(reason) => world.asks(from, reason).await,
        }
        tokio::task::yield_now().await;
        store.asked() - before
    };
    assert_eq!(asked_by(home, None).await, 5, "two commits, and a touch");
    assert_eq!(
        asked_by(home, None).await,
        1,
        "a look: it was active just now"
    );
    let thief = home.at("198.51.100.1");
    assert_eq!(asked_by(thief, Some("drift_network")).await, 1, "a look");
}

/// A commit that fails lets nobody in: the reference would be missing for whoever comes next.
#[tokio::test]
async fn a_store_that_cannot_say_lets_nobody_in() {
    let (store, world) = asked();
    world.passes(from(ALICE), &[]).await;
    store.set_losing_answers(true);
    // The session goes on as it is; only the other family is new.
    let (status, challenge) = world.answer(from(ALICE).at("2001:db8:1::1")).await;
    assert_eq!((status, challenge.as_str()), (503, ""));
    let failed = world.audit.assert_failed("session_store_unavailable", 503);
    assert_eq!(failed.layer, "binding");
}
