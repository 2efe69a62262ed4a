//! When a caller is in, and what lets a caller in again.

use std::{convert::Infallible, time::Duration};

use http::{Method, Response, StatusCode};
use portcullis::{
    Exchange,
    session::{MemorySessions, Session},
};
use portcullis_testing::faulty_store::FaultyStore;

use crate::people::{World, request, request_for};

#[tokio::test]
async fn an_idle_user_has_to_authenticate_again() {
    let world = World::new();
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    world.advance(59);
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    world.advance(60);
    let (status, challenge) = world.ask("alice.user.0").await;
    assert_eq!(status, 401);
    assert_eq!(
        challenge,
        "Bearer error=\"insufficient_user_authentication\", max_age=\"60\", \
         resource_metadata=\"https://agent.example/.well-known/oauth-protected-resource\"",
    );
    world.assert_refused("session_idle", 401);
    // A new token of the same login is the same login.
    assert_eq!(world.ask("alice.user.0.5000.other-session").await.0, 401);
    assert_eq!(world.ask("alice.user.-").await.0, 401);
    assert_eq!(world.ask("alice.user.100").await.0, 200);
    assert_eq!(
        world.ask("alice.user.0").await.0,
        200,
        "the session that lives"
    );
    assert_eq!(world.ask("bob.user.0").await.0, 200, "somebody else's");
}

#[tokio::test]
async fn no_activity_outlasts_the_absolute_timeout() {
    let world = World::new();
    for _ in 0..20 {
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        world.advance(30);
    }
    let (status, challenge) = world.ask("alice.user.0").await;
    assert_eq!(status, 401);
    assert!(challenge.contains("max_age=\"600\""), "{challenge}");
    world.assert_refused("session_absolute", 401);
}

#[tokio::test]
async fn a_client_application_comes_again_with_a_later_token() {
    let world = World::new();
    assert_eq!(world.ask("robot.client.0").await.0, 200);
    world.advance(60);
    let (status, challenge) = world.ask("robot.client.0").await;
    assert_eq!(status, 401);
    assert!(
        challenge.starts_with("Bearer error=\"invalid_token\""),
        "{challenge}"
    );
    assert_eq!(world.ask("robot.client.60").await.0, 200);
}

#[tokio::test]
async fn a_key_is_in_again_at_once() {
    let world = World::new();
    assert_eq!(world.ask("reporting.key").await.0, 200);
    world.advance(100_000);
    assert_eq!(world.ask("reporting.key").await.0, 200);
    let starts = world.audit.records();
    let starts = starts
        .iter()
        .filter(|record| record.reason.as_str() == "session_opened");
    assert_eq!(starts.count(), 2);
}

#[tokio::test]
async fn what_is_refused_or_passive_keeps_nobody_in() {
    let world = World::with(|session| session.add_passive_route("/feed"));
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    world.advance(40);
    let ask = async |request| world.ask_with(request, crate::people::answer()).await.0;
    assert_eq!(ask(request_for("/feed", "alice.user.0")).await, 200);
    let mut head = request("alice.user.0");
    *head.method_mut() = Method::HEAD;
    assert_eq!(ask(head).await, 200);
    assert_eq!(ask(request_for("/a//b", "alice.user.0")).await, 400);
    world.advance(20);
    assert_eq!(world.ask("alice.user.0").await.0, 401);
}

#[tokio::test]
async fn a_handler_ends_the_session() {
    let world = World::new();
    let logout = tower::service_fn(async |request: http::Request<_>| {
        let session = Exchange::of(request.extensions())
            .unwrap()
            .session()
            .unwrap();
        let session: Session = session.clone();
        session.end().await.unwrap();
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    assert_eq!(world.ask_with(request("alice.user.0"), logout).await.0, 200);
    assert_eq!(world.ask("alice.user.0").await.0, 401);
    world.assert_refused("session_ended", 401);
    assert_eq!(world.ask("alice.user.1").await.0, 200);
    // A credential that stands can prove nothing later.
    assert_eq!(
        world.ask_with(request("reporting.key"), logout).await.0,
        200
    );
    world.advance(1_000_000);
    assert_eq!(world.ask("reporting.key").await.0, 401);
}

/// A store that is asked lets others run in between; the session is over there all the same.
#[tokio::test]
async fn a_handler_ends_the_session_in_a_store_that_is_asked() {
    let store = FaultyStore::new(MemorySessions::default());
    let world = World::with(|session| session.with_store(store.clone()));
    let logout = tower::service_fn(async |request: http::Request<_>| {
        // It has waited for something, so it is listed as running.
        tokio::task::yield_now().await;
        let exchange = Exchange::of(request.extensions()).unwrap();
        let session: Session = exchange.session().unwrap().clone();
        session.end().await.unwrap();
        Ok::<_, Infallible>(Response::new(String::from("bye")))
    });
    assert_eq!(world.ask_with(request("alice.user.0"), logout).await.0, 200);
    assert_eq!(world.ask("alice.user.0").await.0, 401);
    world.assert_refused("session_ended", 401);
}

#[tokio::test]
async fn the_operator_ends_all_sessions_of_a_principal() {
    let world = World::new();
    for token in ["alice.user.0.-.1", "alice.user.1.-.2", "bob.user.0"] {
        assert_eq!(world.ask(token).await.0, 200);
    }
    let ended = world
        .handle
        .end_sessions("https://idp.example", "alice")
        .await;
    assert_eq!(ended.unwrap(), 2);
    for token in ["alice.user.0.-.1", "alice.user.1.-.2", "alice.user.1.-.3"] {
        assert_eq!(world.ask(token).await.0, 401, "{token}");
    }
    assert_eq!(world.ask("alice.user.2.-.1").await.0, 200);
    assert_eq!(world.ask("bob.user.0").await.0, 200);
}

#[tokio::test]
async fn a_clock_that_is_set_makes_no_session_longer() {
    let world = World::new();
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    world.clock.step_wall_back(Duration::from_secs(3600));
    world.advance(60);
    assert_eq!(world.ask("alice.user.0").await.0, 401, "set back");

    let world = World::new();
    world.clock.step_wall_forward(Duration::from_secs(50));
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    world.clock.step_wall_back(Duration::from_secs(50));
    world.advance(60);
    assert_eq!(world.ask("alice.user.0").await.0, 401, "ahead for a while");
}

/// As after the machine was asleep for a night: those who were in are out, and everybody can
/// come in again soon.
#[tokio::test]
async fn a_clock_that_stays_ahead_is_believed_in_the_end() {
    let world = World::new();
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    world.clock.step_wall_forward(Duration::from_secs(8 * 3600));
    assert_eq!(world.ask("alice.user.0").await.0, 401);
    let later = 8 * 3600 + 1;
    for _ in 0..70 {
        let _ = world.ask(&format!("alice.user.{later}")).await;
        world.advance(1);
    }
    assert_eq!(
        world.ask(&format!("alice.user.{}", later + 100)).await.0,
        200
    );
    world.advance(30);
    assert_eq!(
        world.ask(&format!("alice.user.{}", later + 100)).await.0,
        200
    );
}

#[tokio::test]
async fn an_anonymous_caller_has_no_session() {
    let world = World::new();
    let mut request = request_for("/public", "x");
    request.headers_mut().remove("authorization");
    let handler = tower::service_fn(async |request: http::Request<_>| {
        let exchange = Exchange::of(request.extensions()).unwrap();
        assert!(exchange.is_anonymous() && exchange.session().is_none());
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    assert_eq!(
        world.ask_with(request, handler).await.0,
        StatusCode::OK.as_u16()
    );
}
