//! Over a real socket.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use portcullis::{Clock as _, SystemClock, session::Session};
use portcullis_tests::{patience::eventually, wire::Server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::people::World;

/// A client that does not read keeps neither its session nor its record open: hyper does not
/// poll a body that it cannot write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_keeps_neither_session_nor_record_open() {
    let world = World::new();
    let (sent, worked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let flood = {
        let (sent, worked) = (Arc::clone(&sent), Arc::clone(&worked));
        async move |session: Session| -> Response {
            // The agent works on beside its answer, however slowly that is read.
            tokio::spawn(async move {
                let work = async {
                    loop {
                        worked.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                };
                let _: Result<(), _> = session.run(work).await;
            });
            let chunk = Bytes::from(format!("data: {}\n\n", "x".repeat(64 * 1024)));
            let body = stream::repeat_with(move || {
                sent.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(chunk.clone())
            });
            (
                [("content-type", "text/event-stream")],
                Body::from_stream(body),
            )
                .into_response()
        }
    };
    let router = Router::new().route("/flood", get(flood));
    let server = Server::axum(world.gate.guard(router)).await.unwrap();

    let mut client = TcpStream::connect(server.address()).await.unwrap();
    let head = "GET /flood HTTP/1.1\r\nhost: agent.example\r\nconnection: close\r\n\
                authorization: Bearer alice.user.0\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 15];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");

    // Until nothing more can be written.
    let mut before = 0;
    let mut still = 0;
    eventually("a full socket", || {
        let now = sent.load(Ordering::SeqCst);
        still = if now == before { still + 1 } else { 0 };
        before = now;
        now > 0 && still > 20
    })
    .await;

    world.advance(601);
    eventually("the record of the end", || {
        let records = world.audit.records();
        records
            .iter()
            .any(|record| record.reason.as_str() == "session_absolute")
    })
    .await;
    assert_eq!(world.ask("alice.user.0").await.0, 401);
    // What the agent did beside it stands still.
    let clock = SystemClock::new();
    let done = worked.load(Ordering::SeqCst);
    clock
        .sleep_until(clock.instant() + Duration::from_millis(100))
        .await;
    assert_eq!(worked.load(Ordering::SeqCst), done);
    assert_eq!(sent.load(Ordering::SeqCst), before, "nobody asked for more");

    // A client that comes back to reading gets what was in flight, and the end.
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    let tail = String::from_utf8_lossy(&rest[rest.len().saturating_sub(200)..]).into_owned();
    assert!(tail.contains("event: session-ended"), "{tail}");
}
