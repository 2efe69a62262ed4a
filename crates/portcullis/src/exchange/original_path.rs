//! The path that the client asked for.

use http::{Uri, request::Parts};

/// The path that the client asked for, before any router stripped a part of it.
#[derive(Clone, Debug)]
pub(crate) enum OriginalPath {
    /// As a URI had it. Cloning a URI shares its bytes.
    Uri(Uri),
    /// Below the base path at which the router stands.
    Joined(Box<str>),
}

impl OriginalPath {
    /// axum's `OriginalUri` where there is one; otherwise the configured base and the path.
    pub(crate) fn of(parts: &Parts, base: Option<&str>) -> Self {
        #[cfg(feature = "axum")]
        if let Some(original) = parts.extensions.get::<axum::extract::OriginalUri>() {
            return Self::Uri(original.0.clone());
        }
        match base {
            None => Self::Uri(parts.uri.clone()),
            Some(base) => Self::Joined(format!("{base}{}", parts.uri.path()).into()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Uri(uri) => uri.path(),
            Self::Joined(path) => path,
        }
    }
}
