//! The authenticator.

use std::sync::Arc;

use http::HeaderName;
use portcullis_core::{
    Authenticator, Check, Clock, Description, Evidence, ReasonCode, Rejection, RequestView,
    Timestamp, Unavailable, Verdict, sabotaged,
};

use super::{
    data::{Data, Rules},
    keys::{Found, Keys},
};
use crate::{
    reason,
    token_cache::{Known, TokenCache},
};

/// The name in records.
const NAME: &str = "alb_user_claims";
const HEADER: HeaderName = HeaderName::from_static("x-amzn-oidc-data");
/// What the load balancer says beside, without a signature of its own.
const UNSIGNED: [HeaderName; 2] = [
    HeaderName::from_static("x-amzn-oidc-identity"),
    HeaderName::from_static("x-amzn-oidc-accesstoken"),
];

/// Accepts what an Application Load Balancer says of its users. Made from an
/// [`AlbUserClaims`](super::AlbUserClaims); see the [module docs](super).
///
/// Cheap to clone: clones share keys and cache.
#[derive(Clone, Debug)]
pub struct AlbAuthenticator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) rules: Rules,
    pub(super) keys: Arc<Keys>,
    pub(super) cache: TokenCache,
    pub(super) clock: Arc<dyn Clock>,
}

impl AlbAuthenticator {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// How often a key was retrieved, or it was tried.
    #[must_use]
    pub fn key_retrievals(&self) -> u64 {
        self.inner.keys.retrievals()
    }

    /// Why a value of the header is refused: for a developer who is stuck. `None`, if it is
    /// accepted. Retrieves the key if it is not known.
    ///
    /// The text of a code is [`reason::meaning`].
    pub async fn explain(&self, value: &str) -> Option<ReasonCode> {
        match self.inner.decide(value, self.inner.clock.now()).await {
            Verdict::Reject(rejection) => Some(rejection.reason()),
            Verdict::Unavailable(unavailable) => Some(unavailable.reason()),
            _ => None,
        }
    }
}

impl Inner {
    /// What is known of it from before.
    fn known(&self, text: &str, now: Timestamp) -> Option<Arc<Evidence>> {
        let known = self.cache.get(self.cache.key(text))?;
        known.window.check(now).ok()?;
        Some(known.evidence)
    }

    /// The verdict on what was read, with the key that was found.
    fn judge(&self, text: &str, data: Data<'_>, found: Found) -> Verdict {
        let key = match found {
            Found::Key(key) => key,
            Found::Absent => return rejected(reason::ALB_KEY_UNKNOWN),
            Found::Unknown => {
                return Verdict::Unavailable(Unavailable::new(reason::ALB_KEYS_UNAVAILABLE));
            }
        };
        if !key.verifies(data.signed, &data.signature) && !sabotaged!("alb.signature") {
            return rejected(reason::ALB_SIGNATURE);
        }
        let evidence = Arc::new(data.evidence);
        let known = Known {
            evidence: Arc::clone(&evidence),
            window: data.window,
            issuer: 0,
            key: 0,
        };
        self.cache.insert(self.cache.key(text), known);
        Verdict::Accept(evidence)
    }

    async fn decide(&self, text: &str, now: Timestamp) -> Verdict {
        let data = match Data::read(text, &self.rules, now) {
            Ok(data) => data,
            Err(reason) => return rejected(reason),
        };
        let found = match self.keys.known(&data.key_id) {
            Some(found) => found,
            None => self.keys.obtain(&data.key_id).await,
        };
        self.judge(text, data, found)
    }
}

fn rejected(reason: ReasonCode) -> Verdict {
    reason::note(reason);
    Verdict::Reject(Rejection::invalid_token(reason))
}

/// The text of the one header that there is.
fn the_one<'a>(request: &RequestView<'a>) -> Result<&'a str, Verdict> {
    if !request.headers().contains_key(HEADER) {
        return Err(Verdict::Absent);
    }
    let value = if sabotaged!("alb.single") {
        request.headers().get(HEADER)
    } else {
        request.single_header(&HEADER)
    };
    let text = value.and_then(|value| value.to_str().ok());
    text.ok_or(Verdict::Reject(Rejection::invalid_request(
        reason::ASSERTION_TWICE,
    )))
}

impl Authenticator for AlbAuthenticator {
    fn describe(&self) -> Description {
        let mut description = Description::header(NAME, HEADER);
        for other in UNSIGNED {
            description = description.add_header(other);
        }
        description.add_issuer(self.inner.rules.issuer.clone())
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let text = match the_one(request) {
            Ok(text) => text,
            Err(verdict) => return Check::Done(verdict),
        };
        if let Some(evidence) = self.inner.known(text, request.now()) {
            return Check::Done(Verdict::Accept(evidence));
        }
        if request.is_restricted() {
            return Check::NeedsIo;
        }
        let data = match Data::read(text, &self.inner.rules, request.now()) {
            Ok(data) => data,
            Err(reason) => return Check::Done(rejected(reason)),
        };
        match self.inner.keys.known(&data.key_id) {
            Some(found) => Check::Done(self.inner.judge(text, data, found)),
            None => Check::NeedsIo,
        }
    }

    async fn verify(&self, request: &RequestView<'_>) -> Verdict {
        match the_one(request) {
            Ok(text) => self.inner.decide(text, request.now()).await,
            Err(verdict) => verdict,
        }
    }
}
