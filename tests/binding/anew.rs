//! A user who authenticates anew sets what is compared with.

use portcullis::binding::Reaction;

use crate::callers::{DEVICE, World, from};

const FIRST: &str = "alice.user.0";
const SECOND: &str = "alice.user.5";

#[tokio::test]
async fn a_new_authentication_binds_anew() {
    let world = World::new(|binding| {
        binding
            .with_network(Reaction::Ask)
            .with_user_agent(Reaction::Ask)
    });
    let away = |token| from(token).at("198.51.100.1").by(Some("laptop/2"));
    world.passes(from(FIRST), &[]).await;
    world.passes(from(FIRST).at("2001:db8:1::1"), &[]).await;
    world.asks(away(FIRST), "drift_network").await;
    world.passes(away(SECOND), &[]).await;
    // Also for the token of before, and no longer for where the session came from before.
    world.passes(away(FIRST), &[]).await;
    world.asks(from(FIRST), "drift_network").await;
    world.asks(from(SECOND), "drift_network").await;
    // Whoever has moved has moved in both families.
    let by_ipv6 = away(SECOND).at("2001:db8:2::1");
    world.passes(by_ipv6, &[]).await;
    world
        .asks(by_ipv6.at("2001:db8:1::1"), "drift_network")
        .await;
}

#[tokio::test]
async fn one_authentication_binds_once() {
    let world = World::new(|binding| binding.with_network(Reaction::Ask));
    world.passes(from(FIRST), &[]).await;
    world.passes(from(SECOND), &[]).await;
    // Nothing had changed, and the thief of that token comes second all the same.
    world
        .asks(from(SECOND).at("198.51.100.1"), "drift_network")
        .await;
}

#[tokio::test]
async fn a_later_token_of_a_client_is_no_authentication() {
    let world = World::new(|binding| binding);
    world.passes(from("robot.client.0"), &[]).await;
    let later = from("robot.client.5").at("198.51.100.1");
    world.passes(later, &["drift_network"]).await;
}

#[tokio::test]
async fn no_authentication_unbinds_a_device() {
    let world = World::new(|binding| {
        binding
            .with_device_header(DEVICE)
            .with_device(Reaction::Ask)
    });
    world.passes(from(FIRST).on(Some("phone")), &[]).await;
    world.asks(from(SECOND), "drift_device").await;
    world.passes(from(SECOND).on(Some("tablet")), &[]).await;
    world.asks(from(SECOND), "drift_device").await;
    world
        .asks(from(SECOND).on(Some("phone")), "drift_device")
        .await;
}
