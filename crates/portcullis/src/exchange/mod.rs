//! What the layers have found out about one request.
//!
//! The outermost of our layers makes an [`Exchange`]; each layer writes its own part, once;
//! handlers read it and cannot change it.

mod call;
mod flight;
mod id;
mod loaded;
mod original_path;
mod record;
mod seat;
mod signals;
mod slot;
mod span;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Extensions, HeaderValue, Method, request::Parts};
use portcullis_core::{Clock, Evidence, RequestId, RequestView, Timestamp, TraceParent};

pub use self::slot::Slot;
pub(crate) use self::{
    flight::{Flight, Scope},
    id::RequestIds,
    original_path::OriginalPath,
    slot::{Misplaced, Trail},
};
use self::{seat::Seat, span::RequestSpan};
use crate::{
    audit::Recorder,
    challenge::Challenges,
    frame::Doors,
    goodbye::RpcCall,
    principal::{Identity, Principal},
    revocation::Revocations,
    session::{CookieId, Loaded, Session},
    step_up::Requirements,
};

/// What the layers have found out about one request: a cheap handle on cells that are
/// written once.
///
/// A handler gets at it by [`Exchange::of`] or, on axum, by taking `Exchange` as an argument.
/// Nothing that a handler can reach changes it. What it may do beyond answering, it asks for
/// with [`Exchange::authorize`].
#[derive(Clone)]
pub struct Exchange(Arc<Ledger>);

/// The same, for what the exchange itself holds.
pub(crate) struct WeakExchange(Weak<Ledger>);

impl WeakExchange {
    /// The exchange, while the request or somebody else keeps it.
    pub(crate) fn upgrade(&self) -> Option<Exchange> {
        self.0.upgrade().map(Exchange)
    }
}

struct Ledger {
    flight: Flight,
    id: RequestId,
    at: Timestamp,
    method: Method,
    path: OriginalPath,
    trace: Option<TraceParent>,
    span: RequestSpan,
    trail: Trail,
    shared: Arc<Shared>,
    arrival: OnceLock<Arrival>,
    /// What an authenticator has accepted, while it is being asked whether it is revoked.
    accepted: OnceLock<(Arc<Evidence>, &'static str)>,
    nonce: OnceLock<HeaderValue>,
    /// The id with which the caller came, if that is how he was let in. Most come with a token.
    cookie: OnceLock<Box<CookieId>>,
    identity: OnceLock<Identity>,
    challenges: OnceLock<Arc<Challenges>>,
    revocations: OnceLock<Arc<Revocations>>,
    loaded: Mutex<Option<Box<Loaded>>>,
    session: OnceLock<Session>,
    requirements: OnceLock<Arc<Requirements>>,
    /// Those of further `step_up` layers inside the first. Hardly any request has some.
    inner_requirements: Mutex<Vec<Arc<Requirements>>>,
    /// The JSON-RPC call that the request makes, where somebody wants to know.
    call: OnceLock<Box<RpcCall>>,
    is_call_wanted: AtomicBool,
    /// Whether its handler may go on in another protocol.
    is_upgrade: AtomicBool,
    /// Whether the one record of the decision has been written.
    is_decided: AtomicBool,
    /// Whether a layer has refused the request.
    is_refused: AtomicBool,
    /// Whether a layer is making up its mind right now.
    is_deciding: AtomicBool,
    /// Whether the one record of the end has been written.
    is_ended: AtomicBool,
}

/// What the perimeter found out.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) client_address: Option<IpAddr>,
    pub(crate) body_limit: Option<u64>,
    /// Whose budget a refusal charges.
    pub(crate) charge: Option<crate::perimeter::Charge>,
    /// Whether that budget is spent: then only what is known to be good may pass.
    pub(crate) is_restricted: bool,
}

impl Exchange {
    /// The exchange of the request that carries these extensions.
    ///
    /// `None` if no layer of ours saw the request, and also if the exchange was made for
    /// another request than the one that is running: then there is an ERROR log as well.
    ///
    /// Copies of the extensions are read as well, since a tool is often handed a copy of the
    /// request's head, and runs in a task of its own. There, what is read is whatever the
    /// copier put in. The extractors for axum read no copies.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        let exchange = Seat::of(extensions)?.exchange();
        if exchange.0.flight.scope() == Scope::Other {
            tracing::error!(
                target: "portcullis",
                request_id = %exchange.id(),
                "{}",
                Misplaced::Captured,
            );
            return None;
        }
        Some(exchange)
    }

    /// The exchange of the request that carries these extensions, if they are the request's
    /// own, or the request is the one that is running. What [`of`](Self::of) reads from a copy
    /// anywhere else is not shown.
    pub(crate) fn of_own(extensions: &Extensions) -> Option<&Self> {
        let is_own = Seat::of(extensions)?.is_live();
        Self::of(extensions).filter(|exchange| is_own || exchange.0.flight.scope() == Scope::Same)
    }

    /// The id of the request: ours, never the client's.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.0.id
    }

    /// When the request arrived.
    #[must_use]
    pub fn arrived_at(&self) -> Timestamp {
        self.0.at
    }

    /// The method that the client asked for.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The path that the client asked for, also where a router has stripped a part of it.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path.as_str()
    }

    /// Which trace the request belongs to, if the client sent one `traceparent` that can be read.
    ///
    /// **The client chose it.** It helps to find what belongs together, and proves nothing: decide
    /// nothing by it, and keep nothing under it alone.
    #[must_use]
    pub fn trace_parent(&self) -> Option<TraceParent> {
        self.0.trace
    }

    /// Where the request came from: the right-most address that no trusted proxy vouches
    /// for. `None` without a `perimeter` layer, or where the peer is not known.
    #[must_use]
    pub fn client_address(&self) -> Option<IpAddr> {
        self.0.arrival.get()?.client_address
    }

    /// Who calls. `None` if the caller is anonymous, or without an `authn` layer.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        match self.0.identity.get()? {
            Identity::Anonymous => None,
            Identity::Principal(principal) => Some(principal),
        }
    }

    /// The session that the request belongs to. `None` if the caller is anonymous, or without a
    /// `session` layer.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.0.session.get()
    }

    /// Whether the `authn` layer let the request in without a credential.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.0.identity.get(), Some(Identity::Anonymous))
    }

    /// The slots that the request has come through, from outside in.
    pub fn trail(&self) -> impl Iterator<Item = Slot> {
        self.0.trail.iter()
    }

    /// Makes the exchange of a request that no layer of ours has seen, and seats it.
    pub(crate) fn open(parts: &mut Parts, shared: &Arc<Shared>) -> Self {
        let flight = Flight::next();
        let at = shared.clock.now();
        let id = shared.ids.make(at, flight);
        let path = OriginalPath::of(parts, shared.base_path.as_deref());
        let trace = TraceParent::of(&parts.headers);
        let exchange = Self(Arc::new(Ledger {
            flight,
            id,
            at,
            method: parts.method.clone(),
            span: RequestSpan::open(parts, id, path.as_str(), trace.as_ref()),
            path,
            trace,
            trail: Trail::default(),
            shared: Arc::clone(shared),
            arrival: OnceLock::new(),
            accepted: OnceLock::new(),
            nonce: OnceLock::new(),
            cookie: OnceLock::new(),
            identity: OnceLock::new(),
            challenges: OnceLock::new(),
            revocations: OnceLock::new(),
            loaded: Mutex::default(),
            session: OnceLock::new(),
            requirements: OnceLock::new(),
            inner_requirements: Mutex::default(),
            call: OnceLock::new(),
            is_call_wanted: AtomicBool::new(false),
            is_upgrade: AtomicBool::new(false),
            is_decided: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            is_deciding: AtomicBool::new(true),
            is_ended: AtomicBool::new(false),
        }));
        Seat::install(&mut parts.extensions, exchange.clone());
        exchange
    }

    /// The exchange that a layer finds in a request, and what the thread says about it.
    pub(crate) fn find(extensions: &Extensions) -> Option<Result<(&Self, Scope), Misplaced>> {
        let seat = Seat::of(extensions)?;
        let scope = seat.exchange().0.flight.scope();
        Some(if seat.is_live() && scope != Scope::Other {
            Ok((seat.exchange(), scope))
        } else {
            Err(Misplaced::Captured)
        })
    }

    /// Runs something that belongs to this request.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.in_span(|| self.0.flight.run(f))
    }

    pub(crate) fn enter(&self, slot: Slot) -> Result<(), Misplaced> {
        self.0.trail.enter(slot)
    }

    /// What authenticators see.
    pub(crate) fn view<'a>(&'a self, parts: &'a Parts) -> RequestView<'a> {
        RequestView::new(parts, self.0.at)
            .with_path(self.path())
            .with_client_address(self.client_address())
            .with_restriction(self.is_restricted())
    }

    pub(crate) fn is_restricted(&self) -> bool {
        self.0
            .arrival
            .get()
            .is_some_and(|arrival| arrival.is_restricted)
    }

    pub(crate) fn body_limit(&self) -> Option<u64> {
        self.0.arrival.get()?.body_limit
    }

    /// How long until a spent budget allows another refusal.
    pub(crate) fn budget_returns_in(&self) -> Option<std::time::Duration> {
        self.0.arrival.get()?.charge.as_ref()?.returns_in()
    }

    /// Writes what the perimeter found. A second write is impossible: the trail has refused
    /// a second perimeter.
    pub(crate) fn set_arrival(&self, arrival: Arrival) {
        self.0.span.set_client_address(arrival.client_address);
        let _ = self.0.arrival.set(arrival);
    }

    /// Keeps what the authenticator of this name has accepted, for
    /// [`accepted`](Self::accepted). It is nobody's identity yet.
    pub(crate) fn set_accepted(&self, evidence: Arc<Evidence>, authenticator: &'static str) {
        let _ = self.0.accepted.set((evidence, authenticator));
    }

    /// What an authenticator has accepted, and its name.
    pub(crate) fn accepted(&self) -> Option<(&Arc<Evidence>, &'static str)> {
        let (evidence, authenticator) = self.0.accepted.get()?;
        Some((evidence, authenticator))
    }

    /// Keeps the nonce that the client's next proof is to use.
    pub(crate) fn set_nonce(&self, nonce: HeaderValue) {
        let _ = self.0.nonce.set(nonce);
    }

    /// The nonce that the client's next proof is to use.
    pub(crate) fn nonce(&self) -> Option<&HeaderValue> {
        self.0.nonce.get()
    }

    /// Keeps the id of a session with which the caller was let in.
    pub(crate) fn set_cookie(&self, id: CookieId) {
        let _ = self.0.cookie.set(Box::new(id));
    }

    /// The id of a session with which the caller was let in.
    pub(crate) fn cookie(&self) -> Option<&CookieId> {
        self.0.cookie.get().map(|id| &**id)
    }

    /// Writes where it is known what has been revoked. A second write is impossible, as for
    /// [`set_arrival`](Self::set_arrival).
    pub(crate) fn set_revocations(&self, revocations: &Arc<Revocations>) {
        let _ = self.0.revocations.set(Arc::clone(revocations));
    }

    /// What has been revoked, with an `authn` layer further out.
    pub(crate) fn revocations(&self) -> Option<&Arc<Revocations>> {
        self.0.revocations.get()
    }

    /// Writes who calls, and how callers are challenged here. A second write is impossible, as
    /// for [`set_arrival`](Self::set_arrival).
    pub(crate) fn set_identity(&self, identity: Identity, challenges: &Arc<Challenges>) {
        let _ = self.0.identity.set(identity);
        let _ = self.0.challenges.set(Arc::clone(challenges));
    }

    /// How callers are challenged, with an `authn` layer further out.
    pub(crate) fn challenges(&self) -> Option<&Challenges> {
        self.0.challenges.get().map(|challenges| &**challenges)
    }

    /// The challenge to a caller whose credential is not good any more.
    pub(crate) fn invalid_token(&self) -> Option<&Arc<[HeaderValue]>> {
        let confirmation = self.principal().map(Principal::evidence);
        let confirmation = confirmation.and_then(Evidence::confirmation);
        let is_bound = confirmation.is_some_and(|key| key.jwk_thumbprint().is_some());
        Some(self.challenges()?.invalid_token(is_bound))
    }

    /// A handle that does not keep the exchange.
    pub(crate) fn downgrade(&self) -> WeakExchange {
        WeakExchange(Arc::downgrade(&self.0))
    }

    /// Writes the session that the request belongs to. A second write is impossible, as for
    /// [`set_arrival`](Self::set_arrival).
    pub(crate) fn set_session(&self, session: Session) {
        self.0.span.set_session(session.id());
        let _ = self.0.session.set(session);
    }

    /// Lets its handler go on in another protocol.
    pub(crate) fn set_upgrade(&self) {
        self.0.is_upgrade.store(true, Ordering::Release);
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.0.is_upgrade.load(Ordering::Acquire)
    }

    /// Has the request's body looked at for the call that it makes.
    pub(crate) fn want_call(&self) {
        self.0.is_call_wanted.store(true, Ordering::Release);
    }

    pub(crate) fn is_call_wanted(&self) -> bool {
        self.0.is_call_wanted.load(Ordering::Acquire)
    }

    /// Writes which call the request makes. The first that is found stays.
    pub(crate) fn set_call(&self, call: RpcCall) {
        let _ = self.0.call.set(Box::new(call));
    }

    /// The JSON-RPC call that the request makes, if it has been looked for and found.
    pub(crate) fn call(&self) -> Option<&RpcCall> {
        self.0.call.get().map(|call| &**call)
    }

    /// Whether every layer has let the request in.
    pub(crate) fn is_let_in(&self) -> bool {
        !self.is_refused() && !self.0.is_deciding.load(Ordering::Acquire)
    }

    /// Whether a layer has refused the request.
    pub(crate) fn is_refused(&self) -> bool {
        self.0.is_refused.load(Ordering::Acquire)
    }

    /// Notes whether a layer is making up its mind: a request that is dropped then was never
    /// let in.
    pub(crate) fn set_deciding(&self, is_deciding: bool) {
        self.0.is_deciding.store(is_deciding, Ordering::Release);
    }
}

impl fmt::Debug for Exchange {
    /// Without the principal: debugging output travels further than records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("id", &format_args!("{}", self.0.id))
            .field(
                "trail",
                &format_args!("{:?}", self.trail().collect::<Vec<_>>()),
            )
            .finish_non_exhaustive()
    }
}

/// What a layer brings for the exchanges that it makes.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: RequestIds,
    pub(crate) recorder: Recorder,
    /// Where the router stands below the root of the server, if something outside it has
    /// stripped that prefix.
    pub(crate) base_path: Option<Arc<str>>,
    /// Where the requests of the layer come in and go out, if it is the outermost.
    pub(crate) doors: Doors,
}
