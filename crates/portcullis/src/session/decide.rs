//! Whether a caller is in: the step of the layer.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Method, StatusCode, header, request::Parts, response};
use portcullis_core::{
    Check, EndReason, Evidence, EvidenceKind, ReasonCode, RecordKind, Scopes, SessionRecord,
    StoreError, Timestamp,
};

use super::{
    cookie::{CookieAuthenticator, Issuing, Site},
    handle::Session,
    policy::Policy,
    rules::{Bar, Caller},
    shared::{Failure, Shared},
};
use crate::{
    challenge::Wanted,
    exchange::{Exchange, Slot},
    frame::{Cutter, Decision, Pending, Step},
    reason,
    refusal::Refusal,
    route,
};

const LAYER: &str = Slot::Session.name();

/// How long a client is told to wait for a store.
const RETRY: Duration = Duration::from_secs(1);

/// The step of the `session` layer.
pub(crate) struct KeepSession {
    pub(super) shared: Arc<Shared>,
    pub(super) passive: Vec<Box<str>>,
}

impl Step for KeepSession {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::Session)
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        let Some(principal) = exchange.principal() else {
            // An anonymous caller has no session.
            return Decision::Pass;
        };
        let shared = &self.shared;
        let keys = shared.keying.keys(principal.evidence());
        let now = shared.time.now();
        let caller = Caller::new(keys, principal.evidence(), &shared.policy, now);
        let caller = caller.with_cookie(exchange.cookie().is_some());
        match shared.store.check(keys.owner, keys.session) {
            Check::Done(Some(record))
                if record.over(now).is_none() && caller.is_known_to(&record) =>
            {
                self.admit(parts, exchange, &caller, &record);
                Decision::Pass
            }
            // A store that answers at once opens sessions at once as well.
            Check::Done(_) => match at_once(shared.admit(&caller)) {
                Some(outcome) => self.settle(parts, exchange, &caller, outcome),
                None => Decision::NeedsIo { cursor: 0 },
            },
            Check::NeedsIo => Decision::NeedsIo { cursor: 0 },
        }
    }

    fn resume(self: Arc<Self>, parts: Parts, exchange: Exchange, _cursor: usize) -> Pending {
        Box::pin(async move {
            let Some(principal) = exchange.principal() else {
                return (parts, Ok(()));
            };
            let shared = &self.shared;
            let keys = shared.keying.keys(principal.evidence());
            let now = shared.time.now();
            let caller = Caller::new(keys, principal.evidence(), &shared.policy, now);
            let caller = caller.with_cookie(exchange.cookie().is_some());
            let outcome = shared.admit(&caller).await;
            let result = match self.settle(&parts, &exchange, &caller, outcome) {
                Decision::Refuse(refusal) => Err(refusal),
                _ => Ok(()),
            };
            (parts, result)
        })
    }

    fn respond(&self, parts: &mut response::Parts, exchange: &Exchange) -> Option<Refusal> {
        // What an inner layer refused is no activity, and opens nothing.
        let session = exchange.session().filter(|_| !exchange.is_refused())?;
        session.touch(exchange);
        // Whatever the handler has made of it: what is kept is neither lost nor empty.
        session.write_cookie(&mut parts.headers, exchange);
        let refusal = session.is_unreadable().then(unreadable)?;
        exchange.record_refusal(&refusal);
        Some(refusal)
    }

    fn cutter(self: Arc<Self>) -> Option<Arc<dyn Cutter>> {
        Some(self)
    }
}

impl Cutter for KeepSession {
    fn cut(&self, exchange: &Exchange, over: EndReason) -> Refusal {
        let kind = exchange.principal().map(|principal| principal.kind());
        let kind = kind.unwrap_or(EvidenceKind::Standing);
        refusal(&self.shared.policy, exchange, kind, over)
    }
}

/// All sessions of a layer, for whoever operates it.
#[derive(Clone)]
pub(crate) struct AllSessions(Arc<Shared>);

impl AllSessions {
    pub(crate) async fn end(&self, issuer: &str, subject: &str) -> Result<usize, StoreError> {
        let owner = self.0.keying.owner(issuer, subject);
        let shared = Arc::clone(&self.0);
        let tasks = &self.0.tasks;
        tasks
            .to_the_end(async move { shared.end_all(owner).await })
            .await
    }

    /// Has what runs in sessions stop, and nobody looks after them any more. They go on.
    pub(crate) fn stop(&self) {
        self.0.registry.stop();
    }

    /// Ends the sessions of a principal, or of one client of it, in which nobody has
    /// authenticated after the cut-off.
    pub(crate) async fn revoke(
        &self,
        issuer: &str,
        subject: &str,
        client: Option<&str>,
        cut_off: Timestamp,
    ) -> Result<(), StoreError> {
        let (owner, family) = self.0.keying.family(issuer, subject, client);
        let family = client.map(|_| family);
        self.0.revoke(owner, family, cut_off).await
    }
}

impl AllSessions {
    /// Ends what was let in with credentials that are meant, here and at once. Others of the same
    /// session go on.
    pub(crate) fn cut(&self, is_meant: impl Fn(&Evidence) -> bool) {
        for live in self.0.registry.all() {
            live.cut(&is_meant);
        }
    }

    /// Ends the sessions in which something runs here with credentials that are meant, unless
    /// somebody has authenticated in them after the cut-off.
    pub(crate) async fn revoke_running(
        &self,
        is_meant: impl Fn(&Evidence) -> bool,
        cut_off: Timestamp,
    ) -> Result<(), StoreError> {
        let meant = self.0.registry.all().into_iter();
        let meant: Vec<_> = meant.filter(|live| live.cut(&is_meant)).collect();
        let mut outcome = Ok(());
        for live in meant {
            let ended = self.0.revoke_one(&live.keys, live.id, cut_off).await;
            // One that cannot be ended keeps none of the others.
            outcome = outcome.and(ended);
        }
        outcome
    }
}

impl KeepSession {
    /// Who lets in whoever comes with a cookie, and what the cookie is like.
    pub(crate) fn cookies(&self) -> Option<CookieAuthenticator> {
        let cookies = self.shared.cookies.clone()?;
        let shared = Arc::clone(&self.shared);
        Some(CookieAuthenticator { shared, cookies })
    }

    pub(crate) fn sessions(&self) -> AllSessions {
        AllSessions(Arc::clone(&self.shared))
    }

    fn settle(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        caller: &Caller,
        outcome: Result<Result<SessionRecord, Bar>, Failure>,
    ) -> Decision {
        match outcome {
            Ok(Ok(record)) => match revoked(exchange) {
                Some(refusal) => Decision::Refuse(refusal),
                None => {
                    self.admit(parts, exchange, caller, &record);
                    Decision::Pass
                }
            },
            Ok(Err(bar)) => {
                let refusal = self.bar(exchange, caller, bar);
                // A cookie that is over would be sent for ever, and nobody could log in beside it.
                let over = exchange.cookie().and(self.shared.cookies.as_ref());
                Decision::Refuse(match over {
                    Some(cookies) => refusal.with_header(header::SET_COOKIE, cookies.clear()),
                    None => refusal,
                })
            }
            Err(failure) => Decision::Refuse(unavailable(exchange, &failure)),
        }
    }

    fn admit(&self, parts: &Parts, exchange: &Exchange, caller: &Caller, record: &SessionRecord) {
        let credential = exchange.principal().and_then(|principal| {
            let end = principal.not_after()?;
            Some((principal.scopes().clone(), end))
        });
        if let Some(credential) = &credential {
            // A client that has refreshed its token in time keeps its streams.
            let registry = &self.shared.registry;
            registry.note_credential(record.id, credential);
        }
        let is_activity = !self.is_passive(parts, exchange);
        let session = Session::new(
            &self.shared,
            &caller.keys,
            record,
            is_activity,
            credential,
            exchange,
            self.issuing(parts),
        );
        exchange.set_session(session);
    }

    /// Whether this request may be answered with a cookie.
    fn issuing(&self, parts: &Parts) -> Issuing {
        let is_of_other_site = self.shared.cookies.as_ref().is_some_and(|cookies| {
            !Site::is_safe(&parts.method)
                && Site::of(&parts.headers, cookies.origin()) == Site::Other
        });
        Issuing::new(is_of_other_site)
    }

    /// Whether a request keeps nobody in: a look without a body, or a route of which that was
    /// said.
    fn is_passive(&self, parts: &Parts, exchange: &Exchange) -> bool {
        if portcullis_core::sabotaged!("session.passive") {
            return false;
        }
        parts.method == Method::HEAD
            || !self.passive.is_empty()
                && route::of(parts, exchange.path())
                    .is_ok_and(|route| self.passive.iter().any(|passive| **passive == *route))
    }

    fn bar(&self, exchange: &Exchange, caller: &Caller, bar: Bar) -> Refusal {
        match bar {
            Bar::Over(reason) => {
                if caller.kind == EvidenceKind::User && caller.authenticated_at.is_none() {
                    tracing::error!(
                        target: "portcullis",
                        request_id = %exchange.id(),
                        "a session is over, and the issuer does not say when its users \
                         authenticated (`auth_time`), so nobody can open it again; have the \
                         issuer say so, or set `with_reopening_by_issue_time`",
                    );
                }
                refusal(&self.shared.policy, exchange, caller.kind, reason)
            }
            Bar::Forgotten => challenge(
                LAYER,
                exchange,
                caller.kind,
                reason::SESSION_FORGOTTEN,
                None,
            ),
            Bar::Limit(next) => {
                Refusal::new(LAYER, StatusCode::TOO_MANY_REQUESTS, reason::SESSION_LIMIT)
                    .with_retry_after(next)
            }
        }
    }
}

/// What is answered where the credential was revoked since it was accepted: the session may have
/// been opened behind the back of whoever ended all others. A store that has to be asked is not
/// asked twice.
fn revoked(exchange: &Exchange) -> Option<Refusal> {
    let (revocations, principal) = (exchange.revocations()?, exchange.principal()?);
    let Check::Done(Err(bar)) = revocations.check(principal.evidence()) else {
        return None;
    };
    if bar.is_ignored() {
        return None;
    }
    let refusal = bar.refusal(LAYER, exchange);
    let challenge = exchange.invalid_token().filter(|_| bar.is_final());
    Some(match challenge {
        Some(challenge) => refusal.with_challenges(Arc::clone(challenge)),
        None => refusal,
    })
}

/// What is answered where a session is over.
pub(super) fn refusal(
    policy: &Policy,
    exchange: &Exchange,
    kind: EvidenceKind,
    over: EndReason,
) -> Refusal {
    if over == EndReason::Shutdown {
        return Refusal::shutting_down();
    }
    if over == EndReason::Unconfirmed {
        return Refusal::new(LAYER, StatusCode::SERVICE_UNAVAILABLE, code(over))
            .with_retry_after(RETRY);
    }
    let max_age = match over {
        EndReason::Idle => Some(policy.idle),
        EndReason::Absolute => Some(policy.absolute),
        _ => None,
    };
    challenge(LAYER, exchange, kind, code(over), max_age)
}

/// A user whose time is up has to authenticate again, and is told so; all others are told
/// that their credential is not good any more.
pub(crate) fn challenge(
    layer: &'static str,
    exchange: &Exchange,
    kind: EvidenceKind,
    code: ReasonCode,
    max_age: Option<Duration>,
) -> Refusal {
    let refusal = Refusal::new(layer, StatusCode::UNAUTHORIZED, code);
    let (Some(challenges), Some(invalid_token)) = (exchange.challenges(), exchange.invalid_token())
    else {
        return refusal;
    };
    let max_age = max_age.filter(|_| kind == EvidenceKind::User);
    refusal.with_challenges(match max_age {
        Some(_) => challenges.insufficient_user_authentication(&Wanted {
            acr_values: "",
            max_age,
            scopes: &Scopes::default(),
        }),
        None => Arc::clone(invalid_token),
    })
}

/// What a future gives that does not wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// Writes down that a session has begun.
pub(super) fn record_start(exchange: &Exchange) {
    exchange.record_event(RecordKind::SessionStart, LAYER, reason::SESSION_OPENED);
}

/// Writes down that something that ran in a session was ended.
pub(super) fn record_end(exchange: &Exchange, over: EndReason) {
    exchange.record_event(RecordKind::SessionEnd, LAYER, code(over));
}

const fn code(over: EndReason) -> ReasonCode {
    match over {
        EndReason::Absolute => reason::SESSION_ABSOLUTE,
        EndReason::CredentialExpired => reason::SESSION_CREDENTIAL_EXPIRED,
        EndReason::Ended => reason::SESSION_ENDED,
        EndReason::Idle => reason::SESSION_IDLE,
        EndReason::Shutdown => reason::SHUT_DOWN,
        EndReason::Unconfirmed => reason::SESSION_UNCONFIRMED,
        // Also any reason that this layer does not know.
        _ => reason::SESSION_REVOKED,
    }
}

fn unavailable(exchange: &Exchange, failure: &Failure) -> Refusal {
    match failure {
        Failure::Full => Refusal::new(
            LAYER,
            StatusCode::SERVICE_UNAVAILABLE,
            reason::SESSION_STORE_FULL,
        )
        .with_retry_after(RETRY),
        Failure::Store(error) => store_unavailable(LAYER, exchange, error),
    }
}

/// The answer where what the store has is not what was put there.
fn unreadable() -> Refusal {
    let code = reason::SESSION_DATA_UNREADABLE;
    Refusal::new(LAYER, StatusCode::SERVICE_UNAVAILABLE, code).with_retry_after(RETRY)
}

/// The answer where the store cannot say.
pub(crate) fn store_unavailable(
    layer: &'static str,
    exchange: &Exchange,
    error: &StoreError,
) -> Refusal {
    tracing::error!(
        target: "portcullis",
        request_id = %exchange.id(),
        "the session store cannot say whether a caller is in: {error}",
    );
    Refusal::new(
        layer,
        StatusCode::SERVICE_UNAVAILABLE,
        reason::SESSION_STORE_UNAVAILABLE,
    )
    .with_retry_after(RETRY)
}
