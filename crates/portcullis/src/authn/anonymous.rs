//! Which routes need no credential.

use http::request::Parts;

/// Routes that are let in without a credential: by exact match, never by prefix.
#[derive(Clone, Debug, Default)]
pub(super) struct AnonymousRoutes(Vec<Box<str>>);

impl AnonymousRoutes {
    pub(super) fn add(&mut self, route: Box<str>) {
        self.0.push(route);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| &**route)
    }

    /// Whether the request's matched route is one of them; where no router has matched one,
    /// whether the path that the client asked for is, in its normal form.
    pub(super) fn allow(&self, parts: &Parts, path: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        #[cfg(feature = "axum")]
        if let Some(matched) = parts.extensions.get::<axum::extract::MatchedPath>() {
            return self.contains(matched.as_str());
        }
        let _ = parts;
        self.contains(path) && crate::path::is_normal(path).is_ok()
    }

    fn contains(&self, path: &str) -> bool {
        if portcullis_core::sabotaged!("authn.anonymous_exact") {
            return self.iter().any(|route| path.starts_with(route));
        }
        self.iter().any(|route| route == path)
    }
}
