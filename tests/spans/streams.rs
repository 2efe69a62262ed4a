//! Over a real socket, where others poll and drop.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use portcullis::Clock as _;
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock};
use portcullis_tests::{
    fixtures::{request_with, stack_builder},
    patience::{eventually, settle},
    spans::Spans,
    wire::{Client, KeptAlive, Payload, Server},
};

struct Parting;

impl Drop for Parting {
    fn drop(&mut self) {
        tracing::info!("parting");
    }
}

/// An event each second, for ever or for three.
fn ticks(clock: &VirtualClock, most: usize) -> Response {
    let parting = Parting;
    let (first, clock) = (stream::iter([0]), clock.clone());
    let later = stream::unfold((clock, 0), async |(clock, number)| {
        clock
            .sleep_until(clock.instant() + Duration::from_secs(1))
            .await;
        Some((number + 1, (clock, number + 1)))
    });
    let events = first.chain(later).take(most).map(move |number| {
        let _ = &parting;
        tracing::info!("tick {number}");
        Ok::<_, Infallible>(Bytes::from("data: tick\n\n"))
    });
    let content_type = [("content-type", "text/event-stream")];
    (content_type, Body::from_stream(events)).into_response()
}

fn request(path: &str) -> http::Request<Payload> {
    let body = http_body_util::Empty::new().boxed();
    request_with("good-alice").uri(path).body(body).unwrap()
}

async fn server(clock: &VirtualClock) -> Server {
    let builder = stack_builder(&RecordingAudit::new()).with_clock(clock.clone());
    let (gate, _handle) = builder.build().unwrap();
    let (ever, three) = (clock.clone(), clock.clone());
    let router = Router::new()
        .route("/ever", get(async move || ticks(&ever, usize::MAX)))
        .route("/three", get(async move || ticks(&three, 3)));
    Server::axum(gate.guard(router)).await.unwrap()
}

#[tokio::test]
async fn each_event_of_a_stream_is_logged_in_the_span_until_the_client_goes_away() {
    let (spans, _listening) = Spans::listen();
    let clock = VirtualClock::new();
    let server = server(&clock).await;
    let mut client = Client::http2(server.address()).await.unwrap();
    let mut body = client.open(request("/ever")).await.unwrap().into_body();
    for number in 0..3 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: tick\n\n");
        let (request, span) = spans.request();
        assert_eq!(spans.event(&format!("tick {number}")).spans, [request]);
        assert_eq!(span.get("otel.name"), Some("GET /ever"));
        assert_eq!(span.get("http.response.status_code"), Some("200"));
        assert_eq!(span.get("client.address"), Some("127.0.0.1"));
        assert!(!span.is_closed);
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    drop((body, client));
    eventually("the end of the span", || spans.request().1.is_closed).await;
    assert_eq!(spans.event("parting").spans, [spans.request().0]);
    // In the text that people read, each line says which request it belongs to.
    let id = spans.request().1.get("request_id").unwrap().to_owned();
    let text = spans.text();
    let mut lines = text.lines().filter(|line| line.contains("tick "));
    assert!(lines.all(|line| line.contains(&format!("request_id={id}"))));
}

#[tokio::test]
async fn a_stream_that_ends_closes_the_span_while_the_connection_lives_on() {
    let clock = VirtualClock::new();
    let server = server(&clock).await;
    let mut client = KeptAlive::connect(server.address()).await.unwrap();
    for _ in 0..2 {
        let (spans, _listening) = Spans::listen();
        let mut body = client.open(request("/three")).await.unwrap().into_body();
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
            settle().await;
            clock.advance(Duration::from_secs(1));
        }
        assert!(body.frame().await.is_none());
        eventually("the end of the span", || spans.request().1.is_closed).await;
        assert!(client.is_open().await);
        assert_eq!(spans.event("parting").spans, [spans.request().0]);
    }
}
