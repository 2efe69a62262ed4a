//! A request that was let in has one record of its end, however it ends.

use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use portcullis::{BoxError, RequestBody, audit::RecordKind};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    echo::Echo,
    fixtures::{gate, request_with, stack_builder, step_up},
    patience::eventually,
    streams::{TICK, streaming},
    wire::{self, Server},
};
use tokio_test::assert_ready_ok;
use tower::{Layer as _, ServiceExt as _};
use tower_test::mock::{self, SendResponse};

type Answer = UnsyncBoxBody<Bytes, BoxError>;

fn whole() -> Answer {
    Full::from("done")
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn of(frames: Vec<Result<&'static str, io::Error>>) -> Answer {
    let frames = frames.into_iter().map(|frame| {
        frame
            .map(|text| Frame::data(Bytes::from_static(text.as_bytes())))
            .map_err(BoxError::from)
    });
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

/// The reasons of the records that are not of the decision.
fn ends(audit: &RecordingAudit) -> Vec<&'static str> {
    let records = audit.take();
    let ends = records
        .iter()
        .filter(|record| record.kind == RecordKind::End);
    ends.map(|record| record.reason.as_str()).collect()
}

/// Reads so many frames of the answer to a good request.
async fn read(answer: fn() -> Answer, frames: usize) -> Vec<&'static str> {
    let audit = RecordingAudit::new();
    let handler = tower::service_fn(move |_: Request<RequestBody<String>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(answer())))
    });
    let request = request_with("good-alice").body(String::new()).unwrap();
    let response = gate(&audit).layer(handler).oneshot(request).await.unwrap();
    assert!(
        audit
            .records()
            .iter()
            .all(|record| record.kind != RecordKind::End)
    );
    let mut body = response.into_body();
    for _ in 0..frames {
        let _ = body.frame().await;
    }
    drop(body);
    ends(&audit)
}

#[tokio::test]
async fn an_answer_is_complete_fails_or_is_left() {
    assert_eq!(read(whole, 1).await, ["completed"]);
    assert_eq!(read(whole, 2).await, ["completed"]);
    assert_eq!(read(whole, 0).await, ["dropped"]);
    let two = || of(vec![Ok("one"), Ok("two")]);
    assert_eq!(read(two, 1).await, ["dropped"]);
    assert_eq!(read(two, 3).await, ["completed"]);
    let broken = || of(vec![Ok("one"), Err(io::Error::other("on purpose"))]);
    assert_eq!(read(broken, 2).await, ["failed"]);
}

#[tokio::test]
async fn a_refusal_has_no_end_of_its_own() {
    let audit = RecordingAudit::new();
    let handler = tower::service_fn(async |_: Request<RequestBody<String>>| {
        Ok::<_, Infallible>(Response::new(whole()))
    });
    let request = request_with("bad").body(String::new()).unwrap();
    let response = gate(&audit).layer(handler).oneshot(request).await.unwrap();
    drop(response);
    assert!(ends(&audit).is_empty());
}

/// A server looks at a body before it polls it, and does not ask an empty one for its end.
#[tokio::test]
async fn over_a_connection_an_empty_answer_is_complete() {
    let audit = RecordingAudit::new();
    for answer in [whole as fn() -> Answer, || {
        Full::default()
            .map_err(|never| match never {})
            .boxed_unsync()
    }] {
        let handler = tower::service_fn(move |_| {
            std::future::ready(Ok::<_, Infallible>(Response::new(answer())))
        });
        let server = Server::hyper(gate(&audit).layer(handler)).await.unwrap();
        let request = request_with("good-alice")
            .body(Full::default().boxed())
            .unwrap();
        let response = wire::http1(server.address(), request).await.unwrap();
        assert_eq!(response.status(), 200);
        // The client may be done before the server is.
        for _ in 0..1000 {
            if audit
                .records()
                .iter()
                .any(|record| record.kind == RecordKind::End)
            {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(server);
        assert_eq!(ends(&audit), ["completed"]);
    }
}

/// A server reads no body for whoever asks for the head alone, and drops it unread.
#[tokio::test]
async fn an_answer_to_head_is_complete() {
    let audit = RecordingAudit::new();
    let handler =
        tower::service_fn(move |_| std::future::ready(Ok::<_, Infallible>(Response::new(whole()))));
    let server = Server::hyper(gate(&audit).layer(handler)).await.unwrap();
    let request = request_with("good-alice")
        .method("HEAD")
        .body(Full::default().boxed())
        .unwrap();
    let response = wire::http1(server.address(), request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut all = Vec::new();
    eventually("the record of the end", || {
        all.extend(ends(&audit));
        !all.is_empty()
    })
    .await;
    assert_eq!(all, ["completed"]);
}

#[tokio::test]
async fn an_end_is_recorded_with_its_own_time() {
    let (audit, clock) = (RecordingAudit::new(), VirtualClock::new());
    let (gate, _handle) = stack_builder(&audit)
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let handler = streaming(&clock, "text/event-stream", TICK);
    let request = request_with("good-alice").body(String::new()).unwrap();
    let stream = gate.layer(handler).oneshot(request).await.unwrap();
    clock.advance(Duration::from_secs(90));
    drop(stream);
    let records = audit.records();
    let at = |kind| {
        records
            .iter()
            .find(|record| record.kind == kind)
            .unwrap()
            .at
    };
    assert_eq!(at(RecordKind::Decision), VirtualClock::START);
    let end = VirtualClock::START + Duration::from_secs(90);
    assert_eq!(at(RecordKind::End), end);
}

/// The gate has let the request in and has written so; a layer further in, behind a worker, has
/// not decided when the client goes away.
#[tokio::test]
async fn who_was_let_in_has_an_end_also_where_an_inner_layer_has_not_decided() {
    let audit = RecordingAudit::new();
    let (mut service, mut worker) = mock::spawn_layer(gate(&audit));
    worker.allow(1);
    assert_ready_ok!(service.poll_ready::<Request<String>>());
    let call = service.call(request_with("good-alice").body(String::new()).unwrap());
    let (request, respond) = worker.next_request().await.unwrap();
    let _: &SendResponse<Response<String>> = &respond;
    let mut inner = step_up(&RecordingAudit::new()).layer(Echo::new());
    let deferred = tower::Service::<Request<RequestBody<String>>>::call(&mut inner, request);
    drop(deferred);
    drop(call);
    let kinds: Vec<_> = audit
        .records()
        .iter()
        .map(|record| record.kind)
        .filter(|kind| *kind != RecordKind::SessionStart)
        .collect();
    assert_eq!(kinds, [RecordKind::Decision, RecordKind::End]);
}
