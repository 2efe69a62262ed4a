//! A clock by which no session becomes longer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::{Clock, Sleep, Timestamp};

/// The wall clock as it would be if nobody had set it since the layer was built, and the wall
/// clock as it is.
///
/// What is written down is steady time, so that a clock which runs ahead for a while leaves no
/// activity in the future behind. What deadlines are held against is the later of the two: a
/// clock that is set back does not give anybody more time.
#[derive(Clone, Debug)]
pub(super) struct Time {
    clock: Arc<dyn Clock>,
    since: Timestamp,
    origin: Instant,
}

impl Time {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            since: clock.now(),
            origin: clock.instant(),
            clock,
        }
    }

    /// What is written down.
    pub(super) fn steady(&self) -> Timestamp {
        self.since + self.clock.instant().saturating_duration_since(self.origin)
    }

    /// What deadlines are held against.
    pub(super) fn now(&self) -> Timestamp {
        self.steady().max(self.clock.now())
    }

    /// A future that completes when `deadline` has come, unless a clock is set in between.
    pub(super) fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        // A day at most: beyond that, one looks again.
        let delay = deadline
            .saturating_since(self.now())
            .min(Duration::from_hours(24));
        self.clock.sleep_until(self.clock.instant() + delay)
    }
}
