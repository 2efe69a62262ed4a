//! A store that cannot say lets nobody in, and leaves nothing half done.

use std::sync::Arc;

use portcullis::{
    Secret,
    session::{MemorySessions, SessionBuilder, SessionLayer},
};
use portcullis_testing::faulty_store::FaultyStore;

use crate::people::World;

#[tokio::test]
async fn a_store_that_is_down_is_503_and_never_a_pass() {
    let store = FaultyStore::new(MemorySessions::default());
    let world = World::with(|session| session.with_store(store.clone()));
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    store.set_failing(true);
    for token in ["alice.user.0", "bob.user.0"] {
        assert_eq!(world.ask(token).await.0, 503);
        world.assert_refused("session_store_unavailable", 503);
    }
    assert_eq!(store.get_ref().len(), 1, "nothing half done");
    store.set_failing(false);
    assert_eq!(world.ask("bob.user.0").await.0, 200);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_an_error_and_the_session_is_found_again() {
    let store = FaultyStore::new(MemorySessions::default());
    let world = World::with(|session| session.with_store(store.clone()));
    store.set_losing_answers(true);
    assert_eq!(world.ask("alice.user.0").await.0, 503);
    store.set_losing_answers(false);
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    assert_eq!(store.get_ref().len(), 1);
}

/// A store that outlasts the layer: who was out is out, and who was in is in.
#[tokio::test]
async fn with_a_key_a_store_is_of_use_to_the_next_layer() {
    let store = FaultyStore::new(MemorySessions::default());
    let world = |key: Option<[u8; 16]>| {
        World::with(|session| {
            let session = session.with_store(store.clone());
            match key {
                Some(key) => session.with_key(Secret::new(key)),
                None => session,
            }
        })
    };
    let before = world(Some([7; 16]));
    assert_eq!(before.ask("alice.user.0").await.0, 200);
    let ended = before
        .handle
        .end_sessions("https://idp.example", "alice")
        .await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(world(Some([7; 16])).ask("alice.user.0").await.0, 401);
    assert_eq!(world(Some([8; 16])).ask("alice.user.0").await.0, 200);
    assert_eq!(world(None).ask("alice.user.0").await.0, 200);
}

#[test]
fn what_a_restart_would_not_find_again_is_an_error_when_the_layer_is_built() {
    let problem = |session: SessionBuilder| session.build().unwrap_err().to_string();
    let short = SessionLayer::builder().with_key(Secret::new([7; 15]));
    assert!(problem(short).starts_with("`with_key`: is not 16 bytes"));
    // It may be shared with another layer.
    let durable = || SessionLayer::builder().with_store(Arc::new(MemorySessions::default()));
    assert!(
        problem(durable())
            .starts_with("`with_key`: is missing, and the store outlasts the process")
    );
    assert!(durable().with_key(Secret::new([7; 16])).build().is_ok());
    let session = || SessionLayer::builder();
    let sealing = session().with_sealing_key(Secret::new([7; 31]));
    assert!(problem(sealing).starts_with("`with_sealing_key`: is shorter than 32 bytes"));
    let old = session().add_old_sealing_key(Secret::new([]));
    assert!(problem(old).starts_with("`add_old_sealing_key`: is shorter than 32 bytes"));
    let sealing = session().with_sealing_key(Secret::new([7; 32]));
    let old = Secret::new([8; 64]);
    assert!(sealing.add_old_sealing_key(old).build().is_ok());
}
