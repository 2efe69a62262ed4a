//! Waiting for what happens elsewhere.
#![expect(clippy::panic, reason = "what does not come about fails the test")]

use std::time::Duration;

use portcullis::{Clock as _, SystemClock};

/// Waits in real time until something is so: what is waited for happens in the kernel.
///
/// # Panics
///
/// It is not so after ten seconds.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, async || is_so()).await;
}

/// The same for what has to be asked for.
///
/// # Panics
///
/// It is not so after ten seconds, and as long as the answers took.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::new();
    for _ in 0..1000 {
        if is_so().await {
            return;
        }
        wait(&clock, 10).await;
    }
    panic!("{what} did not come about in ten seconds");
}

/// Lets others get on for a moment, where somebody would ask again and again without end.
pub async fn pause() {
    wait(&SystemClock::new(), 1).await;
}

async fn wait(clock: &SystemClock, millis: u64) {
    let at = clock.instant() + Duration::from_millis(millis);
    clock.sleep_until(at).await;
}

/// Lets the tasks of this thread get on with their work.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
