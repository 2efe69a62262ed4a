//! What the cookie of sessions is like.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use portcullis_core::{ConfigError, ConfigErrors};
use url::Url;

use super::Jar;

/// What the authenticator of cookies is called in records.
pub(crate) const NAME: &str = "session_cookie";

/// The longest grace of an id that was replaced.
const MAX_GRACE: Duration = Duration::from_secs(60);
/// The longest name, without its prefix.
const MAX_NAME: usize = 64;

/// Which sites may have a browser send the cookie (RFC 6265bis, `SameSite`). Whatever it says, the
/// layer looks itself where a request that changes something comes from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SameSite {
    /// Also others, where somebody follows a link.
    #[default]
    Lax,
    /// None but its own: who follows a link from elsewhere arrives without it.
    Strict,
}

/// The cookie of sessions: always `__Host-`, `Secure`, `HttpOnly` and `Path=/`, never with a
/// `Domain`, and gone when the browser is closed. See [`SessionBuilder::with_cookie`].
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis::session::{SameSite, SessionCookie, SessionLayer};
///
/// let session = SessionLayer::builder().with_cookie(SessionCookie::new("session"));
///
/// let strict = SessionCookie::new("notes")
///     .with_same_site(SameSite::Strict)
///     .with_grace(Duration::from_secs(5));
/// let session = SessionLayer::builder().with_cookie(strict);
/// ```
///
/// [`SessionBuilder::with_cookie`]: super::super::SessionBuilder::with_cookie
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionCookie {
    name: Box<str>,
    same_site: SameSite,
    grace: Duration,
}

impl SessionCookie {
    /// A cookie of this name, which is put behind `__Host-` (RFC 6265bis §4.1.3.2): letters, digits,
    /// `-` and `_`, at most 64.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            same_site: SameSite::default(),
            grace: Duration::from_secs(10),
        }
    }

    /// Which sites may have a browser send it: [`SameSite::Lax`] by default.
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// How long requests are let in that were on their way when the id was replaced: ten seconds by
    /// default, a minute at most. An id that was replaced cannot be replaced again.
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Checks every setting, for a server at this place.
    pub(crate) fn assemble(self, resource: Option<&Url>) -> Result<Cookies, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.bytes().all(is_plain) {
            let problem = "has a name that is no name for a cookie; use letters, digits, `-` and \
                           `_`, 64 at most, without `__Host-`, which is put before it";
            errors.push(ConfigError::new("with_cookie", problem));
        }
        if self.grace > MAX_GRACE {
            let problem = "has a grace of more than a minute, for which an id that was replaced \
                           would still be good; shorten it";
            errors.push(ConfigError::new("with_cookie", problem));
        }
        let origin = resource.map(|url| url.origin().ascii_serialization());
        if origin.is_none() {
            let problem = "needs to know where the server is, to tell its own pages from others; \
                           call `with_resource` as well";
            errors.push(ConfigError::new("with_cookie", problem));
        }
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        };
        let name = format!("__Host-{}", self.name);
        let attributes = format!("; Path=/; Secure; HttpOnly; SameSite={same_site}");
        let clear = HeaderValue::try_from(format!("{name}={attributes}; Max-Age=0")).ok();
        let (Some(origin), Some(clear)) = (origin, clear) else {
            return Err(errors);
        };
        errors.into_result(Cookies(Arc::new(Inner {
            jar: Jar::new(name),
            attributes,
            clear,
            origin,
            grace: self.grace,
        })))
    }
}

/// The cookie of a gate. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cookies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    jar: Jar,
    attributes: String,
    clear: HeaderValue,
    origin: String,
    grace: Duration,
}

impl Cookies {
    pub(crate) fn jar(&self) -> &Jar {
        &self.0.jar
    }

    /// The origin of the server's own pages.
    pub(crate) fn origin(&self) -> &str {
        &self.0.origin
    }

    /// What takes the cookie away from a browser.
    pub(crate) fn clear(&self) -> HeaderValue {
        self.0.clear.clone()
    }

    /// What gives a browser a cookie of this value.
    pub(crate) fn set(&self, value: &str) -> Option<HeaderValue> {
        let (name, attributes) = (self.0.jar.name(), &self.0.attributes);
        let mut header = HeaderValue::try_from(format!("{name}={value}{attributes}")).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    pub(crate) fn grace(&self) -> Duration {
        self.0.grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(cookie: SessionCookie) -> Result<Cookies, String> {
        let url = Url::parse("https://agent.example/mcp").unwrap();
        cookie.assemble(Some(&url)).map_err(|e| e.to_string())
    }

    #[test]
    fn is_as_narrow_as_a_cookie_can_be() {
        let cookies = built(SessionCookie::new("s")).unwrap();
        let set = cookies.set("v").unwrap();
        assert_eq!(set, "__Host-s=v; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert!(set.is_sensitive());
        assert_eq!(
            cookies.clear(),
            "__Host-s=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        assert_eq!(cookies.origin(), "https://agent.example");
        let strict = SessionCookie::new("s").with_same_site(SameSite::Strict);
        let strict = built(strict).unwrap().clear();
        assert!(strict.to_str().unwrap().contains("SameSite=Strict"));
    }

    #[test]
    fn settings_that_cannot_work_are_errors() {
        for name in ["", "a b", "a=b", "a;b", "ä", &"a".repeat(65)] {
            let problem = built(SessionCookie::new(name)).unwrap_err();
            assert!(problem.contains("is no name for a cookie"), "{problem}");
        }
        let long = SessionCookie::new("s").with_grace(Duration::from_secs(61));
        assert!(built(long).unwrap_err().contains("more than a minute"));
        let nowhere = SessionCookie::new("s").assemble(None).unwrap_err();
        assert!(nowhere.to_string().contains("call `with_resource`"));
    }
}
