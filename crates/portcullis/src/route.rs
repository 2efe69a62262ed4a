//! By which name rules for single routes know a request.

use http::request::Parts;

use crate::path::{self, Ambiguity};

/// The route that axum has matched (`/notes/{id}`); where no router has matched one, the path
/// that the client asked for.
///
/// # Errors
///
/// There is no matched route, and the path can be read in two ways: no rule may then be
/// thought to hold for it, and none may be thought not to.
pub(crate) fn of<'a>(parts: &'a Parts, path: &'a str) -> Result<&'a str, Ambiguity> {
    match matched(parts) {
        Some(matched) => Ok(matched),
        None => path::is_normal(path).map(|()| path),
    }
}

/// The route that axum has matched, if a router has.
pub(crate) fn matched(parts: &Parts) -> Option<&str> {
    #[cfg(feature = "axum")]
    return Some(
        parts
            .extensions
            .get::<axum::extract::MatchedPath>()?
            .as_str(),
    );
    #[cfg(not(feature = "axum"))]
    {
        let _ = parts;
        None
    }
}
