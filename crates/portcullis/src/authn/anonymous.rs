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

    /// Whether the request's route is one of them.
    pub(super) fn allow(&self, parts: &Parts, path: &str) -> bool {
        !self.0.is_empty() && crate::route::of(parts, path).is_ok_and(|route| self.contains(route))
    }

    fn contains(&self, path: &str) -> bool {
        if portcullis_core::sabotaged!("authn.anonymous_exact") {
            return self.iter().any(|route| path.starts_with(route));
        }
        self.iter().any(|route| route == path)
    }
}
