//! The whole, as `axum::serve` shuts it down.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, response::IntoResponse as _, routing::get};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use portcullis_testing::audit::RecordingAudit;
use portcullis_tests::{
    fixtures::{HOST, short_sessions, stack_builder},
    wire::{KeptAlive, http1},
};
use tokio::{net::TcpListener, sync::oneshot};

fn get_with_token(path: &str) -> http::Request<portcullis_tests::wire::Payload> {
    http::Request::builder()
        .uri(path)
        .header("host", HOST)
        .header("authorization", "Bearer good-alice")
        .body(http_body_util::Empty::new().boxed())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_stream_that_never_ends_stops() {
    let audit = RecordingAudit::new();
    let (gate, handle) = stack_builder(&audit)
        .with_session(short_sessions())
        .build()
        .unwrap();
    let feed = async || {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"data: first\n\n"))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        ([("content-type", "text/event-stream")], body).into_response()
    };
    let guarded = gate.guard(
        Router::new()
            .route("/feed", get(feed))
            .route("/", get("here")),
    );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<Duration>();
    let (done, told) = oneshot::channel();
    let server = tokio::spawn(async move {
        let shutdown = async move {
            let grace = stopped.await.unwrap();
            done.send(handle.shutdown(grace).await).unwrap();
        };
        axum::serve(listener, guarded)
            .with_graceful_shutdown(shutdown)
            .await
    });
    let mut feed = KeptAlive::connect(address).await.unwrap();
    let response = feed.open(get_with_token("/feed")).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "data: first\n\n");
    assert_eq!(
        http1(address, get_with_token("/")).await.unwrap().status(),
        200
    );

    stop.send(Duration::ZERO).unwrap();
    let shutdown = told.await.unwrap();
    assert_eq!((shutdown.ended, shutdown.left), (1, 0));
    let rest = body.collect().await.unwrap().to_bytes();
    assert_eq!(rest, "event: shutting-down\ndata:\n\n");
    drop(feed);
    server.await.unwrap().unwrap();
    let records = audit.records();
    let end = records
        .iter()
        .rfind(|record| record.reason.as_str() == "shut_down");
    assert!(end.is_some());
}
