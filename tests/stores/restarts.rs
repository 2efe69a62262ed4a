//! A gate that is started anew where it was.

use portcullis::revocation::Revocation;
use portcullis_tests::stores::Place;

use crate::ISSUER;

at_places_that_last! { what_was_ended_is_over_after_a_restart_and_what_was_not_goes_on }

async fn what_was_ended_is_over_after_a_restart_and_what_was_not_goes_on<P: Place>() {
    let place = P::start_own().await;
    let node = place.node(&place.stores().await);
    for token in ["alice.app.0", "bob.app.0", "carol.app.0"] {
        assert_eq!(node.ask(token).await, 200, "{token}");
    }
    let ended = node.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    let revoked = node.handle.revoke(Revocation::subject(ISSUER, "carol"));
    revoked.await.unwrap();
    assert_eq!(node.ask("alice.app.0").await, 401);
    assert_eq!(node.ask("carol.app.0").await, 401);
    node.end().await;
    for n in 1..3 {
        place.restart().await;
        let node = place.node(&place.stores().await);
        assert_eq!(node.ask("alice.app.0").await, 401, "life {n}");
        assert_eq!(node.ask("carol.app.0").await, 401, "life {n}");
        assert_eq!(node.ask("bob.app.0").await, 200, "life {n}");
        assert_eq!(node.ask("bob.app.0").await, 200, "life {n}");
        node.end().await;
    }
    let node = place.node(&place.stores().await);
    assert_eq!(node.ask("alice.app.1").await, 200, "authenticated again");
}
