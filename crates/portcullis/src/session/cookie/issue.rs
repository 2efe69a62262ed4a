//! A handler asks for a cookie, and the layer carries it out with the head of the answer.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use portcullis_core::{Evidence, StoreError, entropy};

use super::{
    jar::{CookieId, CookieValue},
    state::CookieState,
};
use crate::{
    exchange::Exchange,
    session::{Session, handle::over},
};

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// The most that a session keeps of who was let in.
const MAX_EVIDENCE: usize = 16 * 1024;

/// What is known of cookies in one request.
#[derive(Default)]
pub(in crate::session) struct Issuing {
    /// Whether a page of somebody else's has the browser send this request.
    is_of_other_site: bool,
    /// Whether the head of the answer is gone.
    is_answered: AtomicBool,
    /// What goes out with it.
    header: Mutex<Option<HeaderValue>>,
}

impl Issuing {
    pub(in crate::session) fn new(is_of_other_site: bool) -> Self {
        Self {
            is_of_other_site,
            ..Self::default()
        }
    }

    fn header(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Gives whoever called a cookie of this session with the answer to this request, in place of the
    /// one that it has: a new id of 256 random bits. What is asked for with it is asked for with what
    /// this request was let in by, for as long as the session lasts: the same principal, scopes and
    /// time of authentication, so revocations, quotas and requirements hold as before.
    ///
    /// The id before it is good for a [grace](super::SessionCookie::with_grace), for requests that
    /// are on their way, and is of no use to get another. A later authentication in this session
    /// makes all of them void.
    ///
    /// Ask for it where somebody has logged in or proved more, in a handler for `POST`, and before it
    /// answers. The answer then has `Cache-Control: no-store`.
    ///
    /// # Errors
    ///
    /// See [`CookieError`]. Whoever called keeps what he has; if the store did not answer, perhaps
    /// only for the grace.
    pub async fn issue_cookie(&self) -> Result<(), CookieError> {
        let (shared, keys) = (self.shared(), self.keys());
        let cookies = shared.cookies.as_ref().ok_or(CookieError::NotSet)?;
        let issuing = self.issuing();
        if issuing.is_answered.load(Ordering::Acquire) {
            return Err(CookieError::TooLate);
        }
        if issuing.is_of_other_site && !portcullis_core::sabotaged!("session.cookie_login") {
            return Err(CookieError::OtherSite);
        }
        let exchange = self.exchange().ok_or(CookieError::TooLate)?;
        let evidence = exchange.principal().ok_or(CookieError::TooLate)?.evidence();
        let evidence = fit(evidence)?.with_not_after(self.ends_at());
        let id = entropy::bytes().map_err(|error| {
            CookieError::Store(StoreError::new(format!("no randomness: {error}")))
        })?;
        let id = CookieId::new(id);
        let mut is_replaced = false;
        let changed = shared.try_change(keys.owner, keys.session, self.id(), |record| {
            let hash = |id: &CookieId| shared.sealing.hash_of_id(keys.owner, record, id.as_bytes());
            let mut payload = self.open(record)?;
            let old = payload.cookie.take();
            if let Some(presented) = exchange.cookie() {
                let presented = hash(presented);
                is_replaced = !old.as_ref().is_some_and(|old| old.may_replace(&presented));
                if is_replaced {
                    return Err(StoreError::new("the id was replaced"));
                }
            }
            let until = shared.time.now() + cookies.grace();
            payload.cookie = Some(CookieState {
                current: hash(&id),
                previous: old.map(|old| (old.current, until)),
                authenticated_at: record.authenticated_at,
                evidence: evidence.clone(),
            });
            shared.seal(keys.owner, record, &payload)
        });
        match changed.await {
            Ok(true) => {}
            Ok(false) => return Err(CookieError::Store(over())),
            Err(_) if is_replaced => return Err(CookieError::Replaced),
            Err(error) => return Err(CookieError::Store(error)),
        }
        let value = CookieValue {
            owner: keys.owner,
            key: keys.session,
            id,
        };
        *issuing.header() = cookies.set(&value.encode());
        // The head may have gone meanwhile.
        match issuing.is_answered.load(Ordering::Acquire) {
            true => Err(CookieError::TooLate),
            false => Ok(()),
        }
    }

    /// Writes what was asked for into the head of the answer.
    pub(in crate::session) fn write_cookie(&self, headers: &mut HeaderMap, exchange: &Exchange) {
        let Some(cookies) = &self.shared().cookies else {
            return;
        };
        let issuing = self.issuing();
        issuing.is_answered.store(true, Ordering::Release);
        let issued = issuing.header().take();
        let has_ended = self.is_ended_by_its_handler();
        let header = match issued {
            _ if has_ended && exchange.cookie().is_some() => {
                let all = HeaderValue::from_static("\"cookies\", \"storage\"");
                headers.entry(CLEAR_SITE_DATA).or_insert(all);
                cookies.clear()
            }
            Some(issued) if !has_ended => issued,
            _ => return,
        };
        headers.append(header::SET_COOKIE, header);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// What a cookie can stand for: not for what has to be shown with each request.
fn fit(evidence: &Evidence) -> Result<Evidence, CookieError> {
    let confirmation = evidence.confirmation();
    let is_proved_each_time = confirmation.is_some_and(|key| key.jwk_thumbprint().is_some());
    if is_proved_each_time || evidence.is_asserted_per_request() {
        return Err(CookieError::Bound);
    }
    if evidence.to_bytes().len() > MAX_EVIDENCE {
        let error = StoreError::new("a session keeps at most 16 KiB of who was let in");
        return Err(CookieError::Store(error));
    }
    Ok(evidence.clone())
}

/// Why nobody was given a cookie.
#[derive(Debug)]
#[non_exhaustive]
pub enum CookieError {
    /// The request was let in by a token with a proof of possession, or by a proxy that vouches for
    /// each request: a cookie would be good without either.
    Bound,
    /// The layer has no [`with_cookie`](super::super::SessionBuilder::with_cookie).
    NotSet,
    /// A page of another site has the browser send this request, and it is not a safe one: somebody
    /// may be logging in somebody else.
    OtherSite,
    /// The request came with an id that was replaced since.
    Replaced,
    /// The store cannot say whether it did, or the session is over.
    Store(StoreError),
    /// The head of the answer is gone already.
    TooLate,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound => f.write_str("the credential is good only with something else"),
            Self::NotSet => f.write_str("sessions have no cookie; set one with `with_cookie`"),
            Self::OtherSite => f.write_str("the request comes from another site"),
            Self::Replaced => f.write_str("the id of the request was replaced"),
            Self::Store(error) => error.fmt(f),
            Self::TooLate => f.write_str("the head of the answer is gone"),
        }
    }
}

impl std::error::Error for CookieError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Confirmation, EvidenceKind, Scopes};

    use super::*;

    #[test]
    fn stands_for_no_credential_that_is_proved_each_time() {
        let alice = || Evidence::new(EvidenceKind::User, "i", "alice");
        let by_certificate = Confirmation::default().with_certificate_thumbprint("c");
        let by_proof = Confirmation::default().with_jwk_thumbprint("j");
        for good in [alice(), alice().with_confirmation(by_certificate)] {
            assert_eq!(fit(&good).unwrap(), good);
        }
        for bad in [
            alice().with_confirmation(by_proof),
            alice().asserted_per_request(),
        ] {
            assert!(matches!(fit(&bad), Err(CookieError::Bound)));
        }
        let many = (0..500).map(|n| format!("{n:0>40}"));
        let many: Vec<_> = many.collect();
        let many = Scopes::collect(many.iter().map(|scope| &**scope)).unwrap();
        assert!(matches!(
            fit(&alice().with_scopes(many)),
            Err(CookieError::Store(_))
        ));
    }
}
