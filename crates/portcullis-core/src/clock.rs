//! Where time comes from.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use crate::Timestamp;

/// Where every layer takes its time from: the wall clock, a monotonic clock and timers.
///
/// The wall clock ([`now`](Self::now)) is compared with what others wrote down: `exp`, `iat`,
/// the start of a session. The monotonic clock ([`instant`](Self::instant)) measures
/// durations: budgets, cool-downs, deadlines. Both and the timers move together in a test's
/// virtual clock.
///
/// [`SystemClock`] is the default everywhere.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall-clock time.
    fn now(&self) -> Timestamp;

    /// The monotonic time.
    fn instant(&self) -> Instant;

    /// A future that completes once [`instant`](Self::instant) has reached `deadline`.
    fn sleep_until(&self, deadline: Instant) -> Sleep;
}

/// The future of [`Clock::sleep_until`].
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Sleep {
    /// Wraps a clock's own timer.
    pub fn new(timer: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(timer))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

/// The operating system's clocks, with tokio's timers.
///
/// Its timers need a tokio runtime with time enabled; `now` and `instant` need nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// The system's clock.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's wall clock"
    )]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the monotonic clock"
    )]
    fn instant(&self) -> Instant {
        Instant::now()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that sleeps on the system's clock"
    )]
    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(tokio::time::sleep_until(deadline.into()))
    }
}
