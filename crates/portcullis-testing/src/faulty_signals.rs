//! A bus that fails on request.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use portcullis_core::{Heard, Signal, SignalBus, SignalListener, StoreError};
use tokio::sync::Notify;

/// A bus that fails while it is told to, and otherwise does what the one inside it does. Clones are
/// the same bus.
///
/// While it fails, neither what is published on it arrives nor what others publish; after that, its
/// listeners are told of a gap as soon as somebody has it catch up.
///
/// # Example
///
/// ```
/// use portcullis::{session::SessionLayer, signal::MemorySignals};
/// use portcullis_testing::faulty_signals::FaultySignals;
///
/// let bus = FaultySignals::new(MemorySignals::new());
/// let layer = SessionLayer::builder().with_signals(bus.clone()).build()?;
/// bus.set_failing(true); // from now on, nobody hears anything
/// # let _ = layer;
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
#[derive(Debug, Default)]
pub struct FaultySignals<B>(Arc<Inner<B>>);

#[derive(Debug, Default)]
struct Inner<B> {
    bus: B,
    is_failing: Arc<AtomicBool>,
    is_silent: AtomicBool,
    /// Wakes whoever waits for an answer that is not given.
    heard: Notify,
    published: AtomicU64,
    caught_up: AtomicU64,
    filters: Mutex<Vec<Arc<Filter>>>,
}

/// Stands between the bus inside and one listener.
#[derive(Debug)]
struct Filter {
    listener: Weak<dyn SignalListener>,
    is_failing: Arc<AtomicBool>,
    has_missed: AtomicBool,
}

impl<B: SignalBus> FaultySignals<B> {
    /// A bus that does not fail yet.
    #[must_use]
    pub fn new(bus: B) -> Self {
        Self(Arc::new(Inner {
            bus,
            is_failing: Arc::default(),
            is_silent: AtomicBool::new(false),
            heard: Notify::new(),
            published: AtomicU64::new(0),
            caught_up: AtomicU64::new(0),
            filters: Mutex::default(),
        }))
    }

    /// Whether everything that is asked from now on is an error, and nothing is heard.
    pub fn set_failing(&self, is_failing: bool) {
        self.0.is_failing.store(is_failing, Ordering::SeqCst);
        if is_failing {
            for filter in self.filters() {
                filter.has_missed.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Whether whatever is asked from now on has no answer until this is over, and nothing is heard:
    /// neither an error nor a success. After that it is as after a failure.
    pub fn set_silent(&self, is_silent: bool) {
        self.0.is_silent.store(is_silent, Ordering::SeqCst);
        self.set_failing(is_silent);
        self.0.heard.notify_waiters();
    }

    /// How many signals were published on it.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.0.published.load(Ordering::Relaxed)
    }

    /// How often it was asked to catch up.
    #[must_use]
    pub fn caught_up(&self) -> u64 {
        self.0.caught_up.load(Ordering::Relaxed)
    }

    /// The bus inside.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.0.bus
    }

    fn filters(&self) -> Vec<Arc<Filter>> {
        let filters = self.0.filters.lock();
        filters.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self) -> Result<(), StoreError> {
        loop {
            let heard = self.0.heard.notified();
            if !self.0.is_silent.load(Ordering::SeqCst) {
                break;
            }
            heard.await;
        }
        match self.0.is_failing.load(Ordering::SeqCst) {
            true => Err(StoreError::new("it was told to fail")),
            false => Ok(()),
        }
    }
}

impl<B> Clone for FaultySignals<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: SignalBus> SignalBus for FaultySignals<B> {
    fn subscribe(&self, listener: Weak<dyn SignalListener>) {
        let filter = Arc::new(Filter {
            listener,
            is_failing: Arc::clone(&self.0.is_failing),
            has_missed: AtomicBool::new(false),
        });
        let weak: Weak<Filter> = Arc::downgrade(&filter);
        let mut filters = self
            .0
            .filters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        filters.retain(|filter| filter.listener.strong_count() > 0);
        filters.push(filter);
        drop(filters);
        self.0.bus.subscribe(weak);
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), StoreError> {
        self.ask().await?;
        let many = u64::try_from(signals.len()).unwrap_or(u64::MAX);
        self.0.published.fetch_add(many, Ordering::Relaxed);
        self.0.bus.publish(signals).await
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        self.0.caught_up.fetch_add(1, Ordering::Relaxed);
        self.ask().await?;
        self.0.bus.catch_up().await?;
        for filter in self.filters() {
            if filter.has_missed.swap(false, Ordering::SeqCst) {
                filter.tell(Heard::Gap);
            }
        }
        Ok(())
    }
}

impl Filter {
    fn tell(&self, heard: Heard) {
        if let Some(listener) = self.listener.upgrade() {
            listener.hear(heard);
        }
    }
}

impl SignalListener for Filter {
    fn hear(&self, heard: Heard) {
        if !self.is_failing.load(Ordering::SeqCst) {
            self.tell(heard);
        }
    }
}
