//! Whoever comes with a cookie alone.

use std::{sync::Arc, time::Duration};

use http::request::Parts;
use portcullis_core::{
    Check, Description, Rejection, RequestView, SessionRecord, Unavailable, Verdict,
};

use super::{Cookies, NAME, jar::CookieValue};
use crate::{
    authn::{AnyAuthenticator, Ending, Readying, Verifying},
    exchange::Exchange,
    reason,
    session::shared::Shared,
};

/// How long a client is told to wait for a store.
const RETRY: Duration = Duration::from_secs(1);

/// Lets in whoever holds the id of a session, by what its opener was let in by.
pub(crate) struct CookieAuthenticator {
    pub(in crate::session) shared: Arc<Shared>,
    pub(in crate::session) cookies: Cookies,
}

impl AnyAuthenticator for CookieAuthenticator {
    /// Not asked for: it is wired by the stack, and has no challenge of its own.
    fn describe(&self) -> Description {
        Description::bearer(NAME)
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let value = match self.value(request) {
            Ok(Some(value)) => value,
            Ok(None) => return Check::Done(Verdict::Absent),
            Err(verdict) => return Check::Done(verdict),
        };
        match self.shared.store.check(value.owner, value.key) {
            Check::Done(found) => Check::Done(self.judge(&value, found.as_ref())),
            Check::NeedsIo => Check::NeedsIo,
        }
    }

    fn verify(self: Arc<Self>, parts: Parts, exchange: Exchange) -> Verifying {
        Box::pin(async move {
            let value = self.value(&exchange.view(&parts));
            let verdict = match value {
                Ok(Some(value)) => match self.shared.store.load(value.owner).await {
                    Ok(sessions) => self.judge(&value, sessions.get(value.key)),
                    Err(error) => {
                        tracing::error!(
                            target: "portcullis",
                            request_id = %exchange.id(),
                            "the session store cannot say whether a cookie is good: {error}",
                        );
                        unavailable(reason::SESSION_STORE_UNAVAILABLE)
                    }
                },
                Ok(None) => Verdict::Absent,
                Err(verdict) => verdict,
            };
            (parts, verdict)
        })
    }

    fn ready(self: Arc<Self>) -> Readying {
        Box::pin(std::future::ready(Ok(())))
    }

    fn shutdown(self: Arc<Self>) -> Ending {
        Box::pin(std::future::ready(()))
    }
}

impl CookieAuthenticator {
    /// What the cookie is like.
    pub(crate) fn cookies(&self) -> &Cookies {
        &self.cookies
    }

    fn value(&self, request: &RequestView<'_>) -> Result<Option<CookieValue>, Verdict> {
        let found = self.cookies.jar().find(request.headers());
        let found = found.map_err(|_| {
            let code = reason::SESSION_COOKIE_AMBIGUOUS;
            Verdict::Reject(Rejection::invalid_request(code))
        })?;
        let Some(text) = found else {
            return Ok(None);
        };
        let value = CookieValue::decode(text);
        value
            .map(Some)
            .ok_or(reject(reason::SESSION_COOKIE_UNKNOWN))
    }

    fn judge(&self, value: &CookieValue, found: Option<&SessionRecord>) -> Verdict {
        let Some(record) = found else {
            return reject(reason::SESSION_COOKIE_UNKNOWN);
        };
        let payload = match self.shared.open(value.owner, record) {
            Ok(payload) => payload,
            Err(why) => {
                tracing::error!(target: "portcullis", session = %record.id, "{why}");
                return unavailable(reason::SESSION_DATA_UNREADABLE);
            }
        };
        let Some(cookie) = payload.cookie else {
            return reject(reason::SESSION_COOKIE_UNKNOWN);
        };
        let sealing = &self.shared.sealing;
        let hash = sealing.hash_of_id(value.owner, record, value.id.as_bytes());
        // Somebody has authenticated since, or was given another id.
        let is_void = record.authenticated_at > cookie.authenticated_at
            && !portcullis_core::sabotaged!("session.cookie_reauthenticated");
        if is_void || !cookie.accepts(&hash, self.shared.time.now()) {
            return reject(reason::SESSION_COOKIE_STALE);
        }
        // Whether the session is over is said by the layer, which knows how to say it.
        Verdict::accept(cookie.evidence)
    }
}

fn reject(code: portcullis_core::ReasonCode) -> Verdict {
    Verdict::Reject(Rejection::invalid_token(code))
}

fn unavailable(code: portcullis_core::ReasonCode) -> Verdict {
    Verdict::Unavailable(Unavailable::new(code).with_retry_after(RETRY))
}
