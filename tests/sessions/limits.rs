//! How many sessions there may be.

use std::time::Duration;

use futures_util::future::join_all;
use portcullis::session::MemorySessions;
use portcullis_testing::faulty_store::FaultyStore;

use crate::people::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_logins_at_once_no_more_than_the_limit_get_in() {
    for asks in [false, true] {
        let world = World::with(|session| {
            let session = session.with_limit(3);
            match asks {
                true => session.with_store(FaultyStore::new(MemorySessions::default())),
                false => session.with_store(MemorySessions::default()),
            }
        });
        let world = std::sync::Arc::new(world);
        let logins = (0..100).map(|n| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move { world.ask(&format!("alice.user.0.-.{n}")).await.0 })
        });
        let statuses: Vec<u16> = join_all(logins)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let count = |status| statuses.iter().filter(|found| **found == status).count();
        assert_eq!(count(200), 3, "{statuses:?}");
        // One who was always too slow was not let in either.
        assert_eq!(count(429) + count(503), 97, "{statuses:?}");
        assert_eq!(world.ask("bob.user.0").await.0, 200, "another principal");
    }
}

#[tokio::test]
async fn a_session_that_is_over_makes_room() {
    let world = World::with(|session| session.with_limit(1));
    assert_eq!(world.ask("alice.user.0.-.1").await.0, 200);
    world.advance(30);
    let response = world.ask("alice.user.5.-.2").await;
    assert_eq!(response.0, 429);
    world.assert_refused("session_limit", 429);
    world.advance(30);
    assert_eq!(world.ask("alice.user.5.-.2").await.0, 200);
}

#[tokio::test]
async fn a_full_store_refuses_new_callers_and_keeps_the_others() {
    let world = World::with(|session| session.with_store(MemorySessions::with_capacity(2)));
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    assert_eq!(world.ask("bob.user.0").await.0, 200);
    assert_eq!(world.ask("carol.user.0").await.0, 503);
    world.assert_refused("session_store_full", 503);
    assert_eq!(world.ask("alice.user.0").await.0, 200);
}

/// Whoever registers clients as he likes can have a session with each, and have it time out.
#[tokio::test]
async fn an_account_with_thousands_of_clients_is_nobody_elses_matter() {
    let world = World::with(|session| {
        let store = MemorySessions::with_capacity(1000);
        session
            .with_absolute(Duration::from_hours(24))
            .with_store(store)
    });
    for n in 0..10 {
        assert_eq!(world.ask(&format!("before-{n}.user.0")).await.0, 200);
    }
    for n in 0..5000 {
        let token = format!("mallory.user.{n}.-.-.-.client-{n}");
        assert_eq!(world.ask(&token).await.0, 200, "client {n}");
        world.advance(1);
    }
    // Whoever was over is over for the same reason as before, and whoever has authenticated
    // ahead of all that and was never here comes in.
    for n in 0..10 {
        assert_eq!(world.ask(&format!("before-{n}.user.0")).await.0, 401);
        world.assert_refused("session_idle", 401);
        let late = format!("late-{n}.user.1000");
        assert_eq!(world.ask(&late).await.0, 200);
    }
    // The account itself has forgotten nothing that was over.
    for (n, reason) in [(0, "session_forgotten"), (4900, "session_idle")] {
        let token = format!("mallory.user.{n}.-.-.-.client-{n}");
        assert_eq!(world.ask(&token).await.0, 401, "client {n}");
        world.assert_refused(reason, 401);
    }
}
