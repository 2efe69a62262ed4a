//! What runs in a session ends with it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis::{
    BodyError, Clock as _, Exchange, ResponseBody, Secret,
    session::{EndReason, MemorySessions},
};
use portcullis_testing::faulty_store::FaultyStore;
use portcullis_tests::{
    patience::settle,
    streams::{TICK, Ticks, streaming},
};
use tower::{Layer as _, ServiceExt as _};

use crate::people::{World, request, request_for};

/// Lets time go by in steps in which everybody gets on.
pub(super) async fn pass(world: &World, seconds: u64) {
    for _ in 0..seconds {
        world.advance(1);
        settle().await;
    }
}

/// A body in the hands of a client that reads.
pub(super) struct Reader(ResponseBody<Ticks>);

impl Reader {
    pub(super) async fn open(
        world: &World,
        request: Request<String>,
        content_type: &'static str,
        text: &'static str,
    ) -> Self {
        let service = world
            .gate
            .layer(streaming(&world.clock, content_type, text));
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        Self(response.into_body())
    }

    pub(super) async fn events(world: &World, token: &str) -> Self {
        Self::open(world, request(token), "text/event-stream", TICK).await
    }

    /// What there is without waiting; `None` at the end.
    pub(super) async fn read(&mut self) -> Option<Result<String, BodyError>> {
        settle().await;
        let mut all = String::new();
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.0.frame() => frame,
                () = settle() => return Some(Ok(all)),
            };
            match frame {
                Some(Ok(frame)) => {
                    all.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
                }
                Some(Err(error)) => return Some(Err(error)),
                None if all.is_empty() => return None,
                None => return Some(Ok(all + "[end]")),
            }
        }
    }
}

pub(super) const GOODBYE: &str = "event: session-ended\ndata:\n\n[end]";

#[tokio::test]
async fn a_stream_ends_with_its_session_after_a_last_event() {
    let world = World::new();
    let mut reader = Reader::events(&world, "alice.user.0").await;
    assert_eq!(reader.read().await.unwrap().unwrap(), "data: tick\n\n");
    for _ in 0..599 {
        world.advance(1);
        assert_eq!(reader.read().await.unwrap().unwrap(), "data: tick\n\n");
    }
    world.advance(2);
    let last = reader.read().await.unwrap().unwrap();
    assert!(last.ends_with(GOODBYE), "{last:?}");
    assert!(reader.read().await.is_none());
    let records = world.audit.take();
    let reasons: Vec<_> = records
        .iter()
        .map(|record| record.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        ["admitted", "session_opened", "session_absolute", "cut"]
    );
}

#[tokio::test]
async fn there_is_no_goodbye_where_it_could_not_be_told_from_the_rest() {
    for (content_type, text) in [
        ("text/event-stream", "data: {\"half"),
        ("application/x-ndjson", "{}\n"),
        ("application/octet-stream", "data: tick\n\n"),
    ] {
        let world = World::new();
        let mut reader = Reader::open(&world, request("alice.user.0"), content_type, text).await;
        assert_eq!(reader.read().await.unwrap().unwrap(), text);
        world
            .handle
            .end_sessions("https://idp.example", "alice")
            .await
            .unwrap();
        let error = reader.read().await.unwrap().unwrap_err();
        assert_eq!(
            error.session_over(),
            Some(EndReason::Revoked),
            "{content_type}"
        );
        assert_eq!(error.to_string(), "the session is over");
        assert!(reader.read().await.is_none());
    }
}

#[tokio::test]
async fn a_stream_is_activity_and_a_passive_one_is_not() {
    let world = World::with(|session| session.add_passive_route("/feed"));
    let mut reader = Reader::events(&world, "alice.user.0").await;
    let feed = request_for("/feed", "bob.user.0");
    let mut passive = Reader::open(&world, feed, "text/event-stream", TICK).await;
    for second in 0..70 {
        world.advance(1);
        let _ = reader.read().await.unwrap().unwrap();
        let read = passive.read().await;
        assert!(read.is_some() || second >= 60, "{second}");
    }
    assert!(passive.read().await.is_none());
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    assert_eq!(world.ask("bob.user.0").await.0, 401);
}

#[tokio::test]
async fn one_request_counts_as_activity_for_so_long_only() {
    let world = World::with(|session| session.with_max_running(Duration::from_secs(100)));
    let mut reader = Reader::events(&world, "alice.user.0").await;
    for _ in 0..150 {
        world.advance(1);
        assert!(
            reader
                .read()
                .await
                .unwrap()
                .unwrap()
                .starts_with("data: tick")
        );
    }
    for _ in 0..20 {
        world.advance(1);
        let _ = reader.read().await;
    }
    assert!(reader.read().await.is_none());
    assert_eq!(world.ask("alice.user.0").await.0, 401);
}

#[tokio::test]
async fn a_client_that_refreshes_its_token_in_time_keeps_its_stream() {
    for (refreshed, is_cut) in [
        ("alice.user.0.300.-.read+write", false),
        ("alice.user.0.300.-.read", true),
        ("alice.user.0.300.other.read+write", true),
        ("alice.user.0.90.-.read+write", true),
    ] {
        let world = World::new();
        let mut reader = Reader::events(&world, "alice.user.0.100.-.read+write").await;
        let _ = reader.read().await;
        pass(&world, 50).await;
        assert_eq!(world.ask(refreshed).await.0, 200);
        pass(&world, 52).await;
        let read = reader.read().await.unwrap().unwrap();
        assert_eq!(read.ends_with(GOODBYE), is_cut, "{refreshed}: {read}");
        let reasons = world.audit.take();
        let is_recorded = reasons
            .iter()
            .any(|record| record.reason.as_str() == "session_credential_expired");
        assert_eq!(is_recorded, is_cut, "{refreshed}");
        // The session itself goes on.
        assert_eq!(world.ask("alice.user.0.900").await.0, 200);
    }
}

#[tokio::test]
async fn a_handler_that_has_not_answered_is_dropped_and_the_client_told() {
    struct Alive(Arc<AtomicU64>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let world = World::new();
    let alive = Arc::new(AtomicU64::new(0));
    let handler = {
        let alive = Arc::clone(&alive);
        tower::service_fn(move |_| {
            alive.fetch_add(1, Ordering::SeqCst);
            let guard = Alive(Arc::clone(&alive));
            async move {
                std::future::pending::<()>().await;
                drop(guard);
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        })
    };
    assert_eq!(world.ask("alice.user.0").await.0, 200);
    let service = world.gate.layer(handler);
    let call = tokio::spawn(service.oneshot(request("alice.user.0")));
    settle().await;
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    world
        .handle
        .end_sessions("https://idp.example", "alice")
        .await
        .unwrap();
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("www-authenticate"));
    assert_eq!(alive.load(Ordering::SeqCst), 0, "the handler is gone");
    assert_eq!(world.ask("bob.user.0").await.0, 200);
}

#[tokio::test]
async fn what_a_handler_has_spawned_stands_still_after_the_end() {
    let world = World::new();
    let steps = Arc::new(AtomicU64::new(0));
    let handler = {
        let (steps, clock) = (Arc::clone(&steps), world.clock.clone());
        tower::service_fn(move |request: Request<_>| {
            let session = Exchange::of(request.extensions())
                .unwrap()
                .session()
                .unwrap()
                .clone();
            let (steps, clock) = (Arc::clone(&steps), clock.clone());
            let ended = session.ended();
            tokio::spawn(async move {
                let agent = async {
                    loop {
                        steps.fetch_add(1, Ordering::SeqCst);
                        clock
                            .sleep_until(clock.instant() + Duration::from_secs(1))
                            .await;
                    }
                };
                let over: Result<(), _> = session.run(agent).await;
                assert_eq!(over, Err(EndReason::Idle));
                assert_eq!(ended.await, EndReason::Idle);
            });
            std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
        })
    };
    assert_eq!(
        world.ask_with(request("alice.user.0"), handler).await.0,
        200
    );
    for _ in 0..59 {
        world.advance(1);
        settle().await;
    }
    let before = steps.load(Ordering::SeqCst);
    assert!(before >= 59, "{before}");
    // Nobody asks, nobody reads: the session is over all the same.
    world.advance(3);
    settle().await;
    let at_the_end = steps.load(Ordering::SeqCst);
    for _ in 0..100 {
        world.advance(1);
        settle().await;
    }
    assert_eq!(steps.load(Ordering::SeqCst), at_the_end);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_its_activity() {
    let world = World::new();
    let mut reader = Reader::events(&world, "alice.user.0").await;
    let _ = reader.read().await;
    pass(&world, 100).await;
    drop(reader);
    world.advance(59);
    assert_eq!(world.ask("alice.user.0").await.0, 200);
}

/// What ran in a session is ended also where its caller has a new one already.
#[tokio::test]
async fn a_stream_does_not_outlive_its_session_by_way_of_the_next_one() {
    let world = World::new();
    let mut reader = Reader::events(&world, "reporting.key").await;
    let _ = reader.read().await;
    pass(&world, 598).await;
    let _ = reader.read().await;
    // Between two looks of whoever looks after it: the old one is over, the next one runs.
    world.advance(2);
    let mut next = Reader::events(&world, "reporting.key").await;
    let _ = next.read().await;
    pass(&world, 3).await;
    let last = reader.read().await.unwrap().unwrap();
    assert!(last.ends_with(GOODBYE), "{last:?}");
    assert!(
        next.read()
            .await
            .unwrap()
            .unwrap()
            .starts_with("data: tick")
    );
}

/// What another server wrote into the store that both ask is seen within 15 seconds, and a
/// second for the look.
#[tokio::test]
async fn a_stream_ends_when_another_server_has_ended_its_session() {
    let store = FaultyStore::new(MemorySessions::default());
    let server = || {
        let shared = store.clone();
        World::with(|session| session.with_store(shared).with_key(Secret::new([7; 16])))
    };
    let (here, there) = (server(), server());
    let mut reader = Reader::events(&here, "alice.user.0").await;
    // From here on it is looked after; the store is asked at once, and again in 15 seconds.
    let _ = reader.read().await;
    pass(&here, 3).await;
    assert!(!reader.read().await.unwrap().unwrap().ends_with(GOODBYE));
    let ended = there
        .handle
        .end_sessions("https://idp.example", "alice")
        .await;
    assert_eq!(ended.unwrap(), 1);
    pass(&here, 17).await;
    let last = reader.read().await.unwrap().unwrap();
    assert!(last.ends_with(GOODBYE), "{last:?}");
}
