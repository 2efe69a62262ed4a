//! The authenticator.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::future::join_all;
use http::HeaderName;
use portcullis_core::{
    Authenticator, Check, Clock, Description, Evidence, NotReady, Rejection, RequestView,
    Timestamp, Verdict, sabotaged,
};

use crate::{
    Explanation,
    claims::Rules,
    fault::{Fault, Step},
    judge::{
        Accepted, Lacking, Moment, Outcome, Stop, TrustedIssuer, check_size, find_issuer, judge,
    },
    key_source::{KeySource, Obtained, RemoteKeys},
    reason, token,
    token_cache::{Known, TokenCache},
};

/// How often one request waits for keys: for the first ones, then for one that they lack.
/// A third time makes up for a retrieval that ended while it was looking.
const MAX_WAITS: usize = 3;

/// Accepts JWT access tokens. Made from a [`Jwt`](crate::Jwt); see the [crate docs](crate).
///
/// Cheap to clone: clones share keys and cache.
#[derive(Clone, Debug)]
pub struct JwtAuthenticator {
    inner: Arc<Inner>,
}

/// Where the tokens come from.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// `Authorization`, as access tokens.
    Authorization,
    /// A header of its own, in which a proxy says who has logged in to it, and those in which it
    /// says the same without a signature.
    Proxy(HeaderName, &'static [HeaderName]),
}

impl Carrier {
    /// The name in records.
    const fn name(&self) -> &'static str {
        match self {
            Self::Authorization => "jwt",
            Self::Proxy(..) => "proxy_assertion",
        }
    }

    /// The token of a request, if it has one.
    fn find<'a>(&self, request: &RequestView<'a>) -> Result<&'a str, Verdict> {
        let name = match self {
            Self::Authorization => return request.access_token().ok_or(Verdict::Absent),
            Self::Proxy(name, _) => name,
        };
        if !request.headers().contains_key(name) {
            return Err(Verdict::Absent);
        }
        let value = if sabotaged!("jwt.assertion_single") {
            request.headers().get(name)
        } else {
            request.single_header(name)
        };
        let text = value.and_then(|value| value.to_str().ok());
        text.ok_or(Verdict::Reject(Rejection::invalid_request(
            reason::ASSERTION_TWICE,
        )))
    }
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) carrier: Carrier,
    pub(crate) issuers: Vec<TrustedIssuer>,
    pub(crate) rules: Rules,
    pub(crate) cache: Option<TokenCache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signature_checks: AtomicU64,
}

impl JwtAuthenticator {
    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Says for one token which checks it passes, which one it fails, and why: for a developer
    /// who is stuck.
    ///
    /// Makes the checks of a request, at the time of the clock, without the cache of known
    /// tokens. Loads keys if there are none. The result shows what the header and some claims
    /// say, but neither the token, nor its signature, nor its subject.
    ///
    /// It knows what this authenticator decides, and nothing of the gate: a token that was revoked there,
    /// whose proof is bad, or that lacks a scope or is too old for an operation, is accepted here. For
    /// those, the reason stands in the record.
    ///
    /// # Example
    ///
    /// ```
    /// # use portcullis_core::{Site, SystemClock};
    /// # use portcullis_jwt::{Issuer, Jwt};
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # let site = Site::new(std::sync::Arc::new(SystemClock::new()));
    /// # let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-01",
    /// #     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// let jwt = Jwt::new(Issuer::new("https://idp.example").with_static_keys(keys))
    ///     .with_audience("https://notes.example")
    ///     .build(&site)?;
    /// let explanation = jwt.explain("eyJhbGciOiJub25lIn0.e30.").await;
    /// assert_eq!(explanation.reason().unwrap().as_str(), "jwt_issuer");
    /// println!("{explanation}");
    /// # Ok(())
    /// # }
    /// # futures_util::FutureExt::now_or_never(example()).unwrap().unwrap();
    /// ```
    pub async fn explain(&self, token: &str) -> Explanation {
        let now = self.inner.clock.now();
        let outcome = self.decide(token, now).await;
        Explanation::new(token, &self.inner, now, &outcome)
    }

    /// Counters since the authenticator was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let retrievals = self.remotes().map(|(_, remote)| remote.retrievals());
        Stats {
            key_retrievals: retrievals.sum(),
            signature_checks: self.inner.signature_checks.load(Ordering::Relaxed),
        }
    }

    /// Makes every check. Waits for keys where they are lacking.
    async fn decide(&self, token: &str, now: Timestamp) -> Outcome {
        for waits in 0..MAX_WAITS {
            let lacking = match self.judge(token, now, waits > 0) {
                Ok(outcome) => return outcome,
                Err(lacking) => lacking,
            };
            let Some(remote) = self.remote(lacking.issuer) else {
                break;
            };
            let obtained = remote.obtain(lacking.lack, Some(&lacking.wanted)).await;
            if obtained == Obtained::Nothing {
                break;
            }
        }
        self.judge(token, now, true)
            .unwrap_or_else(|lacking| self.without_keys(&lacking))
    }

    /// Makes every check, or says which keys are lacking.
    fn judge(&self, token: &str, now: Timestamp, has_waited: bool) -> Result<Outcome, Lacking> {
        let inner = &*self.inner;
        let moment = Moment {
            now,
            instant: inner.clock.instant(),
            has_waited,
        };
        let judged = judge(token, &inner.issuers, &inner.rules, moment, || {
            inner.signature_checks.fetch_add(1, Ordering::Relaxed);
        });
        match judged {
            Ok(accepted) => Ok(Outcome::Accepted(accepted)),
            Err(Stop::NotMine(step)) => Ok(Outcome::NotMine(step)),
            Err(Stop::Fault(fault)) => Ok(Outcome::Faulty(fault)),
            Err(Stop::Keys(lacking)) => Err(lacking),
        }
    }

    /// The verdict, and what is remembered of it.
    fn verdict(&self, token: &str, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Accepted(accepted) => Verdict::Accept(self.remember(token, accepted)),
            Outcome::NotMine(_) => Verdict::NotMine,
            Outcome::Faulty(fault) => {
                reason::note(fault.reason);
                Verdict::Reject(Rejection::invalid_token(fault.reason))
            }
            Outcome::Unavailable(unavailable) => Verdict::Unavailable(unavailable),
        }
    }

    /// What is known of the token, if all that can change since still holds: the time, and
    /// that the issuer has not withdrawn the key.
    fn known(&self, token: &str, now: Timestamp) -> Option<Arc<Evidence>> {
        let cache = self.inner.cache.as_ref()?;
        let known = cache.get(cache.key(token))?;
        if known.window.check(now).is_err() && !sabotaged!("jwt.cache_time") {
            return None;
        }
        let issuer = self.inner.issuers.get(known.issuer)?;
        let instant = self.inner.clock.instant();
        let held = match issuer.keys.keys(instant, false) {
            Ok(held) => held,
            Err(_) => {
                // A restricted request goes no further than this: nobody else may come who
                // would have the keys refreshed.
                self.remote(known.issuer)?.refresh_in_background(instant);
                return None;
            }
        };
        if !held.set()?.contains(known.key) && !sabotaged!("jwt.cache_withdrawal") {
            return None;
        }
        Some(known.evidence)
    }

    fn remember(&self, token: &str, accepted: Accepted) -> Arc<Evidence> {
        let evidence = accepted.evidence;
        if let Some(cache) = &self.inner.cache {
            let known = Known {
                evidence: Arc::clone(&evidence),
                window: accepted.window,
                issuer: accepted.issuer,
                key: accepted.key,
            };
            cache.insert(cache.key(token), known);
        }
        evidence
    }

    /// The keys that are retrieved, each once, and an issuer that they are of.
    fn remotes(&self) -> impl Iterator<Item = (&TrustedIssuer, &RemoteKeys)> {
        // Those that share keys stand side by side.
        let shares = |a: &TrustedIssuer, b: &TrustedIssuer| Arc::ptr_eq(&a.keys, &b.keys);
        let sharing = self.inner.issuers.chunk_by(shares);
        sharing.filter_map(|issuers| {
            let issuer = issuers.first()?;
            match &*issuer.keys {
                KeySource::Fixed(_) => None,
                KeySource::Remote(remote) => Some((issuer, remote)),
            }
        })
    }

    fn remote(&self, issuer: usize) -> Option<&RemoteKeys> {
        match &*self.inner.issuers.get(issuer)?.keys {
            KeySource::Fixed(_) => None,
            KeySource::Remote(remote) => Some(remote),
        }
    }

    /// Whether a token names an issuer of ours, or none that can be read.
    fn is_of_ours(&self, token: &str) -> bool {
        !matches!(
            find_issuer(token, &self.inner.issuers),
            Err(Stop::NotMine(_))
        )
    }

    /// Whether waiting may bring what is lacking.
    fn may_help(&self, lacking: &Lacking) -> bool {
        let now = self.inner.clock.instant();
        self.remote(lacking.issuer)
            .is_some_and(|remote| remote.may_help(lacking.lack.need, Some(&lacking.wanted), now))
    }

    /// What becomes of a token whose keys do not come.
    fn without_keys(&self, lacking: &Lacking) -> Outcome {
        let now = self.inner.clock.instant();
        self.remote(lacking.issuer)
            .and_then(|remote| remote.without_keys(lacking.lack.need, now))
            .map_or(
                Outcome::Faulty(Fault::new(Step::Key, reason::KID_UNKNOWN)),
                Outcome::Unavailable,
            )
    }
}

impl Authenticator for JwtAuthenticator {
    fn describe(&self) -> Description {
        let name = self.inner.carrier.name();
        match &self.inner.carrier {
            Carrier::Authorization => {
                let description = Description::bearer(name);
                self.inner
                    .issuers
                    .iter()
                    .fold(description, |description, issuer| {
                        description.add_authorization_server(issuer.name.clone())
                    })
            }
            // Nobody gets these tokens but from the proxy, so clients are not told of it.
            Carrier::Proxy(header, others) => {
                let mut description = Description::header(name, header.clone());
                for other in *others {
                    description = description.add_header(other.clone());
                }
                for issuer in &self.inner.issuers {
                    description = description.add_issuer(issuer.name.clone());
                }
                description
            }
        }
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let token = match self.inner.carrier.find(request) {
            Ok(token) => token,
            Err(verdict) => return Check::Done(verdict),
        };
        if !token::is_jwt_shaped(token) {
            return Check::Done(Verdict::NotMine);
        }
        if let Err(fault) = check_size(token) {
            return Check::Done(self.verdict(token, Outcome::Faulty(fault)));
        }
        if let Some(evidence) = self.known(token, request.now()) {
            return Check::Done(Verdict::Accept(evidence));
        }
        if request.is_restricted() {
            // Another authenticator may know it, and would not be asked after `NeedsIo`.
            return match self.is_of_ours(token) {
                true => Check::NeedsIo,
                false => Check::Done(Verdict::NotMine),
            };
        }
        let outcome = match self.judge(token, request.now(), false) {
            Ok(outcome) => outcome,
            Err(lacking) if self.may_help(&lacking) => return Check::NeedsIo,
            Err(lacking) => self.without_keys(&lacking),
        };
        Check::Done(self.verdict(token, outcome))
    }

    async fn verify(&self, request: &RequestView<'_>) -> Verdict {
        let token = match self.inner.carrier.find(request) {
            Ok(token) => token,
            Err(verdict) => return verdict,
        };
        let outcome = self.decide(token, request.now()).await;
        self.verdict(token, outcome)
    }

    async fn ready(&self) -> Result<(), NotReady> {
        let remotes = self.remotes().map(async |(issuer, remote)| {
            remote.ready().await.map_err(|problem| {
                NotReady::new(
                    self.inner.carrier.name(),
                    format!("no keys of {:?}: {problem}", issuer.name),
                )
            })
        });
        join_all(remotes).await.into_iter().collect()
    }

    async fn shutdown(&self) {
        for (_, remote) in self.remotes() {
            remote.shutdown().await;
        }
    }
}

/// Counters of a [`JwtAuthenticator`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stats {
    key_retrievals: u64,
    signature_checks: u64,
}

impl Stats {
    /// How often keys were retrieved, or it was tried.
    #[must_use]
    pub fn key_retrievals(&self) -> u64 {
        self.key_retrievals
    }

    /// How often a signature was computed. A token that is known costs none.
    #[must_use]
    pub fn signature_checks(&self) -> u64 {
        self.signature_checks
    }
}
