//! Gates on two servers that share one place.

use std::sync::Arc;

use futures_util::future::join_all;
use portcullis_tests::stores::Place;

use crate::ISSUER;

at_every_place! {
    of_a_hundred_logins_at_once_at_two_servers_no_more_than_the_limit_get_in
    what_one_server_ends_is_over_at_the_other
}

async fn of_a_hundred_logins_at_once_at_two_servers_no_more_than_the_limit_get_in<P: Place>() {
    let place = P::start().await;
    let nodes = place.two_nodes().await.map(Arc::new);
    let logins = (0..100).map(|n| {
        let node = Arc::clone(&nodes[n % 2]);
        tokio::spawn(async move { node.ask(&format!("alice.client-{n}.0")).await })
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
    assert_eq!(
        nodes[0].ask("bob.client-0.0").await,
        200,
        "another principal"
    );
}

async fn what_one_server_ends_is_over_at_the_other<P: Place>() {
    let place = P::start().await;
    let [one, other] = place.two_nodes().await;
    assert_eq!(one.ask("alice.app.0").await, 200);
    assert_eq!(other.ask("alice.app.0").await, 200);
    let ended = one.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(other.ask("alice.app.0").await, 401);
    assert_eq!(one.ask("alice.app.0").await, 401);
    assert_eq!(other.ask("alice.app.1").await, 200, "authenticated again");
}
