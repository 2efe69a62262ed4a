//! One thing that is measured.

use std::fmt;

use portcullis::jwt::JwtAuthenticator;

/// One thing that is measured, and its floor: the same work without it.
pub struct Variant {
    name: String,
    floor: Option<String>,
    raw: Option<String>,
    composite: Option<String>,
    run: Box<dyn FnMut()>,
    runs: u64,
    authenticator: Option<JwtAuthenticator>,
}

impl Variant {
    /// A variant by the name that its figures bear.
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() + 'static) -> Self {
        Self {
            name: name.into(),
            floor: None,
            raw: None,
            composite: None,
            run: Box::new(run),
            runs: 0,
            authenticator: None,
        }
    }

    /// The name of the variant that does the same without what is measured here.
    pub(crate) fn with_floor(mut self, floor: &str) -> Self {
        self.floor = Some(floor.to_owned());
        self
    }

    /// The name of the variant that does nothing but the signature check in this one.
    pub(crate) fn with_raw(mut self, raw: &str) -> Self {
        self.raw = Some(raw.to_owned());
        self
    }

    /// The name of the variant that does the same with what others have made, over the same
    /// floor.
    pub(crate) fn with_composite(mut self, composite: &str) -> Self {
        self.composite = Some(composite.to_owned());
        self
    }

    /// The authenticator whose counters tell how often a token was known.
    pub(crate) fn with_authenticator(mut self, authenticator: &JwtAuthenticator) -> Self {
        self.authenticator = Some(authenticator.clone());
        self
    }

    /// Runs it once.
    pub fn run(&mut self) {
        self.runs += 1;
        (self.run)();
    }

    /// What its figures are called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its floor.
    #[must_use]
    pub fn floor(&self) -> Option<&str> {
        self.floor.as_deref()
    }

    /// The name of the signature check in it.
    #[must_use]
    pub fn raw(&self) -> Option<&str> {
        self.raw.as_deref()
    }

    /// The name of what others have made for the same, which is not always built.
    #[must_use]
    pub fn composite(&self) -> Option<&str> {
        self.composite.as_deref()
    }

    /// The share of the runs so far that found their token known. `None` where there is no
    /// token, or no run yet.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let checked = self.authenticator.as_ref()?.stats().signature_checks();
        (self.runs > 0).then(|| 1.0 - checked as f64 / self.runs as f64)
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variant")
            .field("name", &self.name)
            .field("floor", &self.floor)
            .finish_non_exhaustive()
    }
}
