//! How long a thousand streams go on after their session was ended.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use portcullis::{
    Clock as _, Gate, GateHandle, Secret, Stack, SystemClock,
    api_keys::{ApiKeys, Grant, KeyRing},
    revocation::MemoryRevocations,
    session::{MemorySessions, SessionLayer},
    signal::MemorySignals,
};
use portcullis_testing::faulty_store::{FaultyRevocations, FaultyStore};
use tokio::task::JoinHandle;
use tower::{Layer as _, ServiceExt as _};

use crate::RESOURCE;

const STREAMS: usize = 1000;
const PEPPER: [u8; 32] = [7; 32];

/// Times from the call that ends the session to the last byte of each stream, in order.
#[derive(Debug)]
pub struct Ends(Vec<Duration>);

impl Ends {
    /// The time within which so many of a hundred had ended.
    #[must_use]
    pub fn within(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(index).copied().unwrap_or_default()
    }
}

/// On the server that is told.
///
/// # Panics
///
/// Something that has to work does not.
#[must_use]
pub fn end_here() -> Ends {
    runtime().block_on(async {
        let keys = KeyRing::new("bench", &Secret::new(PEPPER));
        let (gate, handle) = Stack::builder()
            .with_resource(RESOURCE)
            .add_authenticator(ApiKeys::new(keys.clone()))
            .with_session(SessionLayer::builder())
            .build()
            .expect("the settings are good");
        let streams = open(&gate, &keys).await;
        ends(&handle, streams).await
    })
}

/// On another one, which hears of it, and has to ask stores that answer at once.
///
/// # Panics
///
/// Something that has to work does not.
#[must_use]
pub fn end_elsewhere() -> Ends {
    runtime().block_on(async {
        let keys = KeyRing::new("bench", &Secret::new(PEPPER));
        let sessions = Arc::new(MemorySessions::default());
        let revocations = Arc::new(MemoryRevocations::default());
        let signals = MemorySignals::new();
        let server = || {
            let session = SessionLayer::builder()
                .with_store(FaultyStore::new(Arc::clone(&sessions)))
                .with_key(Secret::new([8; 16]));
            Stack::builder()
                .with_resource(RESOURCE)
                .add_authenticator(ApiKeys::new(keys.clone()))
                .with_session(session)
                .with_revocations(FaultyRevocations::new(Arc::clone(&revocations)))
                .with_revocation_key(Secret::new([9; 16]))
                .with_signals(signals.clone())
                .build()
                .expect("the settings are good")
        };
        let ((_, told), (gate, _handle)) = (server(), server());
        let streams = open(&gate, &keys).await;
        ends(&told, streams).await
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("there are threads")
}

/// Streams of one caller, which are read. Each gives when it ended.
async fn open(gate: &Gate, keys: &KeyRing) -> Vec<JoinHandle<std::time::Instant>> {
    let now = SystemClock::new().now();
    let key = keys.issue(Grant::for_user("alice"), now);
    let key = key.expect("there is randomness");
    let handler = tower::service_fn(async |_| {
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(StreamBody::new(never)).expect("it is whole"))
    });
    let service = gate.layer(handler);
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let request = Request::builder()
            .uri("/stream")
            .header("host", "agent.example")
            .header("authorization", format!("Bearer {}", key.expose()))
            .body(String::new())
            .expect("it is whole");
        let Ok(response) = service.clone().oneshot(request).await;
        assert_eq!(response.status(), 200, "a stream is let in");
        let mut body = Box::pin(response.into_body());
        streams.push(tokio::spawn(async move {
            while let Some(Ok(_)) = body.frame().await {}
            SystemClock::new().instant()
        }));
    }
    // Until each of them is read.
    let clock = SystemClock::new();
    clock
        .sleep_until(clock.instant() + Duration::from_millis(1500))
        .await;
    streams
}

async fn ends(handle: &GateHandle, streams: Vec<JoinHandle<std::time::Instant>>) -> Ends {
    let began = SystemClock::new().instant();
    let ended = handle.end_sessions("api-keys:bench", "alice").await;
    assert_eq!(ended.ok(), Some(1), "the session was ended");
    let ends = join_all(streams).await;
    let mut times: Vec<_> = ends
        .into_iter()
        .map(|end| end.expect("nothing panics") - began)
        .collect();
    times.sort_unstable();
    Ends(times)
}
