//! Differences for which a user has to authenticate again.

use std::time::Duration;

use portcullis::binding::Reaction;
use portcullis_tests::fixtures::CHALLENGE_INVALID_TOKEN;

use crate::callers::{World, from};

const ALICE: &str = "alice.user.0";

#[tokio::test]
async fn a_thief_is_asked_and_logs_nobody_out() {
    let world = World::new(|binding| {
        binding
            .with_network(Reaction::Ask)
            .with_user_agent(Reaction::Ask)
    });
    let home = from(ALICE);
    world.passes(home, &[]).await;
    for _ in 0..3 {
        world.asks(home.at("198.51.100.1"), "drift_network").await;
        world.asks(home.by(None), "drift_user_agent").await;
        world
            .asks(home.at("198.51.100.1").by(Some("thief")), "drift_network")
            .await;
        world.passes(home, &[]).await;
    }
}

#[tokio::test]
async fn each_attribute_has_its_own_reaction() {
    let world = World::new(|binding| binding.with_network(Reaction::Ask));
    let home = from(ALICE);
    world.passes(home, &[]).await;
    world.passes(home.by(None), &["drift_user_agent"]).await;
    world
        .asks(home.by(None).at("198.51.100.1"), "drift_network")
        .await;

    let world = World::new(|binding| binding.without_network());
    world.passes(home, &[]).await;
    world.passes(home.at("198.51.100.1"), &[]).await;
}

#[tokio::test]
async fn other_credentials_are_told_that_they_are_not_good() {
    for token in ["robot.client.0", "robot.key.-"] {
        let world = World::new(|binding| binding.with_network(Reaction::Ask));
        world.passes(from(token), &[]).await;
        let (status, challenge) = world.answer(from(token).at("198.51.100.1")).await;
        assert_eq!((status, challenge.as_str()), (401, CHALLENGE_INVALID_TOKEN));
        world.audit.assert_refused("drift_network", 401);
        let _ = world.audit.take();
        world.passes(from(token), &[]).await;
    }
}

#[tokio::test]
async fn what_is_refused_is_no_activity() {
    let world = World::new(|binding| binding.with_network(Reaction::Ask));
    world.passes(from(ALICE), &[]).await;
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(20));
        world
            .asks(from(ALICE).at("198.51.100.1"), "drift_network")
            .await;
    }
    world.clock.advance(Duration::from_secs(20));
    let (status, challenge) = world.answer(from(ALICE)).await;
    assert_eq!(status, 401);
    assert!(challenge.contains("max_age=\"60\""), "{challenge}");
    world.audit.assert_refused("session_idle", 401);
}
