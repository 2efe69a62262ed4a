//! The settings that every layer has.

use std::{fmt, sync::Arc};

use portcullis_core::{AuditSink, Clock, ConfigError, ConfigErrors, SystemClock};

use crate::{
    audit::{Recorder, TracingSink},
    exchange::{RequestIds, Shared},
    frame::Doors,
    time::Time,
};

/// The settings that every layer has, before they are checked.
#[derive(Clone)]
pub(crate) struct Ambient {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sink: Arc<dyn AuditSink>,
    pub(crate) base_path: Option<Arc<str>>,
    /// The setters that were called.
    pub(crate) settings: Vec<&'static str>,
}

impl Default for Ambient {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            sink: Arc::new(TracingSink::new()),
            base_path: None,
            settings: Vec::new(),
        }
    }
}

impl Ambient {
    /// A clock that nobody sets. The layers of a stack have one together.
    pub(crate) fn time(&self) -> Time {
        Time::new(Arc::clone(&self.clock))
    }

    /// What the layers of a gate have that runs already.
    pub(crate) fn of(shared: &Shared) -> Self {
        Self {
            clock: Arc::clone(&shared.clock),
            base_path: shared.base_path.clone(),
            ..Self::default()
        }
    }

    /// For a loose layer, of which nobody knows whether another one decides further in.
    pub(crate) fn build(&self) -> Result<Shared, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if self.sink.is_strict() {
            errors.push(ConfigError::new(
                "with_audit",
                "is given a strict sink, which a loose layer cannot wait for: it does not know \
                 whether another layer decides further in; build the layers with `Stack`, or \
                 give it a sink that is not strict",
            ));
        }
        match self.build_for_gate() {
            Ok(shared) => errors.into_result(shared),
            Err(others) => {
                errors.extend(others);
                Err(errors)
            }
        }
    }

    pub(crate) fn build_for_gate(&self) -> Result<Shared, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if let Some(base) = &self.base_path {
            let is_below_root = base.starts_with('/') && !base.ends_with('/');
            if !is_below_root || crate::path::is_normal(base).is_err() {
                errors.push(ConfigError::new(
                    "with_base_path",
                    "is no path below the root; give one like `/agents/notes`, \
                     without a slash at the end",
                ));
            }
        }
        match RequestIds::new() {
            Ok(ids) => errors.into_result(Shared {
                clock: Arc::clone(&self.clock),
                ids,
                recorder: Recorder::new(Arc::clone(&self.sink)),
                base_path: self.base_path.clone(),
                doors: Doors::default(),
            }),
            Err(error) => {
                errors.push(ConfigError::new(
                    "build",
                    format!("the operating system gives no randomness: {error}"),
                ));
                Err(errors)
            }
        }
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ambient")
            .field("clock", &self.clock)
            .field("base_path", &self.base_path)
            .finish_non_exhaustive()
    }
}

/// The setters of [`Ambient`], for a builder that has a field of that name.
macro_rules! ambient_setters {
    () => {
        /// Where time comes from. The system's clock by default; a virtual one in tests.
        pub fn with_clock(mut self, clock: impl $crate::Clock) -> Self {
            self.ambient.clock = std::sync::Arc::new(clock);
            self.ambient.settings.push("with_clock");
            self
        }

        /// Where the records of decisions go. To `tracing` by default.
        ///
        /// Only the outermost of our layers writes records, so only its sink counts. One that is
        /// strict (see [`AuditSink::is_strict`]($crate::audit::AuditSink::is_strict)) needs the
        /// gate: a layer that is built alone refuses it.
        pub fn with_audit(mut self, sink: impl $crate::audit::AuditSink) -> Self {
            self.ambient.sink = std::sync::Arc::new(sink);
            self.ambient.settings.push("with_audit");
            self
        }

        /// The path at which this service stands, where something outside it has stripped
        /// that prefix from the request's path: `/agents/notes`.
        ///
        /// On axum it is not needed: the original path is read there (feature `axum`).
        pub fn with_base_path(mut self, path: impl Into<std::sync::Arc<str>>) -> Self {
            self.ambient.base_path = Some(path.into());
            self.ambient.settings.push("with_base_path");
            self
        }
    };
}
pub(crate) use ambient_setters;
