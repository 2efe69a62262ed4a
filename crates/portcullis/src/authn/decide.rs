//! Who calls: the decision itself.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts, response,
};
use portcullis_core::{
    Check, Evidence, ReasonCode, Rejection, RejectionKind, RequestView, Verdict,
};

use super::{
    admit::{Accepted, Progress, unavailable_now},
    anonymous::AnonymousRoutes,
    chain::AnyAuthenticator,
    possession::{self, Possession},
};
use crate::{
    challenge::Challenges,
    exchange::{Exchange, Slot},
    frame::{Decision, Pending, Step},
    principal::Identity,
    reason,
    refusal::Refusal,
    revocation::Revocations,
    session::{self, Ahead, CookieId, Cookies, Site},
};

pub(super) const LAYER: &str = Slot::Authn.name();

/// Where [`Authenticate`] goes on when an authenticator has accepted, and it is left to ask
/// whether the credential is revoked, and then for a proof. No authenticator stands there.
const REVOCATIONS: usize = usize::MAX;
/// The same, when the verifier has looked for the first time.
const VERIFIER: usize = usize::MAX - 1;

/// The step of the `authn` layer.
pub(crate) struct Authenticate {
    pub(super) chain: Vec<Link>,
    /// The headers that are removed before the handler.
    pub(super) consumed: Vec<HeaderName>,
    /// Those of them that are a credential by themselves, beside `Authorization`.
    pub(super) credential_headers: Vec<HeaderName>,
    pub(super) challenges: Arc<Challenges>,
    pub(super) anonymous: AnonymousRoutes,
    pub(super) revocations: Arc<Revocations>,
    /// What the session layer further in will want to know.
    pub(super) ahead: Option<Ahead>,
    pub(super) possession: Possession,
    /// The cookie of sessions, if they have one.
    pub(super) cookies: Option<Cookies>,
}

/// Why a request is not looked at any further.
enum Presented {
    /// There is a credential in two places, or where it must not be.
    Malformed(ReasonCode),
    /// A page of another site has a browser send it.
    OfOtherSite,
}

/// One authenticator.
pub(super) struct Link {
    pub(super) authenticator: Arc<dyn AnyAuthenticator>,
    pub(super) name: &'static str,
    /// The issuers that other authenticators have declared, and this one has not: it cannot
    /// vouch for their subjects.
    pub(super) foreign_issuers: Vec<Box<str>>,
    /// Whether its credential is the certificate of the connection. Where another is presented, that
    /// is the credential, and the certificate at most proves that it is not stolen.
    pub(super) is_certificate: bool,
}

impl Link {
    /// Whether it has nothing to say of this request.
    fn is_passed_over(&self, presented: bool) -> bool {
        self.is_certificate && presented && !portcullis_core::sabotaged!("authn.certificate_alone")
    }
}

/// What is to be done about a verdict.
enum Next {
    /// The next authenticator is asked.
    Ask { is_not_mine: bool },
    /// It is settled.
    Settle(Result<Arc<Evidence>, Refusal>),
}

impl Step for Authenticate {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::Authn)
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        if is_preflight(parts) {
            return Decision::Refuse(preflight());
        }
        let view = exchange.view(parts);
        let presented = match self.presented(&view) {
            Ok(presented) => presented,
            Err(Presented::Malformed(code)) => {
                return Decision::Refuse(self.invalid_request(code));
            }
            Err(Presented::OfOtherSite) => return Decision::Refuse(of_other_site()),
        };
        let is_bound = possession::is_bound(&view);
        let mut is_not_mine = false;
        for (cursor, link) in self.chain.iter().enumerate() {
            if link.is_passed_over(presented) {
                continue;
            }
            let verdict = match link.authenticator.check(&view) {
                Check::Done(verdict) => verdict,
                Check::NeedsIo if exchange.is_restricted() => {
                    return Decision::Refuse(budget_spent(exchange));
                }
                Check::NeedsIo => return Decision::NeedsIo { cursor },
            };
            match self.judge(link, verdict, is_bound) {
                Next::Ask { is_not_mine: now } => is_not_mine |= now,
                Next::Settle(Ok(evidence)) => {
                    let name = link.name;
                    let accepted = Accepted { evidence, name };
                    let cursor = match self.finish(parts, exchange, &accepted) {
                        Ok(Progress::Admitted) => return Decision::Pass,
                        Ok(Progress::WantsRevocations) => REVOCATIONS,
                        Ok(Progress::WantsVerifier) => VERIFIER,
                        Err(refusal) => return Decision::Refuse(refusal),
                    };
                    exchange.set_accepted(accepted.evidence, name);
                    return Decision::NeedsIo { cursor };
                }
                Next::Settle(Err(refusal)) => return Decision::Refuse(restrict(refusal, exchange)),
            }
        }
        match self.nobody_knew(parts, exchange, presented || is_not_mine) {
            Ok(()) => Decision::Pass,
            Err(refusal) => Decision::Refuse(restrict(refusal, exchange)),
        }
    }

    fn resume(self: Arc<Self>, mut parts: Parts, exchange: Exchange, cursor: usize) -> Pending {
        Box::pin(async move {
            if cursor >= VERIFIER {
                // Asked as it was accepted: an authenticator of one-time credentials does not
                // accept one twice.
                let Some((evidence, name)) = exchange.accepted() else {
                    let refusal = self.invalid_token(reason::CREDENTIAL_UNKNOWN, false);
                    return (parts, Err(refusal));
                };
                let evidence = Arc::clone(evidence);
                let accepted = Accepted { evidence, name };
                let is_verifier_next = cursor == VERIFIER;
                return self
                    .finish_with_io(parts, &exchange, &accepted, is_verifier_next)
                    .await;
            }
            let view = exchange.view(&parts);
            let is_bound = possession::is_bound(&view);
            let presented = self.presented(&view).unwrap_or(true);
            let mut is_not_mine = false;
            for (index, link) in self.chain.iter().enumerate() {
                if link.is_passed_over(presented) {
                    continue;
                }
                // Those before the cursor have answered, without I/O, and do so again: what
                // they said decides whether a credential was there at all.
                let known = match index == cursor {
                    // It has been asked, and could not say.
                    true => Check::NeedsIo,
                    false => link.authenticator.check(&exchange.view(&parts)),
                };
                let verdict = match known {
                    Check::Done(verdict) => verdict,
                    Check::NeedsIo => {
                        let authenticator = Arc::clone(&link.authenticator);
                        let (back, verdict) = authenticator.verify(parts, exchange.clone()).await;
                        parts = back;
                        verdict
                    }
                };
                match self.judge(link, verdict, is_bound) {
                    Next::Ask { is_not_mine: now } => is_not_mine |= now,
                    Next::Settle(Ok(evidence)) => {
                        let name = link.name;
                        let accepted = Accepted { evidence, name };
                        return self
                            .finish_with_io(parts, &exchange, &accepted, false)
                            .await;
                    }
                    Next::Settle(Err(refusal)) => return (parts, Err(refusal)),
                }
            }
            let result = self.nobody_knew(&mut parts, &exchange, presented || is_not_mine);
            (parts, result)
        })
    }

    fn respond(&self, parts: &mut response::Parts, exchange: &Exchange) -> Option<Refusal> {
        // What one caller was answered must not be kept for another, unless the handler has
        // thought about it.
        if exchange.principal().is_some() {
            parts
                .headers
                .entry(header::CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
        }
        if let Some(nonce) = exchange.nonce() {
            parts.headers.insert(possession::NONCE, nonce.clone());
        }
        None
    }
}

impl Authenticate {
    /// Whether a header never comes further in.
    pub(crate) fn removes(&self, name: &HeaderName) -> bool {
        self.consumed.contains(name)
    }

    /// The headers that are taken away.
    pub(crate) fn consumed(&self) -> &[HeaderName] {
        &self.consumed
    }

    /// Whether there is a credential, in one place and in a place where it may be.
    fn presented(&self, request: &RequestView<'_>) -> Result<bool, Presented> {
        let authorization = request
            .try_authorization()
            .map_err(|_| Presented::Malformed(reason::AUTHORIZATION_MALFORMED))?;
        let headers = request.headers();
        let own_headers = self
            .credential_headers
            .iter()
            .filter(|name| headers.contains_key(*name))
            .count();
        let has_cookie = self.has_cookie(headers)?;
        let places = usize::from(authorization.is_some()) + own_headers + usize::from(has_cookie);
        if places > 1 && !portcullis_core::sabotaged!("authn.one_credential") {
            return Err(Presented::Malformed(reason::CREDENTIALS_OF_TWO_KINDS));
        }
        if has_query_token(request.uri()) && !portcullis_core::sabotaged!("authn.query_token") {
            return Err(Presented::Malformed(reason::TOKEN_IN_QUERY));
        }
        if has_cookie_token(headers) && !portcullis_core::sabotaged!("authn.cookie_token") {
            return Err(Presented::Malformed(reason::TOKEN_IN_COOKIE));
        }
        if has_cookie {
            self.check_site(request)?;
        }
        Ok(places > 0)
    }

    /// Whether the cookie of a session is there.
    fn has_cookie(&self, headers: &HeaderMap) -> Result<bool, Presented> {
        let Some(cookies) = &self.cookies else {
            return Ok(false);
        };
        let found = cookies.jar().find(headers);
        let found = found.map_err(|_| Presented::Malformed(reason::SESSION_COOKIE_AMBIGUOUS))?;
        Ok(found.is_some())
    }

    /// A browser sends a cookie whoever has it send something. What may change something has to come
    /// from a page of this server, and to say so: every browser does.
    fn check_site(&self, request: &RequestView<'_>) -> Result<(), Presented> {
        let Some(cookies) = &self.cookies else {
            return Ok(());
        };
        if Site::is_safe(request.method())
            || Site::of(request.headers(), cookies.origin()) == Site::Own
            || portcullis_core::sabotaged!("session.cookie_site")
        {
            return Ok(());
        }
        Err(Presented::OfOtherSite)
    }

    fn judge(&self, link: &Link, verdict: Verdict, is_bound: bool) -> Next {
        match verdict {
            Verdict::Absent => Next::Ask { is_not_mine: false },
            Verdict::NotMine => Next::Ask { is_not_mine: true },
            Verdict::Accept(evidence) => Next::Settle(self.examine(link, evidence, is_bound)),
            Verdict::Reject(rejection) => Next::Settle(Err(self.reject(link, rejection, is_bound))),
            Verdict::Spent(spent) => Next::Settle(Err(Refusal::new(
                LAYER,
                StatusCode::TOO_MANY_REQUESTS,
                spent.reason(),
            )
            .with_retry_after(spent.returns_in())
            .with_authenticator(link.name))),
            Verdict::Unavailable(unavailable) => Next::Settle(Err(
                unavailable_now(unavailable).with_authenticator(link.name)
            )),
            // A verdict that this layer does not know is nobody's permission.
            _ => {
                let rejection = Rejection::invalid_token(reason::CREDENTIAL_UNKNOWN);
                Next::Settle(Err(self.reject(link, rejection, is_bound)))
            }
        }
    }

    /// What is checked of evidence, whoever accepted it.
    fn examine(
        &self,
        link: &Link,
        evidence: Arc<Evidence>,
        is_bound: bool,
    ) -> Result<Arc<Evidence>, Refusal> {
        if let Err(problem) = check_evidence(link, &evidence) {
            tracing::warn!(
                target: "portcullis",
                authenticator = link.name,
                "an authenticator accepted evidence that cannot be relied on: {problem}",
            );
            let rejection = Rejection::invalid_token(reason::EVIDENCE_INVALID);
            return Err(self.reject(link, rejection, is_bound));
        }
        Ok(evidence)
    }

    /// No authenticator settled it.
    fn nobody_knew(
        &self,
        parts: &mut Parts,
        exchange: &Exchange,
        was_presented: bool,
    ) -> Result<(), Refusal> {
        if was_presented && !portcullis_core::sabotaged!("authn.unknown_credential") {
            let is_bound = possession::is_bound(&exchange.view(parts));
            return Err(self.invalid_token(reason::CREDENTIAL_UNKNOWN, is_bound));
        }
        if self.anonymous.allow(parts, exchange.path()) {
            self.consume(&mut parts.headers);
            exchange.set_identity(Identity::Anonymous, &self.challenges);
            return Ok(());
        }
        Err(
            Refusal::new(LAYER, StatusCode::UNAUTHORIZED, reason::CREDENTIALS_MISSING)
                .with_challenges(Arc::clone(&self.challenges.missing)),
        )
    }

    pub(super) fn consume(&self, headers: &mut HeaderMap) {
        if portcullis_core::sabotaged!("authn.consume") {
            return;
        }
        for name in &self.consumed {
            headers.remove(name);
        }
    }

    /// Takes the cookie of a session out, and leaves all others. Says which id it held.
    pub(super) fn take_cookie(&self, headers: &mut HeaderMap) -> Option<CookieId> {
        self.cookies.as_ref()?.jar().remove(headers)
    }

    fn reject(&self, link: &Link, rejection: Rejection, is_bound: bool) -> Refusal {
        tracing::debug!(
            target: "portcullis",
            authenticator = link.name,
            reason = %rejection.reason(),
            "the credential is refused",
        );
        let mut refusal = match rejection.kind() {
            RejectionKind::InvalidRequest => self.invalid_request(rejection.reason()),
            // Also any kind that this layer does not know.
            _ => self.invalid_token(rejection.reason(), is_bound),
        };
        if rejection.reason() == reason::SESSION_COOKIE_UNKNOWN
            && let Some(cookies) = &self.cookies
        {
            // It would be sent for ever, and nobody could log in beside it. One that was replaced
            // stays: the browser may have the new one by now.
            refusal = refusal.with_header(header::SET_COOKIE, cookies.clear());
        }
        refusal.with_authenticator(link.name)
    }

    fn invalid_request(&self, code: ReasonCode) -> Refusal {
        Refusal::new(LAYER, StatusCode::BAD_REQUEST, code)
            .with_challenges(Arc::clone(&self.challenges.invalid_request))
    }

    pub(super) fn invalid_token(&self, code: ReasonCode, is_bound: bool) -> Refusal {
        Refusal::new(LAYER, StatusCode::UNAUTHORIZED, code)
            .with_challenges(Arc::clone(self.challenges.invalid_token(is_bound)))
    }
}

/// Whether an authenticator can be believed what it says.
fn check_evidence(link: &Link, evidence: &Evidence) -> Result<(), Cow<'static, str>> {
    evidence
        .validate()
        .map_err(|problem| Cow::from(problem.to_string()))?;
    let mut foreign = link.foreign_issuers.iter();
    if foreign.any(|issuer| **issuer == *evidence.issuer())
        && !portcullis_core::sabotaged!("authn.foreign_issuer")
    {
        return Err("its issuer is one that another authenticator has declared".into());
    }
    Ok(())
}

/// A request whose sender has spent its budget learns nothing about its credential.
pub(super) fn restrict(refusal: Refusal, exchange: &Exchange) -> Refusal {
    if exchange.is_restricted() {
        budget_spent(exchange)
    } else {
        refusal
    }
}

fn budget_spent(exchange: &Exchange) -> Refusal {
    Refusal::new(LAYER, StatusCode::TOO_MANY_REQUESTS, reason::BUDGET_SPENT).with_retry_after(
        exchange
            .budget_returns_in()
            .unwrap_or(Duration::from_secs(1)),
    )
}

/// A page of another site has a browser send a request that may change something.
fn of_other_site() -> Refusal {
    Refusal::new(LAYER, StatusCode::FORBIDDEN, reason::CROSS_SITE)
        .with_authenticator(session::COOKIE_NAME)
}

/// A CORS preflight (Fetch standard, "CORS-preflight request"): it cannot carry a credential.
fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answered without CORS headers: a CORS layer stands outside the gate, and answers first.
fn preflight() -> Refusal {
    Refusal::answer(LAYER, StatusCode::NO_CONTENT, reason::PREFLIGHT)
}

/// The query method of RFC 6750 §2.3, which OAuth 2.1 and MCP forbid. The parameter's name is
/// compared after percent-decoding: a router would decode it as well.
fn has_query_token(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| {
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
    })
}

fn has_cookie_token(headers: &HeaderMap) -> bool {
    headers.get_all(header::COOKIE).iter().any(|cookies| {
        cookies
            .as_bytes()
            .split(|&byte| byte == b';')
            .any(|cookie| {
                cookie
                    .trim_ascii_start()
                    .strip_prefix(b"access_token")
                    .is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b'='))
            })
    })
}
