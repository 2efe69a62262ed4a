//! What a shutdown lets complete, what it ends, and how.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis::{
    Exchange, Secret,
    session::{EndReason, MemorySessions},
};
use portcullis_testing::{
    audit::RecordingAudit, faulty_store::FaultyStore, http_probe::HandlerProbe,
};
use portcullis_tests::{
    answers::is_documented,
    fixtures::{request as request_without, short_sessions},
    patience::settle,
    streams::{TICK, streaming},
};
use tokio::sync::watch;
use tokio_test::assert_ready;
use tower::{Layer as _, ServiceExt as _};

use crate::world::{GRACE, World, answer, answer_after, request, request_as};

#[tokio::test]
async fn nothing_more_is_let_in() {
    let world = World::new();
    let (signal, _) = watch::channel(());
    let running = tokio::spawn(world.gate.layer(answer_after(&signal)).oneshot(request()));
    settle().await;
    let shutting = world.shut().await;
    let _ = world.audit.take();

    let probe = HandlerProbe::new();
    let public = request_without()
        .uri("/public")
        .body(String::new())
        .unwrap();
    for request in [
        request(),
        request_as("io-good-alice"),
        request_as("bad"),
        public,
    ] {
        let response = world
            .gate
            .layer(probe.clone())
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(!response.headers().contains_key("www-authenticate"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            body.contains("Service Unavailable") && !body.contains("shut"),
            "{body}"
        );
    }
    probe.assert_not_called();
    assert_eq!(world.reasons(), ["shutting_down"; 4]);
    assert!(is_documented("shutting_down", 503));
    let error = world.handle.ready().await.unwrap_err().to_string();
    assert_eq!(error, "`gate` is not ready: it is shut down");

    drop(signal);
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    let shutdown = shutting.await.unwrap();
    assert_eq!((shutdown.ended, shutdown.left), (0, 0));
    assert!(shutdown.audit.is_ok());
    assert_eq!(
        world.ask(request(), answer()).await,
        503,
        "it does not come up again"
    );
}

#[tokio::test]
async fn what_completes_in_time_is_not_ended_and_the_rest_of_the_grace_is_not_waited_for() {
    let world = World::new();
    let (signal, _) = watch::channel(());
    let handler = world.gate.layer(answer_after(&signal));
    let running = tokio::spawn(handler.oneshot(request()));
    settle().await;
    let shutting = world.shut().await;
    world.pass(GRACE.as_secs() - 1).await;
    assert!(!shutting.is_finished());
    drop(signal);
    let response = running.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    settle().await;
    assert!(!shutting.is_finished(), "the body has not been read");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "done");
    let shutdown = shutting.await.unwrap();
    assert_eq!((shutdown.ended, shutdown.left), (0, 0));
    assert_eq!(world.reasons(), ["admitted", "session_opened", "completed"]);
}

/// With sessions and without them.
fn worlds() -> [World; 2] {
    [World::new(), World::bare(RecordingAudit::new())]
}

#[tokio::test]
async fn a_stream_ends_after_the_grace_with_a_last_event() {
    for world in worlds() {
        let service = world
            .gate
            .layer(streaming(&world.clock, "text/event-stream", TICK));
        let response = service.oneshot(request()).await.unwrap();
        let reading = tokio::spawn(response.into_body().collect());
        world.pass(3).await;
        let shutting = world.shut().await;
        world.pass(GRACE.as_secs() - 1).await;
        assert!(!reading.is_finished() && !shutting.is_finished());
        world.pass(1).await;
        let text = reading.await.unwrap().unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let goodbye = "event: shutting-down\ndata:\n\n";
        assert!(text.ends_with(&format!("{TICK}{goodbye}")), "{text:?}");
        let shutdown = shutting.await.unwrap();
        assert_eq!((shutdown.ended, shutdown.left), (1, 0));
        let reasons = world.reasons();
        assert_eq!(reasons.last(), Some(&"shut_down"), "{reasons:?}");
        assert!(!reasons.contains(&"session_revoked"), "{reasons:?}");
    }
}

#[tokio::test]
async fn other_streams_end_with_an_error() {
    for (content_type, text) in [
        ("text/event-stream", "data: {\"half"),
        ("application/x-ndjson", "{}\n"),
    ] {
        for world in worlds() {
            let service = world
                .gate
                .layer(streaming(&world.clock, content_type, text));
            let response = service.oneshot(request()).await.unwrap();
            let reading = tokio::spawn(response.into_body().collect());
            settle().await;
            let shutting = world.shut().await;
            world.pass(GRACE.as_secs()).await;
            let error = reading.await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "the server is shut down");
            assert_eq!(error.session_over(), None);
            assert_eq!(shutting.await.unwrap().ended, 1);
        }
    }
}

#[tokio::test]
async fn a_handler_that_has_not_answered_is_dropped() {
    for world in worlds() {
        let (signal, held) = watch::channel(());
        drop(held);
        let running = tokio::spawn(world.gate.layer(answer_after(&signal)).oneshot(request()));
        settle().await;
        // One for the service, one for the handler that runs.
        assert_eq!(signal.receiver_count(), 1);
        let shutting = world.shut().await;
        world.pass(GRACE.as_secs()).await;
        let response = running.await.unwrap().unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(signal.receiver_count(), 0, "the handler is still there");
        let shutdown = shutting.await.unwrap();
        assert_eq!((shutdown.ended, shutdown.left), (1, 0));
        assert_eq!(world.reasons().last(), Some(&"shut_down"));
    }
}

#[tokio::test]
async fn what_was_left_behind_in_a_session_ends_and_the_session_goes_on() {
    let (store, key) = (
        FaultyStore::new(MemorySessions::default()),
        Secret::new([7; 16]),
    );
    let sessions = |store: &FaultyStore<MemorySessions>| {
        short_sessions()
            .with_store(store.clone())
            .with_key(key.clone())
    };
    let world = World::with(|stack| stack.with_session(sessions(&store)));
    let (ended, told) = watch::channel(None);
    let handler = tower::service_fn(move |request: Request<_>| {
        let exchange = Exchange::of(request.extensions()).unwrap();
        let session = exchange.session().unwrap().clone();
        let ended = ended.clone();
        tokio::spawn(async move {
            let over = session.run(std::future::pending::<()>()).await.unwrap_err();
            assert_eq!(session.ended().await, over);
            ended.send(Some(over)).unwrap();
        });
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(
            String::new(),
        )))
    });
    assert_eq!(world.ask(request(), handler).await, 200);
    settle().await;
    let opened = world
        .audit
        .take()
        .iter()
        .rev()
        .find_map(|record| record.session);
    assert!(opened.is_some() && told.borrow().is_none());
    let _ = world.shut().await.await.unwrap();
    settle().await;
    assert_eq!(*told.borrow(), Some(EndReason::Shutdown));

    let next = World::with(|stack| stack.with_session(sessions(&store)));
    assert_eq!(next.ask(request(), answer()).await, 200);
    let found = next
        .audit
        .take()
        .iter()
        .rev()
        .find_map(|record| record.session);
    assert_eq!(found, opened, "another session");
}

#[tokio::test]
async fn work_that_begins_too_late_is_told_at_once() {
    let world = World::new();
    let (session, told) = watch::channel(None);
    let handler = tower::service_fn(move |request: Request<_>| {
        let exchange = Exchange::of(request.extensions()).unwrap();
        session.send(exchange.session().cloned()).unwrap();
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(
            String::new(),
        )))
    });
    assert_eq!(world.ask(request(), handler).await, 200);
    let session = told.borrow().clone().unwrap();
    let _ = world.shut().await.await.unwrap();
    let run = session.run(async {});
    let over = tokio_test::task::spawn(run).poll();
    assert_eq!(assert_ready!(over), Err(EndReason::Shutdown));
}

#[tokio::test]
async fn what_is_being_decided_on_when_the_gate_is_shut_is_not_let_in() {
    for world in worlds() {
        let probe = HandlerProbe::new();
        let asking = world.gate.layer(probe.clone()).oneshot(request_as("hang"));
        let asking = tokio::spawn(asking);
        settle().await;
        let shutting = world.shut().await;
        world.pass(GRACE.as_secs() - 1).await;
        assert!(!asking.is_finished() && !shutting.is_finished());
        world.pass(1).await;
        let response = asking.await.unwrap().unwrap();
        assert_eq!(response.status(), 503);
        probe.assert_not_called();
        let shutdown = shutting.await.unwrap();
        assert_eq!((shutdown.ended, shutdown.left), (1, 0));
        assert_eq!(world.reasons(), ["shutting_down"]);
    }
}

#[tokio::test]
async fn what_waits_for_its_record_when_the_gate_is_shut_is_not_let_in() {
    let (with, without) = (RecordingAudit::strict(), RecordingAudit::strict());
    for world in [
        World::recording(with, |stack| stack.with_session(short_sessions())),
        World::bare(without),
    ] {
        let probe = HandlerProbe::new();
        world.audit.set_held(true);
        let asking = world.gate.layer(probe.clone()).oneshot(request());
        let asking = tokio::spawn(asking);
        settle().await;
        let shutting = world.shut().await;
        world.pass(GRACE.as_secs()).await;
        let response = asking.await.unwrap().unwrap();
        assert_eq!(response.status(), 503);
        probe.assert_not_called();
        let shutdown = shutting.await.unwrap();
        assert_eq!((shutdown.ended, shutdown.left), (1, 0));
        let stats = world.handle.stats();
        assert_eq!((stats.admitted, stats.running), (0, 0));
        let reasons = world.reasons();
        assert_eq!(reasons.last(), Some(&"shutting_down"), "{reasons:?}");
    }
}

#[tokio::test]
async fn it_can_be_called_twice_and_gone_on_with() {
    let world = World::new();
    let (signal, _) = watch::channel(());
    let running = tokio::spawn(world.gate.layer(answer_after(&signal)).oneshot(request()));
    settle().await;
    // Somebody who goes away.
    world.shut().await.abort();
    settle().await;
    assert_eq!(world.ask(request(), answer()).await, 503);
    let both = [world.shut().await, world.shut().await];
    assert!(both.iter().all(|shutting| !shutting.is_finished()));
    drop(signal);
    running.await.unwrap().unwrap();
    for shutting in both {
        let shutdown = shutting.await.unwrap();
        assert_eq!((shutdown.ended, shutdown.left), (0, 0));
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_waited_for_and_its_end_is_written_down() {
    for world in worlds() {
        let service = world
            .gate
            .layer(streaming(&world.clock, "text/event-stream", TICK));
        let response = service.oneshot(request()).await.unwrap();
        let mut unread = response.into_body();
        // One event, and then the socket is full.
        assert!(unread.frame().await.unwrap().is_ok());
        let shutting = world.shut().await;
        world.pass(GRACE.as_secs() + 1).await;
        let shutdown = shutting.await.unwrap();
        assert_eq!((shutdown.ended, shutdown.left), (1, 1));
        assert_eq!(world.reasons().last(), Some(&"shut_down"));
        assert_eq!(world.handle.stats().running, 1);
        drop(unread);
        let stats = world.handle.stats();
        assert_eq!((stats.running, stats.ended["shut_down"]), (0, 1));
        assert!(world.reasons().is_empty(), "a second end");
    }
}

#[tokio::test]
async fn a_grace_without_end_is_waited_for() {
    let world = World::new();
    let shutdown = world.handle.shutdown(Duration::MAX).await;
    assert_eq!((shutdown.ended, shutdown.left), (0, 0));
}

#[tokio::test]
async fn nothing_is_permitted_any_more() {
    for world in worlds() {
        let probe = HandlerProbe::new();
        let response = world.gate.layer(probe.clone()).oneshot(request()).await;
        drop(response);
        let parts = probe.take_request().unwrap();
        let exchange = Exchange::of(&parts.extensions).unwrap().clone();
        assert!(exchange.authorize("notes.list", ()).await.is_ok());
        let _ = world.shut().await.await.unwrap();
        let denial = exchange.authorize("notes.list", ()).await.unwrap_err();
        assert_eq!(denial.status(), 503);
        assert_eq!(world.reasons().last(), Some(&"shutting_down"));
    }
}
