//! Keys as the credential of a request.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, header};
use portcullis_core::{
    Authenticator, Check, ConfigError, ConfigErrors, Description, IntoAuthenticator, ReasonCode,
    Rejection, RequestView, Site, Verdict,
};

use super::{KeyRegistry, KeyRing, entry::Good, limits::Limits, registered::Registered};

const NAME: &str = "api_keys";
/// How long the last use of a key that was written down stays so.
const LAST_USE: Duration = Duration::from_secs(300);
const REPEATED: ReasonCode = ReasonCode::new("api_key_repeated");

/// Takes the keys of a [`KeyRing`] or a [`KeyRegistry`] as the credential of a request: from
/// `Authorization: Bearer`, or from a header of their own.
///
/// See the [module](super) for examples.
#[derive(Clone, Debug)]
#[must_use]
pub struct ApiKeys {
    source: Source,
    header: Option<HeaderName>,
    last_use: Option<Duration>,
}

/// Where the keys are.
#[derive(Clone, Debug)]
enum Source {
    Registry(KeyRegistry),
    Ring(KeyRing),
}

impl ApiKeys {
    /// Keys in `Authorization: Bearer`. Credentials there with another prefix are left to
    /// other authenticators.
    ///
    /// Keep a clone of the ring to issue, rotate and revoke keys.
    pub fn new(ring: KeyRing) -> Self {
        Self::of(Source::Ring(ring))
    }

    /// The keys of a store, in `Authorization: Bearer`. Credentials there with another prefix
    /// are left to other authenticators.
    ///
    /// Keep a clone of the registry to issue, list, rotate and revoke keys.
    pub fn from_registry(registry: KeyRegistry) -> Self {
        Self::of(Source::Registry(registry))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            header: None,
            last_use: Some(LAST_USE),
        }
    }

    /// Keys in a header of their own instead, such as `x-api-key`: for clients that cannot
    /// send `Authorization`. The gate removes this header before the handler.
    ///
    /// Proxies and logs know that `Authorization` is a secret; that another header is one,
    /// they have to be told.
    pub fn with_header(mut self, header: HeaderName) -> Self {
        self.header = Some(header);
        self
    }

    /// How long the last use of a key that is written down stays so, although it is used again:
    /// 5 minutes by default. Each server writes for each key at most once in this while. A ring
    /// has no store, and writes nothing.
    pub fn with_last_use_interval(mut self, interval: Duration) -> Self {
        self.last_use = Some(interval);
        self
    }

    /// Writes down no use of a key.
    pub fn without_last_use(mut self) -> Self {
        self.last_use = None;
        self
    }
}

impl IntoAuthenticator for ApiKeys {
    type Authenticator = ApiKeyAuthenticator;

    fn into_authenticator(self, site: &Site) -> Result<ApiKeyAuthenticator, ConfigErrors> {
        let mut errors = match &self.source {
            Source::Registry(registry) => registry.errors(),
            Source::Ring(ring) => ring.errors(),
        };
        if let Some(problem) = self.header.as_ref().and_then(header_problem) {
            errors.push(ConfigError::new("ApiKeys::with_header", problem));
        }
        if self.last_use.is_some_and(|interval| interval.is_zero()) {
            errors.push(ConfigError::new(
                "ApiKeys::with_last_use_interval",
                "is zero, so each request would write to the store; give it a while, such as a \
                 minute",
            ));
        }
        errors.into_result(ApiKeyAuthenticator {
            keys: match self.source {
                Source::Registry(registry) => {
                    Keys::Registered(Arc::new(Registered::new(registry, self.last_use)))
                }
                Source::Ring(ring) => Keys::Ring(ring),
            },
            limits: Arc::new(Limits::new(Arc::clone(site.clock()))),
            header: self.header,
        })
    }
}

/// The authenticator that [`ApiKeys`] configures.
#[derive(Clone)]
pub struct ApiKeyAuthenticator {
    keys: Keys,
    limits: Arc<Limits>,
    header: Option<HeaderName>,
}

#[derive(Clone, Debug)]
enum Keys {
    Registered(Arc<Registered>),
    Ring(KeyRing),
}

impl ApiKeyAuthenticator {
    /// What was presented, or the verdict about a request without it.
    fn text<'a>(&self, request: &RequestView<'a>) -> Result<&'a [u8], Verdict> {
        let text = match &self.header {
            None => request.bearer().map(str::as_bytes),
            Some(name) => {
                let mut values = request.headers().get_all(name).iter();
                let first = values.next();
                if values.next().is_some() {
                    return Err(Verdict::Reject(Rejection::invalid_request(REPEATED)));
                }
                first.map(|value| value.as_bytes())
            }
        };
        text.ok_or(Verdict::Absent)
    }

    /// Counts the use of a good key, once for each request.
    fn answer(&self, judged: Result<Good, Verdict>) -> Verdict {
        match judged {
            Ok(good) => self.limits.answer(&good),
            Err(verdict) => verdict,
        }
    }
}

impl fmt::Debug for ApiKeyAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyAuthenticator")
            .field("keys", &self.keys)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Authenticator for ApiKeyAuthenticator {
    fn describe(&self) -> Description {
        let description = match &self.header {
            None => Description::bearer(NAME),
            Some(header) => Description::header(NAME, header.clone()),
        };
        description.add_issuer(match &self.keys {
            Keys::Ring(ring) => ring.issuer(),
            Keys::Registered(keys) => keys.issuer(),
        })
    }

    /// Answers a restricted request like any other, if the store can say at once: one hash of
    /// seventy bytes costs less than reading the request did.
    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        match (self.text(request), &self.keys) {
            (Err(verdict), _) => Check::Done(verdict),
            (Ok(text), Keys::Registered(keys)) => match keys.check(text, request) {
                Check::Done(judged) => Check::Done(self.answer(judged)),
                Check::NeedsIo => Check::NeedsIo,
            },
            (Ok(text), Keys::Ring(ring)) => {
                Check::Done(self.answer(ring.judge(text, request.now())))
            }
        }
    }

    async fn verify(&self, request: &RequestView<'_>) -> Verdict {
        match (self.text(request), &self.keys) {
            (Err(verdict), _) => verdict,
            (Ok(text), Keys::Registered(keys)) => {
                self.answer(keys.verify(text, request.now()).await)
            }
            (Ok(text), Keys::Ring(ring)) => self.answer(ring.judge(text, request.now())),
        }
    }
}

/// Why a header cannot carry keys, and the fix.
fn header_problem(name: &HeaderName) -> Option<&'static str> {
    // The header is removed before the handler, which would miss these.
    let needed = [
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::HOST,
        header::ORIGIN,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    if *name == header::AUTHORIZATION {
        Some("keys are read from `authorization` without this setting; leave it out")
    } else if needed.contains(name) {
        Some("the header has a meaning of its own; name one such as `x-api-key`")
    } else {
        None
    }
}
