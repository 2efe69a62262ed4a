//! A server of the test's own, and stores in it.

use std::{sync::Arc, time::Instant};

use portcullis::{Clock, Timestamp};
use portcullis_core::Sleep;
use portcullis_store_redis::{Redis, RedisBuilder};
use portcullis_testing::{clock::VirtualClock, counterpart::RunningCounterpart};
use portcullis_tests::servers;

/// A server that runs as long as this, or a store that was made with its clock.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) clock: VirtualClock,
    pub(crate) running: Arc<RunningCounterpart>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self {
            clock: VirtualClock::new(),
            running: Arc::new(servers::redis().start().await),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}/redis.sock", self.running.home().display())
    }

    pub(crate) fn builder(&self) -> RedisBuilder {
        Redis::builder(self.url()).with_clock(self.clone())
    }

    /// A client of its own each time, as another process would be.
    pub(crate) async fn client(&self) -> Redis {
        self.builder().connect().await.unwrap()
    }
}

impl Clock for Server {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn instant(&self) -> Instant {
        self.clock.instant()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        self.clock.sleep_until(deadline)
    }
}
