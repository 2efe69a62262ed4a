//! For how long what runs may run on when its time is up.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use portcullis::{
    Exchange, Secret,
    session::{AtExpiry, EndReason, MemorySessions, SessionBuilder},
    signal::MemorySignals,
};
use portcullis_tests::patience::settle;
use tower::{Layer as _, ServiceExt as _};

use crate::{
    people::{World, request, request_for},
    streams::{GOODBYE, Reader, pass},
};

const ISSUER: &str = "https://idp.example";

fn with_grace(session: SessionBuilder) -> SessionBuilder {
    session
        .with_grace(Duration::from_secs(10))
        .add_passive_route("/feed")
}

/// Lets seconds go by, and says after how many the stream was at its end.
async fn ends_after(world: &World, reader: &mut Reader, most: u64) -> Option<u64> {
    for second in 1..=most {
        world.advance(1);
        let read = reader.read().await;
        match read {
            None => return Some(second - 1),
            Some(read) if read.as_ref().unwrap().ends_with(GOODBYE) => return Some(second),
            Some(_) => {}
        }
    }
    None
}

#[tokio::test]
async fn what_runs_may_finish_and_nothing_new_begins() {
    for (path, token, deadline, reason) in [
        ("/feed", "alice.user.0", 60, "session_idle"),
        ("/notes", "alice.user.0", 600, "session_absolute"),
        (
            "/notes",
            "alice.user.0.100",
            100,
            "session_credential_expired",
        ),
    ] {
        let world = World::with(with_grace);
        let mut reader = Reader::open(
            &world,
            request_for(path, token),
            "text/event-stream",
            "data: tick\n\n",
        )
        .await;
        let _ = reader.read().await;
        assert_eq!(
            ends_after(&world, &mut reader, deadline + 2).await,
            None,
            "{reason}"
        );
        let _ = world.audit.take();
        if reason != "session_credential_expired" {
            assert_eq!(world.ask(token).await.0, 401, "{reason}");
            world.assert_refused(reason, 401);
        }
        let more = ends_after(&world, &mut reader, 12).await.unwrap();
        assert!((8..=11).contains(&more), "{reason}: {more}");
        let records = world.audit.take();
        let reasons: Vec<_> = records
            .iter()
            .map(|record| record.reason.as_str())
            .collect();
        assert_eq!(reasons, [reason, "cut"]);
    }
}

#[tokio::test]
async fn what_finishes_in_time_is_complete() {
    let world = World::with(with_grace);
    let handler = {
        let clock = world.clock.clone();
        tower::service_fn(move |_: Request<_>| {
            let clock = clock.clone();
            async move {
                use portcullis::Clock as _;
                clock
                    .sleep_until(clock.instant() + Duration::from_secs(105))
                    .await;
                Ok::<_, Infallible>(Response::new("done".to_owned()))
            }
        })
    };
    let call = tokio::spawn(
        world
            .gate
            .layer(handler)
            .oneshot(request("alice.user.0.100")),
    );
    settle().await;
    pass(&world, 106).await;
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    let records = world.audit.take();
    let reasons: Vec<_> = records
        .iter()
        .map(|record| record.reason.as_str())
        .collect();
    assert_eq!(reasons, ["admitted", "session_opened", "dropped"]);
}

#[tokio::test]
async fn what_is_revoked_has_none_also_while_it_lasts() {
    for waits in [1, 63] {
        let world = World::with(with_grace);
        let feed = request_for("/feed", "alice.user.0");
        let mut reader = Reader::open(&world, feed, "text/event-stream", "data: tick\n\n").await;
        let _ = reader.read().await;
        pass(&world, waits).await;
        let _ = reader.read().await;
        world.handle.end_sessions(ISSUER, "alice").await.unwrap();
        let read = reader.read().await.unwrap().unwrap();
        assert_eq!(read, GOODBYE, "after {waits} seconds");
        let records = world.audit.take();
        let reasons: Vec<_> = records
            .iter()
            .map(|record| record.reason.as_str())
            .collect();
        assert!(reasons.contains(&"session_revoked"), "{reasons:?}");
    }
}

#[tokio::test]
async fn nor_what_another_server_ends_meanwhile() {
    let (store, bus) = (Arc::new(MemorySessions::default()), MemorySignals::new());
    let [here, elsewhere] = [(); 2].map(|()| {
        World::with(|session| {
            with_grace(session)
                .with_store(Arc::clone(&store))
                .with_key(Secret::new([7; 16]))
                .with_signals(bus.clone())
        })
    });
    let feed = request_for("/feed", "alice.user.0");
    let mut reader = Reader::open(&here, feed, "text/event-stream", "data: tick\n\n").await;
    let _ = reader.read().await;
    pass(&here, 63).await;
    pass(&elsewhere, 63).await;
    assert!(
        reader
            .read()
            .await
            .unwrap()
            .unwrap()
            .starts_with("data: tick")
    );
    // Nothing lives there any more, and what runs on is ended all the same.
    let ended = elsewhere.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 0);
    assert_eq!(reader.read().await.unwrap().unwrap(), GOODBYE);
}

#[tokio::test]
async fn unless_that_is_asked_for() {
    let world = World::with(|session| {
        session.dangerously_with_grace_after_revocation(Duration::from_secs(5))
    });
    let mut reader = Reader::events(&world, "alice.user.0").await;
    let _ = reader.read().await;
    world.handle.end_sessions(ISSUER, "alice").await.unwrap();
    assert_eq!(world.ask("alice.user.0").await.0, 401, "nothing new");
    let more = ends_after(&world, &mut reader, 10).await.unwrap();
    assert!((4..=6).contains(&more), "{more}");
}

#[tokio::test]
async fn ended_completes_when_it_is_over() {
    let world = World::with(with_grace);
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Arc::new(std::sync::Mutex::new(Some(tell)));
    let handler = {
        let clock = world.clock.clone();
        tower::service_fn(move |request: Request<_>| {
            let session = Exchange::of(request.extensions())
                .unwrap()
                .session()
                .unwrap();
            let (ended, clock) = (session.ended(), clock.clone());
            let tell = tell.lock().unwrap().take().unwrap();
            tokio::spawn(async move {
                use portcullis::Clock as _;
                let reason = ended.await;
                let _ = tell.send((reason, clock.now()));
            });
            async { Ok::<_, Infallible>(Response::new(String::new())) }
        })
    };
    assert_eq!(
        world.ask_with(request("alice.user.0"), handler).await.0,
        200
    );
    pass(&world, 75).await;
    let (reason, at) = told.await.unwrap();
    assert_eq!(reason, EndReason::Idle);
    let after = at
        .saturating_since(portcullis_testing::clock::VirtualClock::START)
        .as_secs();
    assert!((69..=72).contains(&after), "{after}");
}

#[tokio::test]
async fn an_answer_may_outlast_its_credential_where_that_is_said_but_not_its_session() {
    let world = World::with(|session| session.with_credential_expiry(AtExpiry::AllowFinish));
    let mut reader = Reader::events(&world, "alice.user.0.100").await;
    let _ = reader.read().await;
    // It keeps the session for as long as its credential counts, and for the idle time after that.
    let more = ends_after(&world, &mut reader, 300).await.unwrap();
    assert!((159..=162).contains(&more), "{more}");
    let records = world.audit.take();
    assert!(
        records
            .iter()
            .any(|record| record.reason.as_str() == "session_idle")
    );
}
