//! A gate that is shut down is shut.

use std::time::Duration;

use http_body_util::BodyExt as _;
use portcullis_tests::{
    patience::settle,
    streams::{TICK, streaming},
};
use tower::{Layer as _, ServiceExt as _};

use crate::{guard::Guard, harness::Harness};

const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn play(harness: &mut Harness) {
    harness.row("own:shutdown", shut).await;
}

async fn shut(harness: &mut Harness) {
    let guard = Guard::fixed();
    harness.control("before", &guard, guard.good()).await;
    let service = guard
        .gate
        .layer(streaming(&guard.clock, "text/event-stream", TICK));
    let Ok(response) = service.oneshot(guard.good()).await;
    let reading = tokio::spawn(response.into_body().collect());
    let handle = guard.handle.clone();
    let shutting = tokio::spawn(async move { handle.shutdown(GRACE).await });
    settle().await;
    // What runs may complete, and nothing more may begin beside it.
    let status = guard.send(guard.good()).await.status().as_u16();
    harness.judged(
        "a good token while the gate is being shut down",
        match status {
            503 => Ok(()),
            status => Err(format!("answered {status}")),
        },
    );
    for _ in 0..GRACE.as_secs() + 10 {
        guard.clock.advance(Duration::from_secs(1));
        settle().await;
    }
    harness.judged(
        "a stream that goes on after the grace",
        match reading.is_finished() {
            true => Ok(()),
            false => Err("it goes on".to_owned()),
        },
    );
    reading.abort();
    shutting.abort();
}
