//! Who is refused, and who is not.

use std::{sync::atomic::Ordering, time::Duration};

use http_body_util::Full;
use portcullis::{
    authn::AuthnLayer,
    revocation::{MemoryRevocations, Revocation},
};
use portcullis_testing::{faulty_store::FaultyRevocations, http_probe::HandlerProbe};
use tower::{Layer as _, ServiceExt as _};

use crate::world::{Callers, ISSUER, START, World, request};

const SECOND: Duration = Duration::from_secs(1);
const CHALLENGE: &str = "Bearer realm=\"agent\", error=\"invalid_token\", \
    error_description=\"The access token is not valid\"";

/// The same with a store that answers at once and with one that has to be asked.
fn worlds() -> [World; 2] {
    let asked = FaultyRevocations::new(MemoryRevocations::default());
    [
        World::new(),
        World::with(|stack| stack.with_revocations(asked)),
    ]
}

#[tokio::test]
async fn what_is_revoked_is_refused_from_the_next_request_on_and_nothing_else_is() {
    for (revocation, over, good) in [
        (
            Revocation::subject(ISSUER, "alice"),
            &["alice.0", "alice.5", "far~alice.5"][..],
            &["bob.0", "alice.6", "far~alice.6"][..],
        ),
        (
            Revocation::client(ISSUER, "app"),
            &["alice.0", "bob.5", "far~bob.5"],
            &["machine.0", "robot.0", "bob.6"],
        ),
        (
            Revocation::grant(ISSUER, "alice", "app"),
            &["alice.0", "alice.5"],
            &["bob.0", "alice.6"],
        ),
        (
            Revocation::session(ISSUER, "sid-alice"),
            &["alice.0", "alice.5"],
            &["bob.0", "alice.6"],
        ),
        (
            Revocation::token(ISSUER, "id-alice.9"),
            &["alice.9"],
            &["alice.0", "alice.6", "bob.9"],
        ),
        (
            Revocation::credential("keys", "id-9"),
            &["robot.9"],
            &["robot.0", "robot.6"],
        ),
        (
            Revocation::subject("keys", "robot"),
            &["robot.0", "robot.5"],
            &["robot.6", "alice.0"],
        ),
        (
            Revocation::subject(ISSUER, "machine"),
            &["machine.0", "machine.5"],
            &["machine.6"],
        ),
        (
            Revocation::subject(ISSUER, "timeless"),
            &["timeless"],
            &["alice.0"],
        ),
        (
            Revocation::subject("https://other.example", "alice"),
            &[],
            &["alice.0"],
        ),
    ] {
        for world in worlds() {
            world.advance(5);
            for token in over.iter().chain(good) {
                let token = token.replace("far~", "");
                assert_eq!(world.ask(&token).await.0, 200, "{token} before");
            }
            drop(world.audit.take());
            world.revoke(revocation.clone()).await;
            for token in over {
                let (status, challenge) = world.ask(token).await;
                assert_eq!(status, 401, "{token} after {revocation:?}");
                assert_eq!(challenge, CHALLENGE);
                world.assert_refused("credential_revoked", 401);
            }
            for token in good {
                assert_eq!(
                    world.ask(token).await.0,
                    200,
                    "{token} after {revocation:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_signal_that_comes_late_harms_nobody_who_has_logged_in_meanwhile() {
    let world = World::new();
    world.advance(100);
    let late = Revocation::subject(ISSUER, "alice").with_cut_off(START + 50 * SECOND);
    world.revoke(late).await;
    assert_eq!(world.ask("alice.50").await.0, 401);
    assert_eq!(world.ask("alice.51").await.0, 200);
    // A second signal that is older still opens nothing.
    let older = Revocation::subject(ISSUER, "alice").with_cut_off(START);
    world.revoke(older).await;
    assert_eq!(world.ask("alice.50").await.0, 401);
}

#[tokio::test]
async fn a_time_that_is_far_ahead_outlasts_no_cut_off() {
    let world = World::new();
    world.revoke(Revocation::subject(ISSUER, "alice")).await;
    assert_eq!(world.ask("alice.61").await.0, 401);
    assert_eq!(world.ask("alice.60").await.0, 200);
    // What was issued before the cut-off is over also once the time is there that it claims.
    assert_eq!(world.ask("dreamer.61").await.0, 200);
    world.revoke(Revocation::subject(ISSUER, "dreamer")).await;
    for _ in 0..3 {
        assert_eq!(world.ask("dreamer.61").await.0, 401);
        world.advance(61);
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_misses_nobody_who_is_in() {
    let world = World::new();
    world.advance(600);
    world.clock.step_wall_back(200 * SECOND);
    assert_eq!(world.ask("alice.500").await.0, 200);
    world.revoke(Revocation::subject(ISSUER, "alice")).await;
    assert_eq!(world.ask("alice.500").await.0, 401);
    world.clock.step_wall_forward(200 * SECOND);
    assert_eq!(world.ask("alice.500").await.0, 401);
    assert_eq!(world.ask("alice.601").await.0, 200);
}

#[tokio::test]
async fn a_clock_that_runs_ahead_for_a_while_takes_no_revocation_away() {
    let world = World::with(|stack| stack.with_revocations(MemoryRevocations::with_capacity(1)));
    let token = |id| Revocation::token(ISSUER, id).with_kept_for(100 * SECOND);
    world.revoke(token("id-alice.0")).await;
    world.clock.step_wall_forward(1000 * SECOND);
    assert!(world.try_revoke(token("id-bob.0")).await.is_err());
    world.clock.step_wall_back(1000 * SECOND);
    assert_eq!(world.ask("alice.0").await.0, 401);
}

#[tokio::test]
async fn is_kept_for_as_long_as_was_asked() {
    let store = std::sync::Arc::new(MemoryRevocations::with_capacity(1));
    let key = || portcullis::Secret::new([7; 16]);
    let world = World::with(|stack| {
        let stack = stack.with_revocation_key(key());
        stack.with_revocations(std::sync::Arc::clone(&store))
    });
    let token = |id| Revocation::token(ISSUER, id).with_kept_for(100 * SECOND);
    world.revoke(token("id-alice.0")).await;
    world.advance(99);
    let full = world.try_revoke(token("id-bob.0")).await.unwrap_err();
    assert_eq!(full.to_string(), "the store cannot say that it is revoked");
    assert_eq!(world.ask("alice.0").await.0, 401);
    assert_eq!(world.ask("bob.0").await.0, 200);
    world.advance(1);
    world.revoke(token("id-bob.0")).await;
    assert_eq!(world.ask("bob.0").await.0, 401);
}

#[tokio::test]
async fn what_a_full_store_has_forgotten_is_over_for_everybody_as_old() {
    let world = World::with(|stack| stack.with_revocations(MemoryRevocations::with_capacity(1)));
    world.advance(10);
    let subject = |name| Revocation::subject(ISSUER, name);
    world
        .revoke(subject("alice").with_cut_off(START + 3 * SECOND))
        .await;
    world.revoke(subject("mallory")).await;
    drop(world.audit.take());
    for token in ["alice.3", "bob.3", "machine.0", "robot.3", "timeless"] {
        assert_eq!(world.ask(token).await.0, 401, "{token}");
        world.assert_refused("revocation_forgotten", 401);
    }
    for token in ["alice.4", "bob.4", "machine.4", "robot.4"] {
        assert_eq!(world.ask(token).await.0, 200, "{token}");
    }
    drop(world.audit.take());
    assert_eq!(world.ask("mallory.10").await.0, 401);
    world.assert_refused("credential_revoked", 401);
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_never_a_pass_or_a_challenge() {
    let store = FaultyRevocations::new(MemoryRevocations::default());
    let world = World::with(|stack| stack.with_revocations(store.clone()));
    assert_eq!(world.ask("alice.0").await.0, 200);
    drop(world.audit.take());
    store.set_failing(true);
    for token in ["alice.0", "far~alice.0", "robot.0"] {
        assert_eq!(world.ask(token).await, (503, String::new()), "{token}");
        world.assert_refused("revocation_store_unavailable", 503);
    }
    let error = world.try_revoke(Revocation::subject(ISSUER, "alice")).await;
    assert!(error.is_err());
    // Who has no credential, or a bad one, is told so as ever.
    assert_eq!(world.ask("nobody").await.0, 401);
    store.set_failing(false);
    assert_eq!(world.ask("alice.0").await.0, 200);
}

#[tokio::test]
async fn an_authenticator_is_asked_once_for_each_request() {
    let [at_once, asked] = worlds();
    for (world, token, checked, verified) in [
        (&at_once, "alice.0", 1, 0),
        (&asked, "alice.0", 1, 0),
        (&at_once, "far~alice.0", 1, 1),
        (&asked, "far~alice.0", 1, 1),
    ] {
        let callers = &world.callers;
        callers.checked.store(0, Ordering::Relaxed);
        callers.verified.store(0, Ordering::Relaxed);
        assert_eq!(world.ask(token).await.0, 200);
        let counted = [&callers.checked, &callers.verified].map(|n| n.load(Ordering::Relaxed));
        assert_eq!(counted, [checked, verified], "{token}");
    }
}

#[tokio::test]
async fn nobody_asks_a_store_about_those_who_have_no_credential() {
    let store = FaultyRevocations::new(MemoryRevocations::default());
    let world = World::with(|stack| stack.with_revocations(store.clone()));
    let public = http::Request::builder()
        .uri("/public")
        .header("host", "agent.example");
    let public = public.body(String::new()).unwrap();
    let handled = world.ask_with(public, crate::world::answer()).await;
    assert_eq!((handled.0, store.asked()), (200, 0));
    assert_eq!(world.ask("nobody").await.0, 401);
    assert_eq!(store.asked(), 0);
}

#[tokio::test]
async fn a_loose_layer_revokes_as_well() {
    let callers = Callers::default();
    let layer = AuthnLayer::builder().add_authenticator(callers).build();
    let (layer, probe) = (layer.unwrap(), HandlerProbe::new());
    let service = layer.layer(probe.clone());
    let ask = async || {
        let request = request("alice.0").map(Full::<bytes::Bytes>::from);
        service.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask().await, 200);
    layer
        .revoke(Revocation::subject(ISSUER, "alice"))
        .await
        .unwrap();
    assert_eq!(ask().await, 401);
    probe.assert_called(1);
}
