//! Whether a caller is in: the step of the layer.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Method, StatusCode, header, request::Parts, response};
use portcullis_core::{
    Check, EndReason, Evidence, EvidenceKind, SessionRecord, StoreError, Timestamp,
};

use super::{
    cookie::{CookieAuthenticator, Issuing, Site},
    credential::Credential,
    handle::{Entry, Session},
    known::Source,
    mcp::{McpSessions, Unusable},
    policy::Policy,
    refusals::{challenge, refusal, too_many_streams, unavailable, unreadable},
    rules::{Bar, Caller},
    shared::{Failure, Shared},
};
use crate::{
    exchange::{Exchange, Slot},
    frame::{Cutter, Decision, Pending, Step},
    reason,
    refusal::Refusal,
    route,
};

const LAYER: &str = Slot::Session.name();

/// The step of the `session` layer.
pub(crate) struct KeepSession {
    pub(super) shared: Arc<Shared>,
    pub(super) passive: Vec<Box<str>>,
    pub(super) mcp: Option<McpSessions>,
}

impl Step for KeepSession {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::Session)
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        let Some(principal) = exchange.principal() else {
            // An anonymous caller has no session.
            return self.unbind(parts, None);
        };
        let shared = &self.shared;
        let keys = shared.keying.keys(principal.evidence());
        let moment = shared.moment();
        let caller = Caller::new(keys, principal.evidence(), &shared.policy(), moment.now);
        let caller = caller.with_cookie(exchange.cookie().is_some());
        match shared.store.check(keys.owner, keys.session) {
            Check::Done(Some(record))
                if shared.over_at(&record, moment.now).is_none() && caller.is_known_to(&record) =>
            {
                self.let_in(parts, exchange, &caller, &record, Source::Store)
            }
            // A store that answers at once opens sessions at once as well.
            Check::Done(_) => match at_once(shared.admit(&caller, None)) {
                Some(outcome) => self.settle(parts, exchange, &caller, outcome),
                None => Decision::NeedsIo { cursor: 0 },
            },
            Check::NeedsIo => match shared.known(&caller, moment) {
                Some((record, source)) => self.let_in(parts, exchange, &caller, &record, source),
                None => Decision::NeedsIo { cursor: 0 },
            },
        }
    }

    fn resume(self: Arc<Self>, mut parts: Parts, exchange: Exchange, _cursor: usize) -> Pending {
        Box::pin(async move {
            let Some(principal) = exchange.principal() else {
                return (parts, Ok(()));
            };
            let shared = &self.shared;
            let keys = shared.keying.keys(principal.evidence());
            let now = shared.time.now();
            let caller = Caller::new(keys, principal.evidence(), &shared.policy(), now);
            let caller = caller.with_cookie(exchange.cookie().is_some());
            let outcome = shared.admit(&caller, exchange.take_loaded()).await;
            let result = match self.settle(&mut parts, &exchange, &caller, outcome) {
                Decision::Refuse(refusal) => Err(refusal),
                _ => Ok(()),
            };
            (parts, result)
        })
    }

    fn respond(&self, parts: &mut response::Parts, exchange: &Exchange) -> Option<Refusal> {
        // What an inner layer refused is no activity, and opens nothing.
        if let Some(session) = exchange.session().filter(|_| !exchange.is_refused()) {
            session.touch(exchange);
            session.write_cookie(&mut parts.headers, exchange);
            // Whatever the handler has made of it: what is kept is neither lost nor empty.
            if session.is_unreadable() {
                let refusal = unreadable();
                exchange.record_refusal(&refusal);
                return Some(refusal);
            }
        }
        self.bind(parts, exchange)
    }

    fn cutter(self: Arc<Self>) -> Option<Arc<dyn Cutter>> {
        Some(self)
    }
}

impl Cutter for KeepSession {
    fn cut(&self, exchange: &Exchange, over: EndReason) -> Refusal {
        let kind = exchange.principal().map(|principal| principal.kind());
        let kind = kind.unwrap_or(EvidenceKind::Standing);
        refusal(&self.shared.policy(), exchange, kind, over)
    }
}

/// All sessions of a layer, for whoever operates it.
#[derive(Clone)]
pub(crate) struct AllSessions(pub(super) Arc<Shared>);

impl AllSessions {
    pub(crate) async fn end(&self, issuer: &str, subject: &str) -> Result<usize, StoreError> {
        let owner = self.0.keying.owner(issuer, subject);
        let shared = Arc::clone(&self.0);
        let tasks = &self.0.tasks;
        tasks
            .to_the_end(async move { shared.end_all(owner).await })
            .await
    }

    /// Has others in place of the rules: for who comes from now on, and for what runs.
    pub(crate) fn replace_policy(&self, policy: Policy) {
        self.0.policy.store(Arc::new(policy));
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
        parts: &mut Parts,
        exchange: &Exchange,
        caller: &Caller,
        outcome: Result<Result<SessionRecord, Bar>, Failure>,
    ) -> Decision {
        match outcome {
            Ok(Ok(record)) => match revoked(exchange) {
                Some(refusal) => Decision::Refuse(refusal),
                None => self.let_in(parts, exchange, caller, &record, Source::Store),
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

    /// Lets a request into the session that it belongs to.
    fn let_in(
        &self,
        parts: &mut Parts,
        exchange: &Exchange,
        caller: &Caller,
        record: &SessionRecord,
        source: Source,
    ) -> Decision {
        if self.can_but_stream_in_vain(parts, caller) {
            return Decision::Refuse(too_many_streams());
        }
        self.admit(parts, exchange, caller, record, source);
        self.unbind(parts, exchange.session())
    }

    /// Leaves the session id of MCP that the server has given out in this session.
    fn unbind(&self, parts: &mut Parts, session: Option<&Session>) -> Decision {
        let unbound = self.mcp.as_ref().map(|mcp| {
            let holder = session.map(Session::holder);
            mcp.unbind(&mut parts.headers, holder)
        });
        match unbound {
            None | Some(Ok(())) => Decision::Pass,
            Some(Err(Unusable)) => Decision::Refuse(Refusal::new(
                LAYER,
                StatusCode::NOT_FOUND,
                reason::MCP_SESSION_UNKNOWN,
            )),
        }
    }

    /// Binds the session id of MCP in a response.
    fn bind(&self, parts: &mut response::Parts, exchange: &Exchange) -> Option<Refusal> {
        let mcp = self.mcp.as_ref()?;
        let holder = exchange.session().map(Session::holder);
        let Err(Unusable) = mcp.bind(&mut parts.headers, holder) else {
            return None;
        };
        tracing::error!(
            target: "portcullis",
            request_id = %exchange.id(),
            "a handler gives out an `Mcp-Session-Id` that cannot be bound: more than one, one that \
             is not visible ASCII, or one of more than 256 bytes",
        );
        Some(Refusal::new(
            LAYER,
            StatusCode::INTERNAL_SERVER_ERROR,
            reason::MCP_SESSION_UNUSABLE,
        ))
    }

    /// Whether a request can be answered with a stream alone, and none may be opened: then its
    /// handler need not begin.
    fn can_but_stream_in_vain(&self, parts: &Parts, caller: &Caller) -> bool {
        let Some(most) = self.shared.policy().max_streams else {
            return false;
        };
        let mut accepted = parts.headers.get_all(header::ACCEPT).iter();
        let is_stream = accepted.next().is_some_and(|accepted| {
            let accepted = accepted.as_bytes().trim_ascii();
            accepted.eq_ignore_ascii_case(b"text/event-stream")
        });
        is_stream
            && accepted.next().is_none()
            && self.shared.streams.are_full(caller.keys.owner, most)
    }

    fn admit(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        caller: &Caller,
        record: &SessionRecord,
        source: Source,
    ) {
        let credential = exchange.principal().and_then(Credential::of);
        if let Some(credential) = &credential {
            // A client that has refreshed its token in time keeps its streams.
            let registry = &self.shared.registry;
            registry.note_credential(caller.keys.owner, record.id, credential);
        }
        let policy = self.shared.policy();
        if policy.reauthentication.is_some() {
            let stale_at = policy.stale_at(record.kind, record.authenticated_at);
            let registry = &self.shared.registry;
            registry.note_authentication(caller.keys.owner, record.id, stale_at);
        }
        let is_activity = !self.is_passive(parts, exchange);
        let entry = Entry {
            is_activity,
            credential,
            source,
            issuing: self.issuing(parts),
        };
        let session = Session::new(&self.shared, &caller.keys, record, entry, exchange);
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
                refusal(&self.shared.policy(), exchange, caller.kind, reason)
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

/// What a future gives that does not wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}
