//! How many answers of a principal stream at once.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, body::Body, response::IntoResponse as _, routing::get};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis::{RequestBody, ResponseBody};
use portcullis_tests::{
    patience::{eventually, settle},
    streams::{TICK, Ticks, streaming},
    wire::{Client, Server},
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tower::{Layer as _, ServiceExt as _};

use crate::people::{World, answer, request};

fn world(most: u32) -> World {
    World::with(|session| session.with_max_streams(most))
}

async fn open(world: &World, token: &str) -> Response<ResponseBody<Ticks>> {
    open_with(world, request(token)).await
}

async fn open_with(world: &World, request: Request<String>) -> Response<ResponseBody<Ticks>> {
    let handler = streaming::<RequestBody<String>>(&world.clock, "text/event-stream", TICK);
    world.gate.layer(handler).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn one_more_is_refused_until_one_ends() {
    let world = world(2);
    let mut first = open(&world, "alice.user.0").await;
    let second = open(&world, "alice.user.0.-.another-session.-.app").await;
    let _ = world.audit.take();
    let third = open(&world, "alice.user.0").await;
    assert_eq!(third.status(), 429);
    assert_eq!(third.headers()["retry-after"], "1");
    let body = third.into_body().collect().await.unwrap().to_bytes();
    assert!(
        !String::from_utf8_lossy(&body).contains("stream"),
        "{body:?}"
    );
    let records = world.audit.records();
    let reasons: Vec<_> = records
        .iter()
        .map(|record| record.reason.as_str())
        .collect();
    // It had been let in: what became of it is a second record, and there is no third.
    assert_eq!(reasons, ["admitted", "session_streams"]);
    world.assert_refused("session_streams", 429);

    // Others have places of their own, and what does not stream needs none.
    assert_eq!(open(&world, "bob.user.0").await.status(), 200);
    assert_eq!(
        world.ask_with(request("alice.user.0"), answer()).await.0,
        200
    );

    // A client that goes away makes room, and so does a stream that is read to its end.
    drop(second);
    let again = open(&world, "alice.user.0").await;
    assert_eq!(again.status(), 200);
    assert_eq!(open(&world, "alice.user.0").await.status(), 429);
    assert!(first.body_mut().frame().await.unwrap().is_ok());
    drop(first);
    assert_eq!(open(&world, "alice.user.0").await.status(), 200);
}

#[tokio::test]
async fn a_request_for_a_stream_alone_is_refused_before_its_handler_runs() {
    let world = world(1);
    let open_one = open(&world, "alice.user.0").await;
    let called = Arc::new(AtomicU64::new(0));
    for (accept, calls) in [
        ("text/event-stream", 0),
        ("application/json, text/event-stream", 1),
    ] {
        let handler = {
            let called = Arc::clone(&called);
            let clock = world.clock.clone();
            tower::service_fn(move |request: Request<RequestBody<String>>| {
                called.fetch_add(1, Ordering::SeqCst);
                streaming(&clock, "text/event-stream", TICK).oneshot(request)
            })
        };
        let mut request = request("alice.user.0");
        request
            .headers_mut()
            .insert("accept", HeaderValue::from_static(accept));
        let response = world.gate.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 429);
        world.assert_refused("session_streams", 429);
        assert_eq!(called.load(Ordering::SeqCst), calls);
    }
    drop(open_one);
    let mut request = request("alice.user.0");
    request
        .headers_mut()
        .insert("accept", HeaderValue::from_static("text/event-stream"));
    assert_eq!(open_with(&world, request).await.status(), 200);
}

#[tokio::test]
async fn a_body_that_ends_fails_or_panics_gives_its_place_back() {
    let world = world(1);
    type Chunks = stream::BoxStream<'static, Result<Bytes, std::io::Error>>;
    let bodies: [fn() -> Chunks; 3] = [
        || stream::iter([Ok(Bytes::from(TICK))]).boxed(),
        || stream::iter([Err(std::io::Error::other("broken"))]).boxed(),
        || stream::poll_fn(|_| panic!("a handler's own")).boxed(),
    ];
    for body in bodies {
        let handler = tower::service_fn(move |_: Request<RequestBody<String>>| async move {
            let events = [("content-type", "text/event-stream")];
            Ok::<_, Infallible>((events, Body::from_stream(body())).into_response())
        });
        let response = world
            .gate
            .layer(handler)
            .oneshot(request("alice.user.0"))
            .await;
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        // Read in a task, which dies of a panic.
        let read = tokio::spawn(async move { response.into_body().collect().await.is_ok() });
        let _ = read.await;
    }
    assert_eq!(open(&world, "alice.user.0").await.status(), 200);
}

#[tokio::test]
async fn what_has_no_body_and_what_has_a_length_is_no_stream() {
    let world = world(1);
    let _one = open(&world, "alice.user.0").await;
    let mut head = request("alice.user.0");
    *head.method_mut() = http::Method::HEAD;
    assert_eq!(open_with(&world, head).await.status(), 200);
    let empty = tower::service_fn(async |_: Request<RequestBody<String>>| {
        let response = Response::builder().status(204);
        Ok::<_, Infallible>(response.body(String::new()).unwrap())
    });
    assert_eq!(world.ask_with(request("alice.user.0"), empty).await.0, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_at_once_however_many_come() {
    let world = Arc::new(world(5));
    for _ in 0..3 {
        let streams = (0..100).map(|n| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { open(&world, &format!("alice.user.0.-.{}", n % 7)).await })
        });
        let responses = join_all(streams).await;
        let responses: Vec<_> = responses.into_iter().map(Result::unwrap).collect();
        let count = |status| {
            responses
                .iter()
                .filter(|one| one.status() == status)
                .count()
        };
        assert_eq!((count(200), count(429)), (5, 95));
        drop(responses);
    }
}

#[tokio::test]
async fn a_session_that_is_over_frees_the_places_of_streams_that_nobody_reads() {
    let world = world(1);
    let stalled = open(&world, "alice.user.0").await;
    // Nobody polls it, as a server does not whose client has stopped reading.
    assert_eq!(open(&world, "alice.user.0").await.status(), 429);
    world
        .handle
        .end_sessions("https://idp.example", "alice")
        .await
        .unwrap();
    world.advance(1);
    assert_eq!(open(&world, "alice.user.1").await.status(), 200);
    settle().await;
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let world = world(2);
    let events = || async {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from(TICK))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        ([("content-type", "text/event-stream")], body)
    };
    let router = Router::new()
        .route("/events", get(events))
        .route("/now", get(async || "now"));
    let server = Server::axum(world.gate.guard(router)).await.unwrap();
    let request = |path: &str| {
        Request::get(path)
            .header("host", "agent.example")
            .header("authorization", "Bearer alice.user.0")
            .body(Full::new(Bytes::new()).boxed())
            .unwrap()
    };
    let mut client = Client::http2(server.address()).await.unwrap();
    let first = client.open(request("/events")).await.unwrap();

    // One over HTTP/1.1, whose client stops reading and then is gone.
    let mut other = TcpStream::connect(server.address()).await.unwrap();
    let head = "GET /events HTTP/1.1\r\nhost: agent.example\r\n\
                authorization: Bearer alice.user.0\r\n\r\n";
    other.write_all(head.as_bytes()).await.unwrap();
    let mut status = 0;
    let mut refused = 0;
    for _ in 0..1000 {
        let response = client.open(request("/events")).await.unwrap();
        status = response.status().as_u16();
        if status == 429 {
            refused += 1;
            break;
        }
        drop(response);
        tokio::task::yield_now().await;
    }
    assert_eq!((status, refused), (429, 1));
    let now = client.send(request("/now")).await.unwrap();
    assert_eq!(now.body(), "now");
    drop(other);
    drop(first);
    let running = || world.handle.stats().running;
    eventually("the ends of both", || running() == 0).await;
    let again = client.open(request("/events")).await.unwrap();
    assert_eq!(again.status(), 200);
}
