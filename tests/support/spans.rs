//! What a subscriber is told of spans, and what stands in its text.

use std::{
    cell::RefCell,
    fmt, io,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::format::FmtSpan,
    layer::{Context, SubscriberExt as _},
    registry::{LookupSpan, Registry, SpanRef},
};

thread_local! {
    static LISTENERS: RefCell<Vec<Spans>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the spans and events of the thread it is installed on, and the text that
/// `tracing-subscriber` makes of them.
#[derive(Clone, Debug, Default)]
pub struct Spans(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<SeenSpan>,
    events: Vec<SeenEvent>,
    text: Vec<u8>,
}

/// A span.
#[derive(Clone, Debug)]
pub struct SeenSpan {
    /// Its name.
    pub name: &'static str,
    /// Its target.
    pub target: &'static str,
    /// Its level.
    pub level: Level,
    /// The names of all its fields, recorded or not.
    pub names: Vec<&'static str>,
    /// Which span it is in, by its number.
    pub parent: Option<usize>,
    /// What was recorded, in this order.
    pub fields: Vec<(&'static str, String)>,
    /// Whether nobody holds it any more.
    pub is_closed: bool,
}

impl SeenSpan {
    /// The value of a field that was recorded.
    ///
    /// # Panics
    ///
    /// It was recorded more than once: a line of text would have it twice.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().filter(|(field, _)| *field == name);
        let value = fields.next().map(|(_, value)| value.as_str());
        assert!(fields.next().is_none(), "{name} twice: {self:?}");
        value
    }
}

/// An event.
#[derive(Clone, Debug)]
pub struct SeenEvent {
    /// Its target and fields, on one line.
    pub line: String,
    /// The spans it is in, by their numbers, the innermost first.
    pub spans: Vec<usize>,
}

/// While it lives, [`Spans`] listen on the thread that made it.
#[derive(Debug)]
#[must_use]
pub struct Listening(PhantomData<*const ()>);

impl Spans {
    /// Listens on this thread until the guard is dropped.
    ///
    /// # Panics
    ///
    /// Something else listens to the whole process.
    #[expect(clippy::expect_used, reason = "nothing else in such a test listens")]
    pub fn listen() -> (Self, Listening) {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let text = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_span_events(FmtSpan::CLOSE)
                .with_writer(|| Text);
            let subscriber = Registry::default().with(ByThread).with(text);
            tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
        });
        let spans = Self::default();
        LISTENERS.with_borrow_mut(|listeners| listeners.push(spans.clone()));
        (spans, Listening(PhantomData))
    }

    /// Every span, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<SeenSpan> {
        self.kept().spans.clone()
    }

    /// The span of a request, with its number.
    ///
    /// # Panics
    ///
    /// There is none, or more than one.
    #[must_use]
    #[expect(clippy::expect_used, reason = "what is not there fails the test")]
    pub fn request(&self) -> (usize, SeenSpan) {
        let spans = self.all();
        let mut requests = spans
            .into_iter()
            .enumerate()
            .filter(|(_, span)| span.target == "portcullis::request");
        let one = requests.next().expect("there is a span");
        assert!(requests.next().is_none(), "there is a second span");
        one
    }

    /// Every event, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<SeenEvent> {
        self.kept().events.clone()
    }

    /// The one event whose line has this in it.
    ///
    /// # Panics
    ///
    /// There is none, or more than one.
    #[must_use]
    pub fn event(&self, needle: &str) -> SeenEvent {
        let mut events = self.events();
        events.retain(|event| event.line.contains(needle));
        assert_eq!(events.len(), 1, "{needle:?} in {:?}", self.events());
        events.swap_remove(0)
    }

    /// All that was written as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept().text).into_owned()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_this_thread() -> Option<Self> {
        // A span may be dropped with the thread.
        let last = LISTENERS.try_with(|listeners| listeners.borrow().last().cloned());
        last.ok().flatten()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENERS.with_borrow_mut(|listeners| drop(listeners.pop()));
    }
}

/// Where a span is kept, and by which number.
struct Place(Spans, usize);

/// The layer of the process, for the reason that [`Logs`](crate::logs::Logs) has one.
struct ByThread;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ByThread {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let (Some(spans), Some(span)) = (Spans::of_this_thread(), ctx.span(id)) else {
            return;
        };
        let metadata = attributes.metadata();
        let mut seen = SeenSpan {
            name: metadata.name(),
            target: metadata.target(),
            level: *metadata.level(),
            names: metadata.fields().iter().map(|field| field.name()).collect(),
            parent: span.parent().and_then(|span| number_of(&span)),
            fields: Vec::new(),
            is_closed: false,
        };
        attributes.record(&mut Fields(&mut seen.fields));
        let number = {
            let mut kept = spans.kept();
            kept.spans.push(seen);
            kept.spans.len() - 1
        };
        span.extensions_mut().insert(Place(spans, number));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        change(id, &ctx, |span| {
            values.record(&mut Fields(&mut span.fields));
        });
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let Some(spans) = Spans::of_this_thread() else {
            return;
        };
        let mut fields = Vec::new();
        event.record(&mut Fields(&mut fields));
        let fields = fields
            .iter()
            .map(|(name, value)| format!(" {name}={value}"));
        let scope = ctx.event_scope(event).into_iter().flatten();
        let numbers = scope.filter_map(|span| number_of(&span));
        let seen = SeenEvent {
            line: event.metadata().target().to_owned() + &fields.collect::<String>(),
            spans: numbers.collect(),
        };
        spans.kept().events.push(seen);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        change(&id, &ctx, |span| span.is_closed = true);
    }
}

fn number_of<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<usize> {
    let extensions = span.extensions();
    extensions.get().map(|Place(_, number)| *number)
}

fn change<S>(id: &Id, ctx: &Context<'_, S>, change: impl FnOnce(&mut SeenSpan))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(span) = ctx.span(id) else { return };
    let extensions = span.extensions();
    if let Some(Place(spans, number)) = extensions.get()
        && let Some(span) = spans.kept().spans.get_mut(*number)
    {
        change(span);
    }
}

struct Fields<'a>(&'a mut Vec<(&'static str, String)>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}

/// Writes to whoever listens on the thread.
struct Text;

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(spans) = Spans::of_this_thread() {
            spans.kept().text.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
