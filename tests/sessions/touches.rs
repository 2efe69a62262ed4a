//! How often a store that has to be asked is told that a session is active.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use portcullis::{
    RequestBody, Timestamp,
    session::{
        Change, Commit, MemorySessions, OwnerKey, Revision, SessionId, SessionKey, SessionStore,
        Sessions, StoreError,
    },
};
use portcullis_tests::patience::settle;
use tower::{Layer as _, ServiceExt as _};

use crate::people::{World, request};

/// A store that is asked, and does not answer what it is told while it hangs.
#[derive(Clone, Default)]
struct Slow {
    store: Arc<MemorySessions>,
    touches: Arc<AtomicUsize>,
    hangs: Arc<AtomicBool>,
}

impl SessionStore for Slow {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        self.store.load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        self.store.commit(owner, expected, changes, now).await
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.touches.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        self.store.touch(owner, key, id, at).await
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

impl Slow {
    fn touches(&self) -> usize {
        self.touches.load(Ordering::Relaxed)
    }
}

const IDLE: u64 = 80;

fn world() -> (World, Slow) {
    let store = Slow::default();
    let world = World::with(|session| {
        let session = session.with_idle(Duration::from_secs(IDLE));
        session.with_store(store.clone())
    });
    (world, store)
}

#[tokio::test]
async fn a_store_that_hangs_is_told_once_of_each_session() {
    let (world, store) = world();
    store.hangs.store(true, Ordering::Relaxed);
    for _ in 0..20 {
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        assert_eq!(world.ask("bob.user.0").await.0, 200);
        settle().await;
    }
    assert_eq!(store.touches(), 2);
    let never = tower::service_fn(async |_: Request<RequestBody<String>>| {
        pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
    });
    let service = world.gate.layer(never);
    let mut waiting = tokio_test::task::spawn(service.oneshot(request("carol.user.0")));
    assert!(waiting.poll().is_pending());
    settle().await;
    assert!(waiting.poll().is_pending());
    for _ in 0..IDLE / 2 {
        world.advance(1);
        settle().await;
    }
    assert_eq!(store.touches(), 3);
}

#[tokio::test]
async fn a_store_is_told_a_few_times_in_an_idle_time_and_that_is_enough() {
    let (world, store) = world();
    for _ in 0..2 * IDLE {
        assert_eq!(world.ask("alice.user.0").await.0, 200);
        settle().await;
        world.advance(1);
    }
    // Once when it began, and then each eighth of the time.
    let touches = store.touches();
    assert!((2..=2 * 8 + 1).contains(&touches), "{touches}");
    world.advance(IDLE);
    assert_eq!(world.ask("alice.user.0").await.0, 401);
}
