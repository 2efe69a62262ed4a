//! A clock that a test moves.

use std::{
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use portcullis_core::{Clock, Sleep, Timestamp};

#[derive(Clone, Debug)]
pub(crate) struct ManualClock {
    start: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    elapsed: Duration,
    sleepers: Vec<Waker>,
}

impl ManualClock {
    #[expect(clippy::disallowed_methods, reason = "any instant does to count from")]
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            state: Arc::default(),
        }
    }

    pub(crate) fn advance(&self, time: Duration) {
        let mut state = self.state.lock().unwrap();
        state.elapsed += time;
        for waker in state.sleepers.drain(..) {
            waker.wake();
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(super::NOW) + self.state.lock().unwrap().elapsed
    }

    fn instant(&self) -> Instant {
        self.start + self.state.lock().unwrap().elapsed
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let clock = self.clone();
        Sleep::new(std::future::poll_fn(move |cx| {
            let mut state = clock.state.lock().unwrap();
            if clock.start + state.elapsed >= deadline {
                return Poll::Ready(());
            }
            state.sleepers.push(cx.waker().clone());
            Poll::Pending
        }))
    }
}
