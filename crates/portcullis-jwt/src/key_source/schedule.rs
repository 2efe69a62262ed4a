//! When keys are retrieved: pure decisions on instants.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Wanted;

/// Between two retrievals that unknown key ids asked for.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// How long a key id that a retrieval did not bring is not asked for again. Short: whoever
/// guesses the id of a key that is yet to come delays it by as much.
const ABSENCE: Duration = Duration::from_mins(1);
/// How many such key ids are remembered. One is added per cool-down, so more never count.
const MAX_ABSENT: usize = 16;
/// After the refresh is due, the keys serve this long without waiting for it.
const GRACE: Duration = Duration::from_mins(1);
/// Between two attempts after the first failure; it doubles with each further one.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// The settings of an issuer that bear on time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long keys are fresh at most, whatever the issuer says.
    pub(crate) max_age: Duration,
    /// How long keys serve after their refresh was due.
    pub(crate) max_stale: Duration,
    /// How long one retrieval may take.
    pub(crate) timeout: Duration,
}

/// Why keys are to be retrieved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// There are none, or they are too old to be used.
    Any,
    /// Their refresh is due.
    Newer,
    /// A token wants a key that they do not hold.
    Key,
}

/// How old keys are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Age {
    Fresh,
    /// They serve, while newer ones are retrieved.
    Due,
    /// They serve only if newer ones cannot be had.
    Overdue,
    /// They do not serve.
    Spent,
}

impl Limits {
    /// The age of keys whose refresh was or will be due at `refresh_at`.
    pub(super) fn age(&self, refresh_at: Instant, now: Instant) -> Age {
        let Some(late) = now.checked_duration_since(refresh_at) else {
            return Age::Fresh;
        };
        if late >= self.max_stale {
            if portcullis_core::sabotaged!("jwks.max_stale") {
                return Age::Overdue;
            }
            return Age::Spent;
        }
        if late < GRACE { Age::Due } else { Age::Overdue }
    }
}

/// What has been tried, and when what may be tried next.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    is_running: bool,
    failures: u32,
    retry_at: Option<Instant>,
    last_forced: Option<Instant>,
    absent: VecDeque<(Wanted, Instant)>,
}

impl Schedule {
    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Whether the last retrieval failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// How long to wait before the next attempt.
    pub(super) fn retry_after(&self, now: Instant) -> Option<Duration> {
        self.retry_at
            .map(|at| at.saturating_duration_since(now))
            .filter(|delay| !delay.is_zero())
    }

    /// Whether a retrieval may start.
    pub(super) fn permits(&self, need: Need, wanted: Option<&Wanted>, now: Instant) -> bool {
        if self.is_running || self.retry_after(now).is_some() {
            return false;
        }
        match need {
            Need::Any | Need::Newer => true,
            Need::Key if portcullis_core::sabotaged!("jwks.cool_down") => true,
            Need::Key => {
                let is_cool = self.last_forced.is_none_or(|at| now >= at + COOL_DOWN);
                let is_known_absent =
                    |(absent, until): &(Wanted, Instant)| Some(absent) == wanted && now < *until;
                is_cool && !self.absent.iter().any(is_known_absent)
            }
        }
    }

    pub(super) fn start(&mut self, need: Need, now: Instant) {
        self.is_running = true;
        if need == Need::Key {
            self.last_forced = Some(now);
        }
    }

    /// A retrieval brought keys, but not the one that was wanted, if any is `absent`.
    ///
    /// Whatever the retrieval was started for, it then counts as one that an unknown key id
    /// asked for: the next stranger's key id does not get another at once.
    pub(super) fn succeed(&mut self, started: Instant, absent: Option<Wanted>, now: Instant) {
        self.is_running = false;
        self.failures = 0;
        self.retry_at = None;
        if let Some(wanted) = absent {
            self.last_forced = self.last_forced.max(Some(started));
            self.absent.retain(|(_, until)| now < *until);
            if self.absent.len() == MAX_ABSENT {
                self.absent.pop_front();
            }
            self.absent.push_back((wanted, now + ABSENCE));
        }
    }

    pub(super) fn fail(&mut self, now: Instant) {
        self.is_running = false;
        let back_off = FIRST_BACK_OFF
            .saturating_mul(1 << self.failures.min(8))
            .min(LONGEST_BACK_OFF);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + back_off);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "any instant does to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn key(id: usize) -> Wanted {
        Wanted {
            id: Some(id.to_string().into()),
            algorithm: crate::Algorithm::Es256,
        }
    }

    #[test]
    fn keys_age_in_four_steps() {
        let limits = Limits {
            max_age: 3600 * SECOND,
            max_stale: 3600 * SECOND,
            timeout: SECOND,
        };
        let due = start() + 10 * SECOND;
        let age = |now| limits.age(due, now);
        assert_eq!(age(due - SECOND), Age::Fresh);
        assert_eq!(age(due), Age::Due);
        assert_eq!(age(due + 59 * SECOND), Age::Due);
        assert_eq!(age(due + 60 * SECOND), Age::Overdue);
        assert_eq!(age(due + 3599 * SECOND), Age::Overdue);
        assert_eq!(age(due + 3600 * SECOND), Age::Spent);
        let strict = Limits {
            max_stale: Duration::ZERO,
            ..limits
        };
        assert_eq!(strict.age(due, due), Age::Spent);
    }

    #[test]
    fn one_retrieval_at_a_time() {
        let (mut schedule, now) = (Schedule::default(), start());
        assert!(schedule.permits(Need::Any, None, now));
        schedule.start(Need::Any, now);
        for need in [Need::Any, Need::Newer, Need::Key] {
            assert!(!schedule.permits(need, Some(&key(1)), now));
        }
        schedule.succeed(now, None, now);
        assert!(schedule.permits(Need::Newer, None, now));
    }

    #[test]
    fn unknown_key_ids_share_one_retrieval_per_cool_down() {
        let (mut schedule, now) = (Schedule::default(), start());
        schedule.start(Need::Key, now);
        schedule.succeed(now, Some(key(1)), now);
        for id in 0..1000 {
            assert!(!schedule.permits(Need::Key, Some(&key(id)), now + 29 * SECOND));
        }
        assert!(schedule.permits(Need::Key, Some(&key(2)), now + COOL_DOWN));
        assert!(
            schedule.permits(Need::Newer, None, now),
            "the regular refresh is unaffected"
        );
    }

    #[test]
    fn a_first_load_that_did_not_bring_the_key_counts() {
        let (mut schedule, now) = (Schedule::default(), start());
        schedule.start(Need::Any, now);
        schedule.succeed(now, Some(key(1)), now + SECOND);
        assert!(!schedule.permits(Need::Key, Some(&key(2)), now + SECOND));
        assert!(schedule.permits(Need::Key, Some(&key(2)), now + COOL_DOWN));
    }

    #[test]
    fn a_first_load_that_brought_the_key_does_not() {
        let (mut schedule, now) = (Schedule::default(), start());
        schedule.start(Need::Any, now);
        schedule.succeed(now, None, now);
        assert!(schedule.permits(Need::Key, Some(&key(2)), now));
    }

    #[test]
    fn what_did_not_come_is_not_asked_for_again_soon() {
        let (mut schedule, now) = (Schedule::default(), start());
        schedule.start(Need::Key, now);
        schedule.succeed(now, Some(key(1)), now);
        let later = now + COOL_DOWN;
        assert!(!schedule.permits(Need::Key, Some(&key(1)), later));
        assert!(schedule.permits(Need::Key, Some(&key(2)), later));
        assert!(schedule.permits(Need::Key, Some(&key(1)), now + ABSENCE));
        for id in 0..1000 {
            schedule.succeed(now, Some(key(id)), now);
        }
        assert_eq!(schedule.absent.len(), MAX_ABSENT);
    }

    #[test]
    fn failures_back_off_up_to_a_bound() {
        let (mut schedule, mut now) = (Schedule::default(), start());
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            schedule.start(Need::Any, now);
            schedule.fail(now);
            assert!(schedule.has_failed());
            assert_eq!(schedule.retry_after(now), Some(expected * SECOND));
            assert!(!schedule.permits(Need::Any, None, now + (expected - 1) * SECOND));
            now += expected * SECOND;
            assert!(schedule.permits(Need::Any, None, now));
        }
        for _ in 0..100 {
            schedule.fail(now);
        }
        schedule.succeed(now, None, now);
        assert!(!schedule.has_failed());
        assert!(schedule.permits(Need::Any, None, now));
    }
}
