//! No task of ours is left when a gate has been shut down.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use portcullis::{
    Authenticator, Check, Description, RequestBody, RequestView, Secret, Stack, Timestamp, Verdict,
    jwt::{Issuer, Jwt},
    session::{
        Change, Commit, MemorySessions, OwnerKey, Revision, SessionId, SessionKey, SessionStore,
        Sessions, StoreError,
    },
};
use portcullis_testing::{
    audit::RecordingAudit,
    clock::VirtualClock,
    faulty_store::FaultyStore,
    identity_provider::{Endpoint, IdentityProvider, Misbehaviour},
};
use portcullis_tests::{
    fixtures::{RESOURCE, short_sessions},
    patience::{eventually, settle},
    streams::{TICK, streaming},
};
use tokio::{runtime::Handle, sync::watch};
use tower::{Layer as _, ServiceExt as _};

use crate::world::{GRACE, World, answer, request, request_as};

fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn every_task_has_ended() {
    let store = FaultyStore::new(MemorySessions::default());
    let sessions = short_sessions()
        .with_store(store)
        .with_key(Secret::new([7; 16]));
    let world = World::with(|stack| stack.with_session(sessions));
    let before = alive();
    let service = world
        .gate
        .layer(streaming(&world.clock, "text/event-stream", TICK));
    let stream = service.oneshot(request()).await.unwrap();
    let reading =
        tokio::spawn(async move { http_body_util::BodyExt::collect(stream.into_body()).await });
    assert_eq!(world.ask(request(), answer()).await, 200);
    world.pass(20).await;
    assert!(alive() > before + 1, "what looks after sessions is a task");
    let shutting = world.shut().await;
    world.pass(GRACE.as_secs() + 1).await;
    let _ = shutting.await.unwrap();
    let _ = reading.await.unwrap();
    settle().await;
    assert_eq!(alive(), before);
    world.pass(60).await;
    assert_eq!(alive(), before, "one has come back");
}

/// A store that takes what it is told, and never says so.
struct Hanging(MemorySessions);

impl SessionStore for Hanging {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        self.0.load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        self.0.commit(owner, expected, changes, now).await
    }

    async fn touch(
        &self,
        _owner: OwnerKey,
        _key: SessionKey,
        _id: SessionId,
        _at: Timestamp,
    ) -> Result<bool, StoreError> {
        pending().await
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_store_that_hangs_holds_up_nobody_for_more_than_seconds() {
    let store = Hanging(MemorySessions::default());
    let world = World::with(|stack| stack.with_session(short_sessions().with_store(store)));
    let before = alive();
    assert_eq!(world.ask(request(), answer()).await, 200);
    assert!(alive() > before, "the store is told by a task");
    let shutting = world.shut().await;
    assert!(!shutting.is_finished(), "the task has a moment to end");
    world.pass(3).await;
    let _ = shutting.await.unwrap();
    settle().await;
    assert_eq!(alive(), before);
}

#[tokio::test]
async fn an_authenticator_ends_its_tasks() {
    // The clock of the world does not go by, so nothing gives up by itself.
    let clock = VirtualClock::new();
    let provider = IdentityProvider::new().with_clock(clock).serve().await;
    provider.misbehave(Endpoint::Jwks, Misbehaviour::NeverAnswers);
    let issuer = Issuer::new(provider.issuer()).dangerously_allow_local_network();
    let world = World::with(|stack| stack.add_authenticator(Jwt::new(issuer)));
    let token = provider.token("alice").with_audience(RESOURCE).mint();
    let mut asking = Box::pin(world.ask(request_as(&token), answer()));
    tokio::select! {
        _ = &mut asking => panic!("the keys are there"),
        () = eventually("a request for keys", || provider.jwks_requests() > 0) => {}
    }
    drop(asking);
    // The task goes on: it belongs to no request. Tasks of the client's connection are there as
    // well, so they are not counted here; that it has ended is told by what waits for it.
    let waiting = tokio::spawn({
        let handle = world.handle.clone();
        async move { handle.ready().await }
    });
    settle().await;
    assert!(!waiting.is_finished());
    let _ = world.handle.shutdown(GRACE).await;
    let error = waiting.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("was interrupted"), "{error}");
}

/// A request on which another one is still deciding does not come to it any more.
#[tokio::test]
async fn an_authenticator_that_is_shut_down_is_asked_for_no_verdict() {
    /// Knows nobody, once it is told to say so.
    struct Slow(watch::Receiver<()>);

    impl Authenticator for Slow {
        fn describe(&self) -> Description {
            Description::bearer("slow")
        }

        fn check(&self, _: &RequestView<'_>) -> Check<Verdict> {
            Check::NeedsIo
        }

        async fn verify(&self, _: &RequestView<'_>) -> Verdict {
            let mut signal = self.0.clone();
            while signal.changed().await.is_ok() {}
            Verdict::Absent
        }
    }

    #[derive(Clone, Default)]
    struct Ended {
        is_shut_down: Arc<AtomicBool>,
        was_asked_after: Arc<AtomicBool>,
    }

    impl Authenticator for Ended {
        fn describe(&self) -> Description {
            Description::bearer("ended")
        }

        fn check(&self, _: &RequestView<'_>) -> Check<Verdict> {
            let is_shut_down = self.is_shut_down.load(Ordering::SeqCst);
            self.was_asked_after
                .fetch_or(is_shut_down, Ordering::SeqCst);
            Check::Done(Verdict::Absent)
        }

        async fn shutdown(&self) {
            self.is_shut_down.store(true, Ordering::SeqCst);
        }
    }

    let (signal, slow) = watch::channel(());
    let ended = Ended::default();
    let (gate, handle) = Stack::builder()
        .with_audit(RecordingAudit::new())
        .with_resource(RESOURCE)
        .add_authenticator(Slow(slow))
        .add_authenticator(ended.clone())
        .build()
        .unwrap();
    let handler = tower::service_fn(async |_: Request<RequestBody<String>>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let asking = tokio::spawn(gate.layer(handler).oneshot(request()));
    settle().await;
    let _ = handle.shutdown(Duration::ZERO).await;
    assert!(ended.is_shut_down.load(Ordering::SeqCst));
    drop(signal);
    assert_eq!(asking.await.unwrap().unwrap().status(), 503);
    assert!(!ended.was_asked_after.load(Ordering::SeqCst));
}
