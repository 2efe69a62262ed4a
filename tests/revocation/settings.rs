//! What a layer is told, and what it does with rubbish.

use std::{sync::Arc, time::Duration};

use portcullis::{
    ConfigErrors, Secret,
    authn::{AuthnBuilder, AuthnLayer},
    revocation::{MemoryRevocations, Revocation, RevokeError},
};
use portcullis_testing::mock_auth::MockAuth;

use crate::world::{ISSUER, World};

fn problem(settings: impl FnOnce(AuthnBuilder) -> AuthnBuilder) -> Option<String> {
    let builder = AuthnLayer::builder().add_authenticator(MockAuth::user("alice"));
    let errors: ConfigErrors = settings(builder).build().err()?;
    Some(errors.to_string())
}

#[test]
fn a_store_that_others_see_needs_a_key_and_a_key_has_sixteen_bytes() {
    let shared = || Arc::new(MemoryRevocations::default());
    let (good, short) = (|| Secret::new([7; 16]), || Secret::new([7; 15]));
    assert_eq!(problem(|builder| builder), None);
    let alone = MemoryRevocations::with_capacity(1);
    assert_eq!(problem(|builder| builder.with_revocations(alone)), None);
    let keyed = |builder: AuthnBuilder| builder.with_revocation_key(good());
    assert_eq!(problem(|b| keyed(b.with_revocations(shared()))), None);
    let unkeyed = problem(|builder| builder.with_revocations(shared())).unwrap();
    assert!(
        unkeyed.contains("`with_revocation_key`: is not set"),
        "{unkeyed}"
    );
    let short = problem(|builder| builder.with_revocation_key(short())).unwrap();
    assert!(
        short.contains("`with_revocation_key`: is not 16 bytes"),
        "{short}"
    );
}

#[tokio::test]
async fn gates_that_share_a_store_and_a_key_share_what_is_revoked() {
    let store = Arc::new(MemoryRevocations::default());
    let world = |key| {
        World::with(|stack| {
            let stack = stack.with_revocations(Arc::clone(&store));
            stack.with_revocation_key(Secret::new([key; 16]))
        })
    };
    let (one, same, other) = (world(7), world(7), world(8));
    one.revoke(Revocation::subject(ISSUER, "alice")).await;
    assert_eq!(same.ask("alice.0").await.0, 401);
    assert_eq!(other.ask("alice.0").await.0, 200, "keys are not guessed");
    assert_eq!(same.ask("bob.0").await.0, 200);
}

#[tokio::test]
async fn what_would_have_no_effect_is_an_error_and_changes_nothing() {
    let world = World::new();
    for revocation in [
        Revocation::subject(ISSUER, ""),
        Revocation::subject("", "alice"),
        Revocation::token(ISSUER, "id\n"),
        Revocation::grant(ISSUER, "alice", "x".repeat(2049)),
        Revocation::subject(ISSUER, "alice").with_kept_for(Duration::ZERO),
    ] {
        let error = world.try_revoke(revocation.clone()).await.unwrap_err();
        assert!(matches!(error, RevokeError::Invalid(_)), "{revocation:?}");
    }
    assert_eq!(world.ask("alice.0").await.0, 200);
    // What is far away is no error.
    let ages = Revocation::subject(ISSUER, "bob").with_kept_for(Duration::MAX);
    world
        .revoke(ages.with_cut_off(portcullis::Timestamp::MAX))
        .await;
    assert_eq!(world.ask("bob.50").await.0, 401);
    assert_eq!(world.ask("alice.0").await.0, 200);
}

#[test]
fn shows_no_key() {
    let world = World::new();
    let shown = format!("{:?} {:?}", world.handle, MemoryRevocations::default());
    assert!(!shown.contains("key"), "{shown}");
}
