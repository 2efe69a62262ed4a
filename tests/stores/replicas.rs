//! A replica instead of the server: it is not asked, and what it had not received when it takes over
//! is a loss.

use portcullis_tests::{
    servers,
    stores::{
        Place as _, Served,
        front::Front,
        kept::{SECOND, assert_says_nothing, assert_takes_nothing, fill},
        redis::RedisServer,
    },
};

use crate::ISSUER;

at_servers! { a_replica_that_lags_lets_nobody_in_and_takes_nothing }

async fn a_replica_that_lags_lets_nobody_in_and_takes_nothing<P: Served>() {
    let place = P::start_own().await;
    let stores = place.stores().await;
    fill(&stores).await;
    let [one, other] = place.two_nodes().await;
    for node in [&one, &other] {
        assert_eq!(node.ask("alice.app.0").await, 200);
    }
    assert_eq!(one.ask("bob.app.0").await, 200);
    assert_eq!(one.handle.end_sessions(ISSUER, "bob").await.unwrap(), 1);
    place.stand_by().await;
    assert_says_nothing(&stores).await;
    assert_takes_nothing(&stores).await;
    for node in [&one, &other] {
        for token in ["alice.app.0", "bob.app.0", "bob.app.1", "new.app.0"] {
            assert_eq!(node.ask(token).await, 503, "{token}");
        }
    }
    one.handle.end_sessions(ISSUER, "alice").await.unwrap_err();
    place.promote().await;
    for node in [&one, &other] {
        assert_eq!(node.ask("bob.app.0").await, 401);
    }
    // Whether anything was lost or not: who authenticates again is in, a minute later, by which the
    // clock of an issuer may be ahead.
    place.clock().advance(122 * SECOND);
    for node in [&one, &other] {
        assert_eq!(node.ask("alice.app.121").await, 200);
        assert_eq!(node.ask("bob.app.121").await, 200);
    }
}

/// Two servers, one of which has ceased to receive what the other is told.
#[tokio::test]
async fn what_a_replica_of_redis_had_not_received_is_lost_and_noticed() {
    let listening = || servers::redis().add_args(["--port", "{port}"]);
    let primary = RedisServer::start_with(listening()).await;
    let replica = RedisServer::start_with(servers::redis()).await;
    let front = Front::new(&primary).await;
    let (one, other) = (
        primary.stores_by(&front).await,
        primary.stores_by(&front).await,
    );
    let [one, other] = [one, other].map(|stores| primary.node(&stores));
    for node in [&one, &other] {
        for token in ["alice.app.0", "bob.app.0"] {
            assert_eq!(node.ask(token).await, 200);
        }
    }
    replica.follow(primary.port()).await;
    replica.stand_by().await;
    assert_eq!(one.handle.end_sessions(ISSUER, "alice").await.unwrap(), 1);
    assert_eq!(other.ask("alice.app.0").await, 401);
    // The replica still has her.
    primary.kill();
    front.lead_to(&replica);
    for node in [&one, &other] {
        for token in ["alice.app.0", "bob.app.0", "carol.app.0"] {
            assert_eq!(node.ask(token).await, 503, "{token}");
        }
    }
    replica.promote().await;
    for node in [&one, &other] {
        assert_eq!(node.ask("alice.app.0").await, 401);
    }
    primary.clock().advance(122 * SECOND);
    for (token, status) in [("alice.app.0", 401), ("alice.app.121", 200)] {
        for node in [&one, &other] {
            assert_eq!(node.ask(token).await, status, "{token}");
        }
    }
}
