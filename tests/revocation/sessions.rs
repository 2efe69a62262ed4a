//! Sessions that end with what is revoked.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use portcullis::{
    BodyError, Secret,
    revocation::{MemoryRevocations, Revocation},
    session::{MemorySessions, SessionLayer},
    stack::{Complete, StackBuilder},
};
use portcullis_testing::faulty_store::{FaultyRevocations, FaultyStore};
use tower::{Layer as _, ServiceExt as _};

use crate::world::{ISSUER, World, request};

fn world() -> World {
    World::with(|stack| stack.with_session(SessionLayer::builder()))
}

/// An answer that streams to somebody, and says nothing yet.
pub(crate) async fn streaming(world: &World, token: &str) -> Streaming {
    let handler = tower::service_fn(async |_| {
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(StreamBody::new(never)).unwrap())
    });
    let service = world.gate.layer(handler);
    let response = service.oneshot(request(token)).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    assert!(body.frame().now_or_never().is_none(), "it streams");
    Box::pin(body)
}

pub(crate) type Streaming = std::pin::Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

/// Whether it is over.
pub(crate) fn is_over(body: &mut Streaming) -> bool {
    body.frame().now_or_never().is_some()
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Whether an answer that streams to somebody is over after something was revoked.
async fn is_cut(world: &World, token: &str, revocation: Revocation) -> bool {
    let mut body = streaming(world, token).await;
    world.revoke(revocation).await;
    for _ in 0..2 {
        world.advance(1);
        settle().await;
    }
    is_over(&mut body)
}

#[tokio::test]
async fn what_runs_ends_with_what_it_was_let_in_with_and_with_nothing_else() {
    let subject = || Revocation::subject(ISSUER, "alice");
    for (revocation, expected) in [
        (subject(), true),
        (Revocation::grant(ISSUER, "alice", "app"), true),
        (Revocation::grant(ISSUER, "alice", "another"), false),
        (Revocation::subject(ISSUER, "bob"), false),
        (Revocation::subject("https://other.example", "alice"), false),
        (Revocation::token(ISSUER, "id-alice.5"), true),
        (Revocation::token(ISSUER, "id-alice.6"), false),
        (Revocation::client(ISSUER, "app"), true),
        (Revocation::client(ISSUER, "another"), false),
        (Revocation::session(ISSUER, "sid-alice"), true),
        (Revocation::session(ISSUER, "sid-bob"), false),
        (subject().with_cut_off(crate::world::START), false),
        (
            Revocation::client(ISSUER, "app").with_cut_off(crate::world::START),
            false,
        ),
    ] {
        let world = world();
        world.advance(5);
        let cut = is_cut(&world, "alice.5", revocation.clone()).await;
        assert_eq!(cut, expected, "{revocation:?}");
    }
    let world = world();
    assert!(is_cut(&world, "robot.0", Revocation::credential("keys", "id-0")).await);
}

/// Nobody has to look, no time has to pass, and a handler that has not answered is dropped.
#[tokio::test]
async fn what_runs_here_ends_at_once() {
    for revocation in [
        Revocation::subject(ISSUER, "alice"),
        Revocation::client(ISSUER, "app"),
        Revocation::session(ISSUER, "sid-alice"),
        Revocation::token(ISSUER, "id-alice.0"),
    ] {
        let world = world();
        let mut body = streaming(&world, "alice.0").await;
        let never = tower::service_fn(|_| {
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        });
        let mut pending = Box::pin(world.gate.layer(never).oneshot(request("alice.0")));
        assert!((&mut pending).now_or_never().is_none());
        world.revoke(revocation.clone()).await;
        assert!(is_over(&mut body), "{revocation:?}");
        let answer = (&mut pending).now_or_never().unwrap().unwrap();
        assert_eq!(answer.status(), 401, "{revocation:?}");
    }
}

/// One session has many tokens. That of one of them takes only what came with it.
#[tokio::test]
async fn a_revoked_token_leaves_the_others_of_its_session() {
    let world = world();
    world.advance(5);
    let mut of_old = streaming(&world, "alice.5").await;
    let mut of_new = streaming(&world, "alice.4").await;
    world.revoke(Revocation::token(ISSUER, "id-alice.5")).await;
    assert_eq!((is_over(&mut of_old), is_over(&mut of_new)), (true, false));
    // The session lives, and ends with what it belongs to.
    assert_eq!(world.ask("alice.4").await.0, 200);
    world.revoke(Revocation::session(ISSUER, "sid-alice")).await;
    assert!(is_over(&mut of_new));
    assert_eq!(world.ask("alice.4").await.0, 401);
}

/// A signal that was long on its way harms nobody who has logged in meanwhile.
#[tokio::test]
async fn who_has_authenticated_later_stays() {
    for revocation in [
        Revocation::client(ISSUER, "app"),
        Revocation::session(ISSUER, "sid-alice"),
    ] {
        let world = world();
        let mut before = streaming(&world, "alice.0").await;
        world.advance(10);
        let mut after = streaming(&world, "alice.10").await;
        let cut_off = crate::world::START + Duration::from_secs(5);
        world.revoke(revocation.with_cut_off(cut_off)).await;
        assert_eq!((is_over(&mut before), is_over(&mut after)), (true, false));
        assert_eq!(world.ask("alice.10").await.0, 200);
        assert_eq!(world.ask("alice.0").await.0, 401);
    }
}

/// What another server was told is known here when somebody looks: within a second where the store
/// answers at once, and within the time between two questions where it has to be asked.
#[tokio::test]
async fn what_another_server_revokes_ends_what_runs_here() {
    let shared = Arc::new(MemoryRevocations::with_capacity(100));
    let asked = FaultyRevocations::new(Arc::clone(&shared));
    let stack = |stack: StackBuilder<Complete>| stack.with_session(SessionLayer::builder());
    let key = || Secret::new([7; 16]);
    let near = World::with(|it| {
        stack(it)
            .with_revocations(Arc::clone(&shared))
            .with_revocation_key(key())
    });
    let far = World::with(|it| {
        stack(it)
            .with_revocations(asked.clone())
            .with_revocation_key(key())
    });
    let other = World::with(|it| {
        it.with_revocations(Arc::clone(&shared))
            .with_revocation_key(key())
    });
    for (world, name, seconds) in [(&near, "alice.0", 1), (&far, "dave.0", 16)] {
        let mut doomed = streaming(world, name).await;
        let mut another = streaming(world, "carol.0").await;
        let token = Revocation::token(ISSUER, format!("id-{name}"));
        other.revoke(token).await;
        assert!(!is_over(&mut doomed), "nobody has looked");
        for _ in 0..=seconds {
            world.advance(1);
            settle().await;
        }
        assert_eq!((is_over(&mut doomed), is_over(&mut another)), (true, false));
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_lets_nothing_run_on() {
    let world = world();
    world.advance(600);
    world.clock.step_wall_back(Duration::from_secs(200));
    assert!(is_cut(&world, "alice.500", Revocation::subject(ISSUER, "alice")).await);
    world.clock.step_wall_forward(Duration::from_secs(200));
    assert_eq!(world.ask("alice.500").await.0, 401);
}

#[tokio::test]
async fn who_authenticates_later_has_a_session_again() {
    let world = world();
    world.advance(5);
    assert_eq!(world.ask("alice.5").await.0, 200);
    world.revoke(Revocation::subject(ISSUER, "alice")).await;
    assert_eq!(world.ask("alice.5").await.0, 401);
    world.advance(1);
    assert_eq!(world.ask("alice.6").await.0, 200);
    assert_eq!(world.ask("alice.5").await.0, 401);
}

/// An API key that is issued in place of one that was revoked belongs to the same session.
#[tokio::test]
async fn a_new_key_of_the_same_robot_is_good() {
    let world = world();
    world.advance(5);
    assert!(is_cut(&world, "robot.5", Revocation::subject("keys", "robot")).await);
    assert_eq!(world.ask("robot.5").await.0, 401);
    assert_eq!(world.ask("robot.7").await.0, 200);
}

/// One that is issued after its sessions were ended is as good, and the one before it is not.
#[tokio::test]
async fn a_new_key_is_good_after_the_sessions_of_the_robot_were_ended() {
    let world = world();
    world.advance(5);
    assert_eq!(world.ask("robot.5").await.0, 200);
    assert_eq!(world.handle.end_sessions("keys", "robot").await.unwrap(), 1);
    world.advance(100);
    for _ in 0..2 {
        assert_eq!(world.ask("robot.5").await.0, 401);
        assert_eq!(world.ask("robot.100").await.0, 200);
    }
    assert_eq!(world.handle.end_sessions("keys", "robot").await.unwrap(), 1);
    world.revoke(Revocation::subject("keys", "robot")).await;
    world.advance(100);
    assert_eq!(world.ask("robot.100").await.0, 401);
    assert_eq!(world.ask("robot.200").await.0, 200);
}

#[tokio::test]
async fn sessions_that_cannot_be_ended_are_an_error_and_the_credential_is_over_all_the_same() {
    let store = FaultyStore::new(MemorySessions::default());
    let sessions = SessionLayer::builder().with_store(store.clone());
    let world = World::with(|stack| stack.with_session(sessions));
    assert_eq!(world.ask("alice.0").await.0, 200);
    store.set_failing(true);
    let revoked = world.try_revoke(Revocation::subject(ISSUER, "alice")).await;
    assert!(revoked.is_err());
    store.set_failing(false);
    drop(world.audit.take());
    assert_eq!(world.ask("alice.0").await.0, 401);
    world.assert_refused("credential_revoked", 401);
    // As the error says: again.
    world.revoke(Revocation::subject(ISSUER, "alice")).await;
}

#[tokio::test]
async fn is_done_to_the_end() {
    let world = world();
    let revoking = world.handle.revoke(Revocation::subject(ISSUER, "alice"));
    // Whoever waits goes away after a first look.
    assert!(revoking.now_or_never().is_none());
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.ask("alice.0").await.0, 401);
}
