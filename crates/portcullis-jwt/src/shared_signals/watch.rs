//! Whether events still come.

use std::time::{Duration, Instant};

use portcullis_core::{ReasonCode, Timestamp, sabotaged};

use super::event::StreamStatus;
use crate::reason;

/// When it is an alarm that none come, and what is then done.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchRules {
    pub(super) max_silence: Option<Duration>,
    pub(super) fail_safe: Option<Duration>,
}

/// What is known of the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    status: StreamStatus,
    /// When the transmitter said so, on its clock: what it said before does not count any more.
    said_at: Option<Timestamp>,
    heard: Instant,
}

impl Watch {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            status: StreamStatus::Enabled,
            said_at: None,
            heard: now,
        }
    }

    /// The transmitter is there.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
    }

    /// Something has come that the transmitter issued then. That it was there then is all that this
    /// says: who sends it again, or late, makes nobody believe that the stream flows now.
    pub(super) fn hear_token(&mut self, issued_at: Timestamp, now: (Timestamp, Instant)) {
        let (time, instant) = now;
        let age = match sabotaged!("set.heard") {
            true => Duration::ZERO,
            false => time.saturating_since(issued_at),
        };
        if let Some(heard) = instant.checked_sub(age) {
            self.hear(heard);
        }
        // A stream that is not enabled carries nothing (SSF 1.0 §8.1.2), and one that the receiver
        // itself has had enabled may come without a word of it.
        if self.said_at.is_some_and(|said_at| said_at < issued_at) {
            self.status = StreamStatus::Enabled;
        }
    }

    /// The transmitter says what it does from now on. An old saying changes nothing.
    pub(super) fn say(&mut self, status: StreamStatus, at: Timestamp) {
        let is_new = self.said_at.is_none_or(|said_at| said_at <= at);
        if is_new || sabotaged!("set.order") {
            self.status = status;
            self.said_at = Some(at);
        }
    }

    /// Why nothing can be relied on to come, if so.
    pub(super) fn blindness(&self, rules: &WatchRules, now: Instant) -> Option<ReasonCode> {
        match self.status {
            StreamStatus::Disabled => return Some(reason::SET_STREAM_DISABLED),
            StreamStatus::Paused => return Some(reason::SET_STREAM_PAUSED),
            StreamStatus::Enabled => {}
        }
        let silence = now.saturating_duration_since(self.heard);
        let is_silent = rules.max_silence.is_some_and(|most| silence >= most);
        is_silent.then_some(reason::SET_SILENT)
    }

    /// When silence is an alarm, if nothing is heard until then.
    pub(super) fn silent_at(&self, rules: &WatchRules) -> Option<Instant> {
        rules.max_silence.map(|silence| self.heard + silence)
    }
}

/// How often the bound of a blind receiver is moved: what it bounds is longer by that at most.
pub(super) fn step(age: Duration) -> Duration {
    (age / 8).clamp(Duration::from_secs(10), Duration::from_mins(5))
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Clock as _, SystemClock};

    use super::*;

    const SAID: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn is_blind_while_it_is_told_so_or_hears_nothing() {
        let start = SystemClock::new().instant();
        let rules = WatchRules {
            max_silence: Some(60 * SECOND),
            fail_safe: Some(3600 * SECOND),
        };
        let mut watch = Watch::new(start);
        let blind = |watch: &Watch, seconds: u32| watch.blindness(&rules, start + SECOND * seconds);
        assert_eq!(blind(&watch, 59), None);
        assert_eq!(blind(&watch, 60), Some(reason::SET_SILENT));
        let now = (SAID, start + 40 * SECOND);
        watch.hear_token(SAID - 10 * SECOND, now);
        // Late, again, or of before: the stream has been heard then, and not now.
        watch.hear_token(SAID - 20 * SECOND, now);
        watch.hear_token(
            SAID - 10 * SECOND,
            (SAID + 40 * SECOND, start + 80 * SECOND),
        );
        watch.hear_token(Timestamp::UNIX_EPOCH, now);
        assert_eq!(blind(&watch, 89), None);
        assert_eq!(blind(&watch, 90), Some(reason::SET_SILENT));
        assert_eq!(watch.silent_at(&rules), Some(start + 90 * SECOND));

        watch.say(StreamStatus::Paused, SAID);
        assert_eq!(blind(&watch, 31), Some(reason::SET_STREAM_PAUSED));
        // Said before it, and come after it.
        watch.say(StreamStatus::Enabled, SAID - SECOND);
        assert_eq!(blind(&watch, 31), Some(reason::SET_STREAM_PAUSED));
        watch.say(StreamStatus::Disabled, SAID + SECOND);
        assert_eq!(blind(&watch, 31), Some(reason::SET_STREAM_DISABLED));
        watch.say(StreamStatus::Enabled, SAID + 2 * SECOND);
        assert_eq!(blind(&watch, 31), None);
        // Enabled by us, it says nothing of that, but carries something.
        watch.say(StreamStatus::Paused, SAID + 3 * SECOND);
        let now = (SAID + 5 * SECOND, start + 31 * SECOND);
        watch.hear_token(SAID + 3 * SECOND, now);
        assert_eq!(blind(&watch, 31), Some(reason::SET_STREAM_PAUSED));
        watch.hear_token(SAID + 4 * SECOND, now);
        assert_eq!(blind(&watch, 31), None);
    }

    #[test]
    fn without_a_bound_only_what_is_said_counts() {
        let start = SystemClock::new().instant();
        let rules = WatchRules {
            max_silence: None,
            fail_safe: None,
        };
        let watch = Watch::new(start);
        assert_eq!(watch.blindness(&rules, start + 1_000_000 * SECOND), None);
        assert_eq!(watch.silent_at(&rules), None);
    }

    #[test]
    fn the_bound_moves_in_steps_of_its_own_size() {
        assert_eq!(step(3600 * SECOND), 300 * SECOND);
        assert_eq!(step(800 * SECOND), 100 * SECOND);
        assert_eq!(step(60 * SECOND), 10 * SECOND);
    }
}
