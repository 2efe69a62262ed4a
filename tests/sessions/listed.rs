//! Where somebody is signed in.

use std::time::Duration;

use portcullis::{
    EvidenceKind,
    session::{MemorySessions, SessionId},
};
use portcullis_testing::{clock::VirtualClock, faulty_store::FaultyStore};
use portcullis_tests::patience::settle;

use crate::people::World;

const ISSUER: &str = "https://idp.example";

#[tokio::test]
async fn those_that_live_are_listed_and_ended_one_by_one() {
    for world in [
        World::new(),
        World::with(|session| session.with_store(FaultyStore::new(MemorySessions::default()))),
    ] {
        let ids = async |name| {
            let listed = world.handle.sessions(ISSUER, name).await.unwrap();
            listed
                .iter()
                .map(|session| session.id)
                .collect::<Vec<SessionId>>()
        };
        assert!(ids("alice").await.is_empty());
        assert_eq!(world.ask("alice.user.0.-.1").await.0, 200);
        world.clock.advance(Duration::from_secs(10));
        assert_eq!(world.ask("alice.user.5.-.2").await.0, 200);
        assert_eq!(world.ask("bob.user.0.-.1").await.0, 200);
        settle().await;
        let listed = world.handle.sessions(ISSUER, "alice").await.unwrap();
        let [second, first] = &*listed else {
            panic!("{listed:?}");
        };
        assert_eq!(second.kind, EvidenceKind::User);
        assert_eq!(first.opened_at, VirtualClock::START);
        assert_eq!(
            second.opened_at,
            VirtualClock::START + Duration::from_secs(10)
        );
        assert_eq!(
            second.authenticated_at,
            Some(VirtualClock::START + Duration::from_secs(5))
        );
        let of_bob = ids("bob").await[0];

        // That of somebody else is none of hers.
        let end = async |id| world.handle.end_session(ISSUER, "alice", id).await.unwrap();
        assert!(!end(of_bob).await);
        assert!(end(first.id).await && !end(first.id).await);
        assert_eq!(ids("alice").await, [second.id]);
        assert_eq!(world.ask("alice.user.0.-.1").await.0, 401);
        assert_eq!(world.ask("alice.user.5.-.2").await.0, 200);
        assert_eq!(world.ask("bob.user.0.-.1").await.0, 200);
        world.clock.advance(Duration::from_secs(61));
        assert!(ids("alice").await.is_empty(), "idle");
    }
}

#[tokio::test]
async fn a_store_that_cannot_say_is_an_error() {
    let store = FaultyStore::new(MemorySessions::default());
    let world = World::with(|session| session.with_store(store.clone()));
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    settle().await;
    let listed = world.handle.sessions(ISSUER, "alice").await.unwrap();
    store.set_failing(true);
    assert!(world.handle.sessions(ISSUER, "alice").await.is_err());
    let ended = world
        .handle
        .end_session(ISSUER, "alice", listed[0].id)
        .await;
    assert!(ended.is_err());
}
