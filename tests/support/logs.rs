//! What was logged while something ran.

use std::{
    cell::RefCell,
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, Once, PoisonError},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

thread_local! {
    static LISTENERS: RefCell<Vec<Logs>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the events of the thread it is installed on, each as one line: level, target and all
/// fields.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<Vec<(Level, String)>>>);

/// While it lives, [`Logs`] listen on the thread that made it.
#[derive(Debug)]
#[must_use]
pub struct Listening(PhantomData<*const ()>);

impl Logs {
    /// Listens on this thread until the guard is dropped.
    ///
    /// # Panics
    ///
    /// Something else listens to the whole process.
    #[expect(clippy::expect_used, reason = "nothing else in the tests listens")]
    pub fn listen() -> (Self, Listening) {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            tracing::subscriber::set_global_default(ByThread).expect("nobody else listens");
        });
        let logs = Self::default();
        LISTENERS.with_borrow_mut(|listeners| listeners.push(logs.clone()));
        (logs, Listening(PhantomData))
    }

    /// The lines of one level, oldest first.
    #[must_use]
    pub fn lines(&self, level: Level) -> Vec<String> {
        self.events()
            .iter()
            .filter(|(own, _)| *own == level)
            .map(|(_, line)| line.clone())
            .collect()
    }

    /// Every line, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.events().iter().map(|(_, line)| line.clone()).collect()
    }

    fn events(&self) -> std::sync::MutexGuard<'_, Vec<(Level, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENERS.with_borrow_mut(|listeners| drop(listeners.pop()));
    }
}

/// The subscriber of the process. One for each thread would not do: `tracing` asks only the
/// thread that comes to an event first whether anybody wants it, and keeps the answer.
struct ByThread;

impl Subscriber for ByThread {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("portcullis")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let listener = LISTENERS.with_borrow(|listeners| listeners.last().cloned());
        if let Some(logs) = listener {
            let mut line = Line(event.metadata().target().to_owned());
            event.record(&mut line);
            logs.events().push((*event.metadata().level(), line.0));
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        let _ = write!(self.0, " {field}={value:?}");
    }
}
