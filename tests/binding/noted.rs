//! Differences that are noted.

use http::{Request, header};
use portcullis_tests::fixtures::HOST;

use crate::callers::{World, from};

const ALICE: &str = "alice.user.0";

#[tokio::test]
async fn each_difference_is_noted_once_for_each_request() {
    let world = World::new(|binding| binding);
    let home = from(ALICE);
    world.passes(home, &[]).await;
    world.passes(home, &[]).await;
    for _ in 0..2 {
        let away = home.at("198.51.100.1");
        world.passes(away, &["drift_network"]).await;
    }
    let updated = home.by(Some("assistant/1.1"));
    world.passes(updated, &["drift_user_agent"]).await;
    world.passes(home.by(None), &["drift_user_agent"]).await;
    world
        .passes(
            updated.at("198.51.100.1"),
            &["drift_network", "drift_user_agent"],
        )
        .await;
    // Nothing of that has become the reference, and nobody else is concerned.
    world.passes(home, &[]).await;
    world
        .passes(from("bob.user.0").at("198.51.100.1"), &[])
        .await;
}

#[tokio::test]
async fn a_network_is_what_its_prefix_says() {
    let world = World::new(|binding| binding);
    let home = from(ALICE).at("192.0.2.1");
    world.passes(home, &[]).await;
    world.passes(home.at("192.0.2.255"), &[]).await;
    world.passes(home.at("::ffff:192.0.2.7"), &[]).await;
    world.passes(home.at("192.0.3.1"), &["drift_network"]).await;

    let world = World::new(|binding| binding.with_ipv4_prefix(32).with_ipv6_prefix(64));
    world.passes(home, &[]).await;
    world.passes(home.at("192.0.2.2"), &["drift_network"]).await;
    world.passes(home.at("2001:db8:0:1::1"), &[]).await;
    world.passes(home.at("2001:db8:0:1:9::"), &[]).await;
    world
        .passes(home.at("2001:db8:0:2::1"), &["drift_network"])
        .await;
}

#[tokio::test]
async fn each_address_family_has_a_reference_of_its_own() {
    let world = World::new(|binding| binding);
    let (old, new) = (from(ALICE), from(ALICE).at("2001:db8:1:2::1"));
    world.passes(old, &[]).await;
    world.passes(new, &[]).await;
    world.passes(old, &[]).await;
    world.passes(new.at("2001:db8:1:ffff::9"), &[]).await;
    world
        .passes(new.at("2001:db8:2::1"), &["drift_network"])
        .await;
    world
        .passes(old.at("198.51.100.1"), &["drift_network"])
        .await;
}

#[tokio::test]
async fn whoever_differs_does_not_set_what_is_missing() {
    let world = World::new(|binding| binding);
    world.passes(from(ALICE), &[]).await;
    let thief = from(ALICE).at("2001:db8:bad::1").by(Some("thief/0.1"));
    world.passes(thief, &["drift_user_agent"]).await;
    world.passes(from(ALICE).at("2001:db8:1::1"), &[]).await;
    world
        .passes(thief, &["drift_network", "drift_user_agent"])
        .await;
}

#[tokio::test]
async fn a_session_that_is_opened_again_begins_anew() {
    let world = World::new(|binding| binding);
    world.passes(from("robot.key.-"), &[]).await;
    world.clock.advance(std::time::Duration::from_secs(60));
    let moved = from("robot.key.-").at("198.51.100.1");
    world.passes(moved, &[]).await;
    world.passes(from("robot.key.-"), &["drift_network"]).await;
}

#[tokio::test]
async fn without_an_address_no_network_is_compared() {
    let world = World::new(|binding| binding);
    world.passes(from(ALICE), &[]).await;
    // No peer is named, so the perimeter knows no address.
    let request = Request::builder()
        .uri("/notes")
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, format!("Bearer {ALICE}"))
        .header(header::USER_AGENT, "assistant/1.0")
        .body(String::new());
    assert_eq!(world.send(request.unwrap()).await.0, 200);
    assert!(world.noted().is_empty());
}

#[tokio::test]
async fn an_anonymous_caller_passes() {
    let world = World::new(|binding| binding.with_device_header(crate::callers::DEVICE));
    for agent in ["one", "another"] {
        let request = Request::builder()
            .uri("/notes")
            .header(header::HOST, HOST)
            .header(header::USER_AGENT, agent)
            .header(crate::callers::DEVICE, agent)
            .body(String::new());
        assert_eq!(world.send(request.unwrap()).await.0, 200);
        assert!(world.noted().is_empty());
    }
}
