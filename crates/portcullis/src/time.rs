//! A clock by which no session becomes longer, and no revocation shorter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_core::{Clock, Sleep, Timestamp};

/// How long the wall clock has to be ahead until it is believed.
const PATIENCE: Duration = Duration::from_mins(1);
/// By so much it may differ without a reason: steps of a time server.
const TOLERANCE: Duration = Duration::from_secs(1);

/// By so much an issuer's clock may be ahead. What claims to be from later than that says
/// nothing of its time: it would outlast every cut-off, and be later than every end.
const AHEAD: Duration = Duration::from_mins(1);

/// A time that somebody else has written down, if it can be one.
pub(crate) fn credible(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (at <= latest_credible(now)).then_some(at)
}

/// The latest of such times.
pub(crate) fn latest_credible(now: Timestamp) -> Timestamp {
    now + AHEAD
}

/// The wall clock as it would be if nobody had set it since the layer was built, and the wall
/// clock as it is.
///
/// What is written down is steady time, so that a clock which runs ahead for a while leaves no
/// activity in the future behind. What deadlines are held against is the later of the two: a
/// clock that is set back does not give anybody more time. One that stays ahead, as after the
/// machine was asleep, becomes the steady one in the end; otherwise everybody would be out from
/// then on. The layers of one stack have one.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    since: Timestamp,
    origin: Instant,
    ahead: Arc<Ahead>,
}

/// How far the wall clock went ahead, in milliseconds.
#[derive(Debug, Default)]
struct Ahead {
    /// What has been believed.
    believed: AtomicI64,
    /// Since when, by the unchanged clock, there is more of it; 0 if there is not.
    since: AtomicI64,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            since: clock.now(),
            origin: clock.instant(),
            clock,
            ahead: Arc::default(),
        }
    }

    /// What is written down.
    pub(crate) fn steady(&self) -> Timestamp {
        let believed = self.ahead.believed.load(Ordering::Acquire);
        self.since + self.elapsed() + Duration::from_millis(believed.unsigned_abs())
    }

    /// What deadlines are held against.
    pub(crate) fn now(&self) -> Timestamp {
        self.both().0
    }

    /// What deadlines are held against, and what is written down, of one moment.
    pub(crate) fn both(&self) -> (Timestamp, Timestamp) {
        let (steady, wall) = (self.steady(), self.clock.now());
        let gap = wall.saturating_since(steady);
        if gap > TOLERANCE || self.ahead.since.load(Ordering::Relaxed) != 0 {
            self.ponder(gap);
        }
        (steady.max(wall), steady)
    }

    /// Believes a clock that has been ahead for long enough.
    fn ponder(&self, gap: Duration) {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let elapsed = millis(self.elapsed()).saturating_add(1);
        let since = self.ahead.since.load(Ordering::Acquire);
        if gap <= TOLERANCE {
            self.ahead.since.store(0, Ordering::Release);
        } else if since == 0 {
            self.ahead.since.store(elapsed, Ordering::Release);
        } else if elapsed.saturating_sub(since) >= millis(PATIENCE)
            && self
                .ahead
                .since
                .compare_exchange(since, 0, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        {
            tracing::warn!(
                target: "portcullis",
                "the wall clock has been ahead by {gap:?} for a while; sessions and revocations follow it from now on",
            );
            self.ahead.believed.fetch_add(millis(gap), Ordering::AcqRel);
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.origin)
    }

    /// A future that completes when `deadline` has come, unless a clock is set in between.
    pub(crate) fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        // A day at most: beyond that, one looks again.
        let delay = deadline
            .saturating_since(self.now())
            .min(Duration::from_hours(24));
        self.clock.sleep_until(self.clock.instant() + delay)
    }
}
