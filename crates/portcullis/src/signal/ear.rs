//! What one layer says on a bus, and what it has heard.

use std::{
    collections::HashSet,
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    task::Poll,
};

use portcullis_core::{Heard, Signal, SignalListener, Sleep, StoreError, Timestamp};
use tokio::sync::Notify;

use super::AnySignalBus;
use crate::cache::Asked;

/// How many signals are kept until somebody looks. With more, everything is looked at.
const MAX_SIGNALS: usize = 4096;
/// No time.
const NEVER: i64 = i64::MIN;

/// A bus, as one layer uses it.
pub(crate) struct Signals {
    bus: Arc<dyn AnySignalBus>,
    ear: Arc<Ear>,
    /// Up to when everything has been heard, by steady time in milliseconds.
    current_at: AtomicI64,
    /// When it was last looked somewhere, likewise.
    taken_at: AtomicI64,
    /// Whether the bus is being asked for it.
    is_asked: AtomicBool,
    /// The same, where requests are let in by what it says.
    asked: Arc<Asked>,
    /// Whether it has been said that the bus fails.
    is_failing: AtomicBool,
}

/// What has been heard and not looked at.
#[derive(Default)]
struct Ear {
    heard: Mutex<Places>,
    notify: Notify,
}

/// Where to look.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Places {
    pub(crate) signals: HashSet<Signal>,
    /// Everywhere.
    pub(crate) is_everywhere: bool,
}

impl Places {
    pub(crate) fn everywhere() -> Self {
        Self {
            signals: HashSet::new(),
            is_everywhere: true,
        }
    }
}

impl Signals {
    pub(crate) fn new(bus: Arc<dyn AnySignalBus>) -> Self {
        let ear = Arc::new(Ear::default());
        let listener: Weak<Ear> = Arc::downgrade(&ear);
        bus.subscribe(listener);
        Self {
            bus,
            ear,
            current_at: AtomicI64::new(NEVER),
            taken_at: AtomicI64::new(NEVER),
            is_asked: AtomicBool::new(false),
            asked: Arc::default(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Has somebody else told as well, from the next time on that the bus catches up.
    pub(crate) fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        self.bus.subscribe(listener);
    }

    /// Says where to look. Whoever does not hear it looks there later by himself.
    pub(crate) async fn publish(&self, signals: &[Signal]) {
        publish(&*self.bus, signals).await;
    }

    /// Completes when something has been heard.
    pub(crate) async fn heard(&self) {
        self.ear.notify.notified().await;
    }

    /// Where to look, since the last time; by steady time.
    pub(crate) fn take(&self, now: Timestamp) -> Places {
        let places = mem::take(&mut *self.ear.places());
        if places != Places::default() {
            self.taken_at.fetch_max(now.unix_millis(), Ordering::AcqRel);
        }
        places
    }

    /// Whether somebody has looked somewhere since a time, by steady time.
    pub(crate) fn has_taken_since(&self, at: Timestamp) -> bool {
        self.taken_at.load(Ordering::Acquire) >= at.unix_millis()
    }

    /// Has the bus catch up with what was published before `at`. Once at a time.
    pub(crate) async fn catch_up(&self, at: Timestamp) {
        let Some(_asking) = Asking::begin(&self.is_asked) else {
            return;
        };
        self.ask(at).await;
    }

    /// When it was asked to catch up for the sake of requests.
    pub(crate) fn asked(&self) -> &Arc<Asked> {
        &self.asked
    }

    /// Has it catch up, whether or not it is being asked already, until a time that is too late.
    pub(crate) async fn ask_until(&self, at: Timestamp, mut late: Sleep) {
        let mut asked = pin!(self.ask(at));
        let answered = poll_fn(|cx| match asked.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => Pin::new(&mut late).poll(cx).map(|()| false),
        });
        if !answered.await {
            self.fail(&StoreError::new("the bus does not answer"));
        }
    }

    async fn ask(&self, at: Timestamp) {
        match self.bus.catch_up().await {
            Ok(()) => {
                self.current_at
                    .fetch_max(at.unix_millis(), Ordering::AcqRel);
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(target: "portcullis", "signals of other servers are heard again");
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Up to when everything has been heard that is to be looked at.
    pub(crate) fn current_at(&self) -> Option<Timestamp> {
        match self.current_at.load(Ordering::Acquire) {
            NEVER => None,
            millis => Some(Timestamp::from_unix_millis(millis)),
        }
    }

    fn fail(&self, error: &StoreError) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "portcullis",
                "signals of other servers may not be heard: {error}",
            );
        }
    }
}

/// Says where to look.
pub(crate) async fn publish(bus: &dyn AnySignalBus, signals: &[Signal]) {
    if portcullis_core::sabotaged!("signal.published") {
        return;
    }
    if let Err(error) = bus.publish(signals).await {
        tracing::warn!(
            target: "portcullis",
            "other servers see only later what was ended or revoked here: {error}",
        );
    }
}

/// The one question. It may be dropped before its answer.
struct Asking<'a>(&'a AtomicBool);

impl<'a> Asking<'a> {
    fn begin(is_asked: &'a AtomicBool) -> Option<Self> {
        (!is_asked.swap(true, Ordering::AcqRel)).then_some(Self(is_asked))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Ear {
    fn places(&self) -> MutexGuard<'_, Places> {
        // What the lock protects is whole between any two statements.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SignalListener for Ear {
    fn hear(&self, heard: Heard) {
        let mut places = self.places();
        match heard {
            _ if places.is_everywhere => {}
            Heard::Signal(signal) if places.signals.len() < MAX_SIGNALS => {
                places.signals.insert(signal);
            }
            // Too many, a gap, or something that this layer does not know.
            _ => {
                *places = Places::everywhere();
            }
        }
        drop(places);
        self.notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{OwnerKey, RevokedKey};

    use super::*;
    use crate::signal::MemorySignals;

    #[tokio::test]
    async fn hears_what_it_and_others_publish_once() {
        let bus = MemorySignals::new();
        let (one, two) = (
            Signals::new(Arc::new(bus.clone())),
            Signals::new(Arc::new(bus)),
        );
        let signal = Signal::Sessions(OwnerKey::from_u128(1));
        one.publish(&[signal, signal]).await;
        for signals in [&one, &two] {
            signals.heard().await;
            let places = signals.take(Timestamp::UNIX_EPOCH);
            assert_eq!(places.signals, HashSet::from([signal]));
            assert!(!places.is_everywhere);
            assert_eq!(signals.take(Timestamp::UNIX_EPOCH), Places::default());
        }
        assert_eq!(two.current_at(), None);
        two.catch_up(Timestamp::UNIX_EPOCH).await;
        assert_eq!(two.current_at(), Some(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn looks_everywhere_after_too_many() {
        let ear = Ear::default();
        for key in 0..MAX_SIGNALS as u128 {
            ear.hear(Heard::Signal(Signal::Revoked(RevokedKey::from_u128(key))));
        }
        assert!(!ear.places().is_everywhere);
        ear.hear(Heard::Signal(Signal::Revoked(RevokedKey::from_u128(
            u128::MAX,
        ))));
        let places = mem::take(&mut *ear.places());
        assert!(places.is_everywhere && places.signals.is_empty());
        ear.hear(Heard::Gap);
        assert!(ear.places().is_everywhere);
    }
}
