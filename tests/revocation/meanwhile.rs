//! What happens while a store of sessions is asked.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use portcullis::{
    Exchange, RequestBody, Secret, Timestamp,
    audit::{Outcome, RecordKind},
    revocation::{MemoryRevocations, Revocation},
    session::{
        Change, Commit, MemorySessions, OwnerKey, Revision, SessionId, SessionKey, SessionLayer,
        SessionStore, Sessions, StoreError,
    },
    stack::{Complete, StackBuilder},
};
use tower::{Layer as _, ServiceExt as _};

use crate::world::{ISSUER, World, request};

type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store that is asked, in which something happens before the next commit or load.
#[derive(Clone, Default)]
struct Eventful {
    store: Arc<MemorySessions>,
    next_commit: Arc<Mutex<Option<Event>>>,
    next_load: Arc<Mutex<Option<Event>>>,
    /// How often somebody else will be faster.
    conflicts: Arc<AtomicUsize>,
}

impl Eventful {
    fn before_the_next_commit(&self, event: impl Future<Output = ()> + Send + 'static) {
        *self.next_commit.lock().unwrap() = Some(Box::pin(event));
    }

    fn before_the_next_load(&self, event: impl Future<Output = ()> + Send + 'static) {
        *self.next_load.lock().unwrap() = Some(Box::pin(event));
    }
}

impl SessionStore for Eventful {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let event = self.next_load.lock().unwrap().take();
        if let Some(event) = event {
            event.await;
        }
        self.store.load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let less = |left: usize| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if self.conflicts.fetch_update(order, order, less).is_ok() {
            return Ok(Commit::Conflict);
        }
        let event = self.next_commit.lock().unwrap().take();
        if let Some(event) = event {
            event.await;
        }
        self.store.commit(owner, expected, changes, now).await
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.store.touch(owner, key, id, at).await
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

fn world() -> (Arc<World>, Eventful) {
    let store = Eventful::default();
    let sessions = SessionLayer::builder().with_store(store.clone());
    let world = World::with(|stack| stack.with_session(sessions));
    (Arc::new(world), store)
}

/// The body of an answer that streams until it is cut.
async fn stream(
    world: &World,
    token: &str,
) -> impl Body<Data = Bytes, Error: Send> + Unpin + use<> {
    let handler = tower::service_fn(async |_| {
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(StreamBody::new(never)).unwrap())
    });
    let service = world.gate.layer(handler);
    let response = service.oneshot(request(token)).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = Box::pin(response.into_body());
    assert!(body.frame().now_or_never().is_none(), "it streams");
    body
}

/// The task that looks after sessions has its turn.
async fn tick(world: &World) {
    world.advance(1);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_opens_a_session_while_all_are_ended_is_not_let_in() {
    let (world, store) = world();
    let there = Arc::clone(&world);
    store.before_the_next_commit(async move {
        there.revoke(Revocation::subject(ISSUER, "alice")).await;
    });
    let (status, challenge) = world.ask("alice.0").await;
    assert_eq!(status, 401);
    assert!(challenge.contains("invalid_token"), "{challenge}");
    let records = world.audit.take();
    let reasons: Vec<_> = records
        .iter()
        .map(|record| record.reason.as_str())
        .collect();
    assert_eq!(reasons, ["credential_revoked"]);
    assert_eq!(world.ask("bob.0").await.0, 200);
}

#[tokio::test]
async fn what_begins_while_its_session_is_ended_ends_with_it() {
    let (world, store) = world();
    assert_eq!(world.ask("alice.0").await.0, 200);
    let (there, begun) = (Arc::clone(&world), Arc::new(Mutex::new(None)));
    let kept = Arc::clone(&begun);
    store.before_the_next_commit(async move {
        let body = stream(&there, "alice.0").await;
        // Looked at while it still lives, so that nobody looks again soon.
        tick(&there).await;
        *kept.lock().unwrap() = Some(body);
    });
    assert_eq!(world.handle.end_sessions(ISSUER, "alice").await.unwrap(), 1);
    let mut body = begun.lock().unwrap().take().unwrap();
    assert!(body.frame().now_or_never().is_some(), "it goes on");
}

#[tokio::test]
async fn who_authenticates_while_its_session_is_ended_keeps_it_and_nothing_else() {
    let (world, store) = world();
    let mut body = stream(&world, "alice.0").await;
    let there = Arc::clone(&world);
    store.before_the_next_commit(async move {
        assert_eq!(there.ask("alice.30").await.0, 200);
    });
    world.revoke(Revocation::subject(ISSUER, "alice")).await;
    // What came with the older token is over.
    assert!(body.frame().now_or_never().is_some(), "it goes on");
    let mut later = stream(&world, "alice.30").await;
    tick(&world).await;
    assert!(later.frame().now_or_never().is_none(), "it was cut");
}

/// What was recorded of calls, and of nothing else.
fn calls(world: &World) -> Vec<(&'static str, Outcome)> {
    let records = world.audit.take();
    let calls = records
        .iter()
        .filter(|record| record.kind == RecordKind::Call);
    calls
        .map(|record| (record.reason.as_str(), record.outcome))
        .collect()
}

#[tokio::test]
async fn a_call_is_not_permitted_that_is_revoked_while_the_session_is_looked_at() {
    let store = Eventful::default();
    let sessions = SessionLayer::builder().with_store(store.clone());
    let revocations = Arc::new(MemoryRevocations::default());
    let shared = |stack: StackBuilder<Complete>| {
        stack
            .with_revocations(Arc::clone(&revocations))
            .with_revocation_key(Secret::new([7; 16]))
    };
    let world = World::with(|stack| shared(stack).with_session(sessions));
    // On another server, which cuts nothing here.
    let there = Arc::new(World::with(shared));
    let handler = tower::service_fn(move |request: Request<RequestBody<String>>| {
        let exchange = Exchange::of(request.extensions()).unwrap().clone();
        let there = Arc::clone(&there);
        store.before_the_next_load(async move {
            there.revoke(Revocation::token(ISSUER, "id-alice.0")).await;
        });
        async move {
            let denied = exchange.authorize("notes.write", ()).await;
            let status = denied.err().map(|denial| denial.status());
            let status = status.unwrap_or(StatusCode::OK).to_string();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(status)))
        }
    });
    assert_eq!(world.ask_with(request("alice.0"), handler).await.0, 200);
    assert_eq!(calls(&world), [("credential_revoked", Outcome::Refused)]);
}

#[tokio::test]
async fn a_call_that_is_dropped_has_a_record_once_a_store_was_asked() {
    let (world, store) = world();
    let handler = tower::service_fn(move |request: Request<RequestBody<String>>| {
        let exchange = Exchange::of(request.extensions()).unwrap().clone();
        let store = store.clone();
        async move {
            drop(exchange.authorize("notes.write", ()));
            store.before_the_next_load(std::future::pending());
            let asked = exchange.authorize("notes.write", ()).now_or_never();
            assert!(asked.is_none(), "the store has answered");
            let asked = exchange.authorize("notes.write", ()).await;
            assert!(asked.is_ok(), "the next one is permitted");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    assert_eq!(world.ask_with(request("alice.0"), handler).await.0, 200);
    let expected = [
        ("abandoned", Outcome::Failed),
        ("permitted", Outcome::Admitted),
    ];
    assert_eq!(calls(&world), expected);
}

#[tokio::test]
async fn who_changes_his_sessions_all_the_time_does_not_keep_them_by_it() {
    let (world, store) = world();
    assert_eq!(world.ask("alice.0").await.0, 200);
    store.conflicts.store(30, Ordering::Relaxed);
    let handle = world.handle.clone();
    let ending = tokio::spawn(async move { handle.end_sessions(ISSUER, "alice").await });
    for _ in 0..30 {
        tick(&world).await;
    }
    assert_eq!(ending.now_or_never().unwrap().unwrap().unwrap(), 1);
    assert_eq!(world.ask("alice.0").await.0, 401);
}
