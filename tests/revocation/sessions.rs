//! Sessions that end with what is revoked.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use portcullis::{
    revocation::Revocation,
    session::{MemorySessions, SessionLayer},
};
use portcullis_testing::faulty_store::FaultyStore;
use tower::{Layer as _, ServiceExt as _};

use crate::world::{ISSUER, World, request};

fn world() -> World {
    World::with(|stack| stack.with_session(SessionLayer::builder()))
}

/// Whether an answer that streams to somebody is over after something was revoked.
async fn is_cut(world: &World, token: &str, revocation: Revocation) -> bool {
    let handler = tower::service_fn(async |_| {
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(StreamBody::new(never)).unwrap())
    });
    let service = world.gate.layer(handler);
    let response = service.oneshot(request(token)).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    assert!(body.frame().now_or_never().is_none(), "it streams");
    world.revoke(revocation).await;
    for _ in 0..2 {
        world.advance(1);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    body.frame().now_or_never().is_some()
}

#[tokio::test]
async fn what_runs_ends_with_its_subject_or_grant_and_with_no_other() {
    let subject = || Revocation::subject(ISSUER, "alice");
    for (revocation, expected) in [
        (subject(), true),
        (Revocation::grant(ISSUER, "alice", "app"), true),
        (Revocation::grant(ISSUER, "alice", "another"), false),
        (Revocation::subject(ISSUER, "bob"), false),
        (Revocation::subject("https://other.example", "alice"), false),
        (Revocation::token(ISSUER, "id-alice.5"), false),
        (Revocation::client(ISSUER, "app"), false),
        (subject().with_cut_off(crate::world::START), false),
    ] {
        let world = world();
        world.advance(5);
        let cut = is_cut(&world, "alice.5", revocation.clone()).await;
        assert_eq!(cut, expected, "{revocation:?}");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_lets_nothing_run_on() {
    let world = world();
    world.advance(600);
    world.clock.step_wall_back(Duration::from_secs(200));
    assert!(is_cut(&world, "alice.500", Revocation::subject(ISSUER, "alice")).await);
    world.clock.step_wall_forward(Duration::from_secs(200));
    assert_eq!(world.ask("alice.500").await.0, 401);
}

#[tokio::test]
async fn who_authenticates_later_has_a_session_again() {
    let world = world();
    world.advance(5);
    assert_eq!(world.ask("alice.5").await.0, 200);
    world.revoke(Revocation::subject(ISSUER, "alice")).await;
    assert_eq!(world.ask("alice.5").await.0, 401);
    world.advance(1);
    assert_eq!(world.ask("alice.6").await.0, 200);
    assert_eq!(world.ask("alice.5").await.0, 401);
}

/// An API key that is issued in place of one that was revoked belongs to the same session.
#[tokio::test]
async fn a_new_key_of_the_same_robot_is_good() {
    let world = world();
    world.advance(5);
    assert!(is_cut(&world, "robot.5", Revocation::subject("keys", "robot")).await);
    assert_eq!(world.ask("robot.5").await.0, 401);
    assert_eq!(world.ask("robot.7").await.0, 200);
}

/// One that is issued after its sessions were ended is as good, and the one before it is not.
#[tokio::test]
async fn a_new_key_is_good_after_the_sessions_of_the_robot_were_ended() {
    let world = world();
    world.advance(5);
    assert_eq!(world.ask("robot.5").await.0, 200);
    assert_eq!(world.handle.end_sessions("keys", "robot").await.unwrap(), 1);
    world.advance(100);
    for _ in 0..2 {
        assert_eq!(world.ask("robot.5").await.0, 401);
        assert_eq!(world.ask("robot.100").await.0, 200);
    }
    assert_eq!(world.handle.end_sessions("keys", "robot").await.unwrap(), 1);
    world.revoke(Revocation::subject("keys", "robot")).await;
    world.advance(100);
    assert_eq!(world.ask("robot.100").await.0, 401);
    assert_eq!(world.ask("robot.200").await.0, 200);
}

#[tokio::test]
async fn sessions_that_cannot_be_ended_are_an_error_and_the_credential_is_over_all_the_same() {
    let store = FaultyStore::new(MemorySessions::default());
    let sessions = SessionLayer::builder().with_store(store.clone());
    let world = World::with(|stack| stack.with_session(sessions));
    assert_eq!(world.ask("alice.0").await.0, 200);
    store.set_failing(true);
    let revoked = world.try_revoke(Revocation::subject(ISSUER, "alice")).await;
    assert!(revoked.is_err());
    store.set_failing(false);
    drop(world.audit.take());
    assert_eq!(world.ask("alice.0").await.0, 401);
    world.assert_refused("credential_revoked", 401);
    // As the error says: again.
    world.revoke(Revocation::subject(ISSUER, "alice")).await;
}

#[tokio::test]
async fn is_done_to_the_end() {
    let world = world();
    let revoking = world.handle.revoke(Revocation::subject(ISSUER, "alice"));
    // Whoever waits goes away after a first look.
    assert!(revoking.now_or_never().is_none());
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.ask("alice.0").await.0, 401);
}
