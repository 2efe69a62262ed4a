//! How long ago a user may have authenticated.

use std::time::Duration;

use portcullis::{
    ConfigErrors,
    session::{Aal, MemorySessions, SessionBuilder, SessionLayer},
};
use portcullis_testing::faulty_store::FaultyStore;
use portcullis_tests::streams::TICK;

use crate::{
    people::{World, request},
    streams::{GOODBYE, Reader, pass},
};

fn half_a_minute(session: SessionBuilder) -> SessionBuilder {
    session.with_reauthentication(Duration::from_secs(30))
}

fn worlds() -> [World; 2] {
    [
        World::with(half_a_minute),
        World::with(|session| {
            half_a_minute(session).with_store(FaultyStore::new(MemorySessions::default()))
        }),
    ]
}

#[tokio::test]
async fn a_session_goes_on_after_a_later_authentication() {
    for world in worlds() {
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        let opened = world.audit.take();
        let session = opened.first().unwrap().session;
        world.advance(29);
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        world.advance(1);
        let (status, challenge) = world.ask("alice.user.0").await;
        assert_eq!(status, 401);
        assert_eq!(
            challenge,
            "Bearer error=\"insufficient_user_authentication\", max_age=\"30\", \
             resource_metadata=\"https://agent.example/.well-known/oauth-protected-resource\"",
        );
        world.assert_refused("session_reauthentication", 401);
        // A refreshed token is no authentication.
        assert_eq!(world.ask("alice.user.0.500").await.0, 401);
        let _ = world.audit.take();
        assert_eq!(world.ask("alice.user.30").await.0, 200);
        let records = world.audit.take();
        let is_opened = |code| code == "session_opened";
        assert!(
            !records
                .iter()
                .any(|record| is_opened(record.reason.as_str()))
        );
        assert_eq!(records.first().unwrap().session, session);
        // The session has seen it, whoever comes.
        assert_eq!(world.ask("alice.user.0").await.0, 200);
    }
}

#[tokio::test]
async fn who_does_not_say_when_is_not_in_and_who_is_no_user_is() {
    let world = World::with(half_a_minute);
    assert_eq!(world.ask("alice.user.-").await.0, 401);
    world.assert_refused("session_reauthentication", 401);
    for token in ["robot.client.0", "reporting.key.0"] {
        world.advance(20);
        assert_eq!(world.ask(token).await.0, 200);
    }
    world.advance(29);
    assert_eq!(world.ask("robot.client.0").await.0, 200);
}

#[tokio::test]
async fn a_stream_ends_unless_somebody_authenticates_in_time() {
    for world in worlds() {
        for (at, is_cut) in [(100, false), (0, true)] {
            let start = world.clock_seconds();
            let token = format!("user-{at}.user.{start}");
            let mut reader = Reader::open(&world, request(&token), "text/event-stream", TICK).await;
            let _ = reader.read().await;
            pass(&world, 20).await;
            let later = if is_cut { start } else { start + 20 };
            assert_eq!(world.ask(&format!("user-{at}.user.{later}")).await.0, 200);
            let _ = world.audit.take();
            pass(&world, 12).await;
            let read = reader.read().await.unwrap().unwrap();
            assert_eq!(read.ends_with(GOODBYE), is_cut, "{read}");
            let records = world.audit.take();
            let is_recorded = records
                .iter()
                .any(|record| record.reason.as_str() == "session_reauthentication");
            assert_eq!(is_recorded, is_cut);
            // What comes later runs in the same session, and is not cut with it.
            let again = world.clock_seconds();
            let token = format!("user-{at}.user.{again}");
            let mut reader = Reader::open(&world, request(&token), "text/event-stream", TICK).await;
            pass(&world, 5).await;
            let read = reader.read().await.unwrap().unwrap();
            assert!(!read.ends_with(GOODBYE), "{read}");
        }
    }
}

#[tokio::test]
async fn who_authenticates_within_the_grace_keeps_his_streams() {
    let world = World::with(|session| half_a_minute(session).with_grace(Duration::from_secs(10)));
    let mut reader = Reader::events(&world, "alice.user.0").await;
    let _ = reader.read().await;
    pass(&world, 35).await;
    assert_eq!(world.ask("alice.user.0").await.0, 401);
    assert_eq!(world.ask("alice.user.35").await.0, 200);
    pass(&world, 20).await;
    let read = reader.read().await.unwrap().unwrap();
    assert!(!read.ends_with(GOODBYE), "{read}");
    pass(&world, 25).await;
    let read = reader.read().await.unwrap().unwrap();
    assert!(read.ends_with(GOODBYE), "{read}");
}

#[tokio::test]
async fn a_level_is_its_deadlines_and_each_can_be_another() {
    let hour = 3600;
    let table: [(Aal, u64, u64); 3] = [
        (Aal::Aal1, 30 * 24 * hour, 30 * 24 * hour),
        (Aal::Aal2, hour, 24 * hour),
        (Aal::Aal3, hour / 4, 12 * hour),
    ];
    for (level, idle, overall) in table {
        assert_eq!(level.idle().as_secs(), idle);
        assert_eq!(level.overall().as_secs(), overall);
        let world = World::with_session(SessionLayer::builder().with_assurance_level(level));
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        world.advance(idle - 1);
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        world.advance(idle.min(overall - idle + 1));
        let (status, challenge) = world.ask("alice.user.0").await;
        assert_eq!(status, 401);
        assert!(challenge.contains("max_age"), "{challenge}");
        assert_eq!(
            world.ask("bob.user.-").await.0,
            401,
            "who does not say when"
        );
    }
    let minute = Duration::from_secs(60);
    let world = World::with_session(
        SessionLayer::builder()
            .with_idle(minute)
            .with_assurance_level(Aal::Aal2)
            .without_reauthentication(),
    );
    assert_eq!(world.ask("alice.user.-").await.0, 200);
    world.advance(60);
    assert_eq!(world.ask("alice.user.-").await.0, 401);
}

#[test]
fn what_cannot_work_is_said() {
    let error = |builder: SessionBuilder| -> ConfigErrors { builder.build().unwrap_err() };
    let builder = SessionLayer::builder;
    for (builder, setting) in [
        (
            builder().with_reauthentication(Duration::ZERO),
            "with_reauthentication",
        ),
        (builder().with_max_streams(0), "with_max_streams"),
        (
            builder()
                .with_assurance_level(Aal::Aal3)
                .with_idle(Duration::from_secs(13 * 3600)),
            "with_idle",
        ),
    ] {
        let said = error(builder).to_string();
        assert!(said.contains(setting), "{said}");
    }
}
