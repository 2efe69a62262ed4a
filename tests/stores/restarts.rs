//! A gate that is started anew where it was.

use portcullis::revocation::Revocation;
use portcullis_tests::stores::{Place, kept::SECOND, redb::InFile};

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

/// So it is said to who restores a file, and what he has to do.
#[tokio::test]
async fn a_file_that_was_restored_lets_those_in_again_who_were_out_until_all_is_revoked() {
    let place = InFile::start().await;
    let node = place.node(&place.stores().await);
    for token in ["alice.app.0", "bob.app.0"] {
        assert_eq!(node.ask(token).await, 200);
    }
    node.end().await;
    let copy = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |path: &std::path::Path| {
            let beside = |name: &str| path.with_extension(name);
            std::fs::copy(beside(&from), beside(&to)).unwrap();
        }
    };
    place.while_closed(copy("redb", "before")).await;
    let node = place.node(&place.stores().await);
    assert_eq!(node.handle.end_sessions(ISSUER, "alice").await.unwrap(), 1);
    assert_eq!(node.ask("alice.app.0").await, 401);
    node.end().await;
    place.while_closed(copy("before", "redb")).await;
    let node = place.node(&place.stores().await);
    assert_eq!(node.ask("alice.app.0").await, 200, "nobody can notice");
    place.clock().advance(SECOND);
    let all = Revocation::issuer(ISSUER);
    node.handle.revoke(all).await.unwrap();
    for token in ["alice.app.0", "bob.app.0", "carol.app.1"] {
        assert_eq!(node.ask(token).await, 401, "{token}");
    }
    assert_eq!(node.ask("alice.app.2").await, 200);
}
