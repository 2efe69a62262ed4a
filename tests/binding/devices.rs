//! The id of a device. That no handler sees one is asserted on every request here.

use http::{Request, header};
use portcullis::binding::Reaction;
use portcullis_tests::fixtures::HOST;

use crate::callers::{DEVICE, World, from};

const ALICE: &str = "alice.user.0";

#[tokio::test]
async fn a_device_is_noted_by_default() {
    let world = World::new(|binding| binding.with_device_header(DEVICE));
    world.passes(from(ALICE).on(Some("phone")), &[]).await;
    world
        .passes(from(ALICE).on(Some("tablet")), &["drift_device"])
        .await;
    world.passes(from(ALICE), &["drift_device"]).await;
    world.passes(from(ALICE).on(Some("phone")), &[]).await;
}

#[tokio::test]
async fn a_device_that_comes_later_is_bound_from_then_on() {
    let world = World::new(|binding| {
        binding
            .with_device_header(DEVICE)
            .with_device(Reaction::Ask)
    });
    world.passes(from(ALICE), &[]).await;
    world.passes(from(ALICE).on(Some("")), &[]).await;
    world.passes(from(ALICE).on(Some("phone")), &[]).await;
    for device in [None, Some(""), Some("Phone"), Some("phone ,phone")] {
        world.asks(from(ALICE).on(device), "drift_device").await;
    }
    // Two values are another than one of them.
    let request = Request::builder()
        .uri("/notes")
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, format!("Bearer {ALICE}"))
        .header(header::USER_AGENT, "assistant/1.0")
        .header(DEVICE, "phone")
        .header(DEVICE, "tablet")
        .body(String::new());
    assert_eq!(world.send(request.unwrap()).await.0, 401);
    let _ = world.audit.take();
    world.passes(from(ALICE).on(Some("phone")), &[]).await;
}
