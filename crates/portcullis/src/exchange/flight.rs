//! The poll scope: which request is running on this thread right now.
//!
//! Whatever lies in request extensions can be moved out by a middleware and put into another
//! request. So the layer that made an exchange marks the thread while it runs what is inside
//! it, and every layer further in compares the mark with the exchange it finds.

use std::{
    cell::Cell,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

thread_local! {
    static CURRENT: Cell<Option<Flight>> = const { Cell::new(None) };
}

/// One request on its way through the layers. Unique within the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Flight(NonZeroU64);

/// What the thread says about a flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// Nothing of ours is running: the call was made by a worker of another task.
    None,
    /// Another flight is running.
    Other,
    /// This flight is running.
    Same,
}

impl Flight {
    /// The next flight.
    pub(crate) fn next() -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        // After 2^64 requests the serial would wrap to zero once; one is as good there.
        Self(NonZeroU64::new(SERIAL.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MIN))
    }

    /// The number itself.
    pub(crate) fn serial(self) -> u64 {
        self.0.get()
    }

    /// Runs `f` with this flight marked on the thread, and restores the former mark, also
    /// when `f` panics.
    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Flight>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self)));
        f()
    }

    /// What the thread says about this flight.
    pub(crate) fn scope(self) -> Scope {
        match CURRENT.get() {
            None => Scope::None,
            Some(current) if current == self => Scope::Same,
            Some(_) if portcullis_core::sabotaged!("exchange.flight") => Scope::Same,
            Some(_) => Scope::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_are_restored() {
        let (a, b) = (Flight::next(), Flight::next());
        assert_eq!(a.scope(), Scope::None);
        a.run(|| {
            assert_eq!(a.scope(), Scope::Same);
            b.run(|| {
                assert_eq!(a.scope(), Scope::Other);
                assert_eq!(b.scope(), Scope::Same);
            });
            assert_eq!(a.scope(), Scope::Same);
        });
        assert_eq!(a.scope(), Scope::None);
    }

    #[test]
    fn a_panic_restores_the_scope() {
        let flight = Flight::next();
        let result = std::panic::catch_unwind(|| flight.run(|| panic!("on purpose")));
        assert!(result.is_err());
        assert_eq!(flight.scope(), Scope::None);
    }
}
