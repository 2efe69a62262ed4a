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
    #[cfg(feature = "axum")]
    if let Some(matched) = parts.extensions.get::<axum::extract::MatchedPath>() {
        return Ok(matched.as_str());
    }
    let _ = parts;
    path::is_normal(path).map(|()| path)
}
