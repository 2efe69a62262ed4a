//! What is told about caching.

use std::time::Duration;

use portcullis_core::{ConfigError, ConfigErrors};

/// For how long what the bus has said last counts, unless it is said otherwise.
const MAX_UNHEARD: Duration = Duration::from_secs(2);
/// What it takes in memory is asked for at once, but for the answers themselves.
const MOST_ENTRIES: usize = 10_000_000;
const MIN_UNHEARD: Duration = Duration::from_millis(100);
const MOST_UNHEARD: Duration = Duration::from_secs(60);
/// For how long one answer counts, whatever the bus says: as long as what runs goes on before it is
/// looked after where there is no bus.
const MAX_AGE: Duration = Duration::from_secs(15);

/// What is told about caching.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheSettings {
    room: Room,
    max_unheard: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Room {
    /// Nothing was said.
    #[default]
    Unset,
    Without,
    For(usize),
}

/// How much is kept, and for how long it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    /// For how long after the bus had caught up for the last time.
    pub(crate) max_unheard: Duration,
    /// For how long after the store was asked.
    pub(crate) max_age: Duration,
}

impl CacheSettings {
    pub(crate) fn with_entries(&mut self, entries: usize) {
        self.room = Room::For(entries);
    }

    pub(crate) fn without(&mut self) {
        *self = Self {
            room: Room::Without,
            max_unheard: None,
        };
    }

    pub(crate) fn with_max_unheard(&mut self, bound: Duration) {
        self.max_unheard = Some(bound);
    }

    /// Whether anything was said here.
    pub(crate) fn is_set(&self) -> bool {
        !matches!(self.room, Room::Unset) || self.max_unheard.is_some()
    }

    /// These, unless nothing was said here.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_set() { self } else { other }
    }

    /// What follows from it; `None` if nothing is kept. `max_unconfirmed` is that of the sessions,
    /// if they have one.
    pub(crate) fn bounds(
        &self,
        has_bus: bool,
        max_unconfirmed: Option<Duration>,
        errors: &mut ConfigErrors,
    ) -> Option<Bounds> {
        let Room::For(entries) = self.room else {
            if self.max_unheard.is_some() {
                let problem = "was called without `with_cache`, so there is nothing that it bounds; \
                               call `with_cache` as well, or leave it out";
                errors.push(ConfigError::new("with_max_unheard", problem));
            }
            return None;
        };
        if !(1..=MOST_ENTRIES).contains(&entries) {
            let problem = "keeps nothing, or more than ten million; give it room for as many as come \
                           in some minutes, or call `without_cache`";
            errors.push(ConfigError::new("with_cache", problem));
        }
        if !has_bus {
            let problem = "was called without `with_signals`, so nobody would say what has changed \
                           on another server; call `with_signals` as well, or leave it out";
            errors.push(ConfigError::new("with_cache", problem));
        }
        let max_unheard = self.max_unheard.unwrap_or(MAX_UNHEARD);
        if !(MIN_UNHEARD..=MOST_UNHEARD).contains(&max_unheard) {
            let problem = "is shorter than 100 milliseconds or longer than a minute; set it to some \
                           seconds";
            errors.push(ConfigError::new("with_max_unheard", problem));
        }
        let strict = max_unconfirmed.unwrap_or(Duration::MAX);
        Some(Bounds {
            entries,
            max_unheard: max_unheard.min(strict),
            max_age: MAX_AGE.min(strict / 3),
        })
    }
}

/// The setters of [`CacheSettings`], for a builder that has a field `settings` with one.
macro_rules! cache_setters {
    () => {
        /// Keeps so many answers of stores that have to be asked, of each kind: what they said of
        /// sessions, and of revocations. A request whose answers are here asks nobody. Needs
        /// [`with_signals`](Self::with_signals), and has no effect on stores that answer at once. Off
        /// by default, because it takes a moment until one server knows of what another has ended:
        /// see [`signal`](crate::signal#what-is-kept-of-stores) for how long.
        pub fn with_cache(mut self, entries: usize) -> Self {
            self.settings.cache.with_entries(entries);
            self
        }

        /// Asks the stores for each request, which is the default.
        pub fn without_cache(mut self) -> Self {
            self.settings.cache.without();
            self
        }

        /// For how long an answer that is [kept](Self::with_cache) is used after the bus has said for
        /// the last time that nothing was missed: two seconds by default, between 100 milliseconds
        /// and a minute. After that the store is asked, until the bus says so again. With
        /// [`with_max_unconfirmed`](crate::session::SessionBuilder::with_max_unconfirmed), never
        /// longer than that.
        pub fn with_max_unheard(mut self, bound: ::std::time::Duration) -> Self {
            self.settings.cache.with_max_unheard(bound);
            self
        }
    };
}
pub(crate) use cache_setters;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn on(entries: usize) -> CacheSettings {
        let mut settings = CacheSettings::default();
        settings.with_entries(entries);
        settings
    }

    #[test]
    fn a_strict_bound_bounds_what_is_kept() {
        for (strict, max_unheard, max_age) in [
            (None, 2 * SECOND, 15 * SECOND),
            (Some(60 * SECOND), 2 * SECOND, 15 * SECOND),
            (Some(9 * SECOND), 2 * SECOND, 3 * SECOND),
            (Some(3 * SECOND / 2), 3 * SECOND / 2, SECOND / 2),
        ] {
            let mut errors = ConfigErrors::default();
            let bounds = on(7).bounds(true, strict, &mut errors).unwrap();
            assert!(errors.is_empty());
            assert_eq!(bounds.entries, 7);
            assert_eq!((bounds.max_unheard, bounds.max_age), (max_unheard, max_age));
        }
    }

    #[test]
    fn what_cannot_work_is_named() {
        let problems = |settings: CacheSettings, has_bus| {
            let mut errors = ConfigErrors::default();
            let _ = settings.bounds(has_bus, None, &mut errors);
            errors.to_string()
        };
        for entries in [0, MOST_ENTRIES + 1, usize::MAX] {
            assert!(problems(on(entries), true).contains("with_cache"));
        }
        assert!(problems(on(1), false).contains("with_signals"));
        for millis in [0, 99, 60_001] {
            let mut settings = on(1);
            settings.with_max_unheard(Duration::from_millis(millis));
            assert!(
                problems(settings, true).contains("with_max_unheard"),
                "{millis}"
            );
        }
        let mut settings = CacheSettings::default();
        settings.with_max_unheard(SECOND);
        assert!(problems(settings, true).contains("with_max_unheard"));
    }

    #[test]
    fn what_was_said_further_out_counts() {
        let mut errors = ConfigErrors::default();
        let mut off = on(5);
        off.without();
        assert!(off.or(on(5)).bounds(true, None, &mut errors).is_none());
        let unset = CacheSettings::default();
        assert!(unset.or(on(5)).bounds(true, None, &mut errors).is_some());
        assert!(unset.bounds(true, None, &mut errors).is_none());
        assert!(errors.is_empty());
    }
}
