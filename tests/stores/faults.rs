//! A server that cannot say: an error each time, nothing half done, and nobody has to mend it.

use std::time::Duration;

use portcullis_core::SessionStore as _;
use portcullis_tests::{
    patience::eventually,
    stores::{
        START, Served, Stores as _,
        kept::{
            OWNER, SECOND, assert_kept, assert_lost, assert_says_nothing, assert_takes_nothing,
            fill,
        },
    },
};

at_servers! {
    a_server_that_is_killed_says_nothing_until_it_is_there_again_and_has_lost_nothing
    another_server_at_the_same_address_has_lost_everything
    a_server_that_stands_still_is_given_up_in_time_and_found_again
}

async fn a_server_that_is_killed_says_nothing_until_it_is_there_again_and_has_lost_nothing<
    P: Served,
>() {
    let place = P::start_own().await;
    let stores = place.stores().await;
    fill(&stores).await;
    let node = place.node(&stores);
    assert_eq!(node.ask("alice.app.0").await, 200);
    place.kill();
    for _ in 0..3 {
        assert_says_nothing(&stores).await;
        assert_takes_nothing(&stores).await;
        assert_eq!(node.ask("alice.app.0").await, 503);
    }
    place.go_on().await;
    assert_kept(&stores).await;
    assert_eq!(node.ask("alice.app.0").await, 200);
}

async fn another_server_at_the_same_address_has_lost_everything<P: Served>() {
    let place = P::start_own().await;
    let stores = place.stores().await;
    fill(&stores).await;
    let node = place.node(&stores);
    assert_eq!(node.ask("alice.app.0").await, 200);
    let mut alice = node.stream("alice.app.0").await;
    place.kill();
    assert_eq!(node.ask("alice.app.0").await, 503);
    place.wipe();
    place.go_on().await;
    place.clock().advance(60 * SECOND);
    // Who looks after what runs asks as well.
    eventually("the end of what runs", &mut alice).await;
    assert_lost(&stores, START + 60 * SECOND).await;
    // He may have been revoked, or his session ended. An issuer's clock may be ahead by a minute.
    for token in ["alice.app.0", "alice.app.120"] {
        assert_eq!(node.ask(token).await, 401);
        assert_eq!(node.reason(), "revocation_forgotten");
    }
    place.clock().advance(61 * SECOND);
    assert_eq!(node.ask("alice.app.121").await, 200);
}

/// More questions than there are connections, so that some wait for one.
async fn a_server_that_stands_still_is_given_up_in_time_and_found_again<P: Served>() {
    let place = P::start_own().await;
    let stores = place.stores().await;
    fill(&stores).await;
    let sessions = stores.sessions();
    place.set_still(true);
    for _ in 0..3 {
        let asked: Vec<_> = (0..8)
            .map(|_| {
                let sessions = sessions.clone();
                tokio::spawn(async move { sessions.load(OWNER).await })
            })
            .collect();
        eventually("an answer to all", || {
            place.clock().advance(Duration::from_millis(100));
            asked.iter().all(|asked| asked.is_finished())
        })
        .await;
        let expected = format!("{} did not answer within 500ms", P::NAME);
        for asked in asked {
            let error = asked.await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
    place.set_still(false);
    assert_kept(&stores).await;
}
