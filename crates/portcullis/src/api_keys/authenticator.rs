//! The keys of a ring as the credential of a request.

use http::{HeaderName, header};
use portcullis_core::{
    Authenticator, Check, ConfigError, ConfigErrors, Description, IntoAuthenticator, ReasonCode,
    Rejection, RequestView, Site, Verdict,
};

use super::KeyRing;

const NAME: &str = "api_keys";
const REPEATED: ReasonCode = ReasonCode::new("api_key_repeated");

/// Takes the keys of a [`KeyRing`] as the credential of a request: from
/// `Authorization: Bearer`, or from a header of their own.
///
/// See the [module](super) for examples.
#[derive(Clone, Debug)]
#[must_use]
pub struct ApiKeys {
    ring: KeyRing,
    header: Option<HeaderName>,
}

impl ApiKeys {
    /// Keys in `Authorization: Bearer`. Credentials there with another prefix are left to
    /// other authenticators.
    ///
    /// Keep a clone of the ring to issue, rotate and revoke keys.
    pub fn new(ring: KeyRing) -> Self {
        Self { ring, header: None }
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
}

impl IntoAuthenticator for ApiKeys {
    type Authenticator = ApiKeyAuthenticator;

    fn into_authenticator(self, _site: &Site) -> Result<ApiKeyAuthenticator, ConfigErrors> {
        let mut errors = self.ring.errors();
        if let Some(problem) = self.header.as_ref().and_then(header_problem) {
            errors.push(ConfigError::new("ApiKeys::with_header", problem));
        }
        errors.into_result(ApiKeyAuthenticator {
            ring: self.ring,
            header: self.header,
        })
    }
}

/// The authenticator that [`ApiKeys`] configures.
#[derive(Clone, Debug)]
pub struct ApiKeyAuthenticator {
    ring: KeyRing,
    header: Option<HeaderName>,
}

impl ApiKeyAuthenticator {
    fn judge(&self, request: &RequestView<'_>) -> Verdict {
        let text = match &self.header {
            None => request.bearer().map(str::as_bytes),
            Some(name) => {
                let mut values = request.headers().get_all(name).iter();
                let first = values.next();
                if values.next().is_some() {
                    return Verdict::Reject(Rejection::invalid_request(REPEATED));
                }
                first.map(|value| value.as_bytes())
            }
        };
        text.map_or(Verdict::Absent, |text| self.ring.judge(text, request.now()))
    }
}

impl Authenticator for ApiKeyAuthenticator {
    fn describe(&self) -> Description {
        match &self.header {
            None => Description::bearer(NAME),
            Some(header) => Description::header(NAME, header.clone()),
        }
    }

    /// Answers a restricted request like any other: one hash of seventy bytes costs less than
    /// reading the request did.
    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        Check::Done(self.judge(request))
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
