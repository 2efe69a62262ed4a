//! The session in the hands of a handler.

mod data;
mod ended;
mod origin;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use portcullis_core::{
    BindingReference, Check, EndReason, EvidenceKind, SessionId, SessionRecord, SessionState,
    Signal, StoreError, Timestamp,
};

pub use self::{
    data::SessionValue,
    ended::{Ended, Run},
};
use super::{
    cookie::Issuing,
    credential::Credential,
    keys::Keys,
    known::Source,
    mcp::Holder,
    payload::Payload,
    refusals::{record_start, refusal, store_unavailable},
    registry::Registry,
    running::{Last, Live, Running},
    shared::Shared,
};
use crate::{
    exchange::{Exchange, Slot, WeakExchange},
    refusal::Refusal,
};

/// Why a session is over, if it is; or that the store cannot say.
pub(crate) type Looked = Result<Option<EndReason>, StoreError>;

/// A store that is asked whether a session lives.
pub(crate) type Looking = Pin<Box<dyn Future<Output = Looked> + Send>>;

/// The session that a request belongs to. Cheap to clone: clones are the same session.
///
/// A handler gets at it by [`Exchange::session`](crate::Exchange::session) or, on axum, by
/// taking `Session` as an argument. It leads to this session and its data alone: no method
/// names another.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    keys: Keys,
    id: SessionId,
    opened_at: Timestamp,
    ends_at: Timestamp,
    binding: BindingReference,
    /// When its last authentication is too old.
    stale_at: Option<Timestamp>,
    /// When it was last active, as it stood in the store when this request came.
    active_at: Timestamp,
    /// Whether nobody had answered in it when this request came.
    is_new: bool,
    is_activity: bool,
    source: Source,
    credential: Option<Credential>,
    live: OnceLock<Arc<Live>>,
    /// When the request came, by steady time.
    came_at: Timestamp,
    /// Whether the handler has ended it.
    is_ended: AtomicBool,
    /// Whether the handler has asked when it ends.
    is_watched: AtomicBool,
    /// Whether the connection of this request may not go on in another protocol, because there are
    /// too many streams.
    is_in_vain: AtomicBool,
    /// Whether what is kept in it could not be opened for the handler.
    is_unreadable: AtomicBool,
    issuing: Issuing,
    /// For the record of its start, where its own handler ends it.
    exchange: WeakExchange,
}

/// How a request is in a session.
pub(super) struct Entry {
    /// Whether it keeps it active.
    pub(super) is_activity: bool,
    pub(super) credential: Option<Credential>,
    /// Who has said that it lives.
    pub(super) source: Source,
    pub(super) issuing: Issuing,
}

impl Session {
    pub(super) fn new(
        shared: &Arc<Shared>,
        keys: &Keys,
        record: &SessionRecord,
        entry: Entry,
        exchange: &Exchange,
    ) -> Self {
        let Entry {
            is_activity,
            credential,
            source,
            issuing,
        } = entry;
        Self(Arc::new(Inner {
            shared: Arc::clone(shared),
            keys: *keys,
            id: record.id,
            opened_at: record.opened_at,
            ends_at: record.ends_at,
            binding: record.binding,
            stale_at: shared
                .policy()
                .stale_at(record.kind, record.authenticated_at),
            active_at: record.active_at,
            is_new: matches!(record.state, SessionState::Provisional(_)),
            is_activity,
            source,
            credential,
            live: OnceLock::new(),
            came_at: shared.time.steady(),
            is_ended: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            is_in_vain: AtomicBool::new(false),
            is_unreadable: AtomicBool::new(false),
            issuing,
            exchange: exchange.downgrade(),
        }))
    }

    /// What a bus may tell of it.
    pub(crate) fn signal(&self) -> Signal {
        Signal::Sessions(self.0.keys.owner)
    }

    /// Its name in records. It is no credential: nothing is found by it.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// When it was opened.
    #[must_use]
    pub fn opened_at(&self) -> Timestamp {
        self.0.opened_at
    }

    /// When it ends, however active it is.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.0.ends_at
    }

    /// Completes when the session is over, and says why. For handlers that run long, and for
    /// work that they leave behind.
    ///
    /// Where the connection of this request may go on in another protocol
    /// ([`add_upgrade_route`](crate::perimeter::PerimeterBuilder::add_upgrade_route)), it also
    /// completes when the credential that the request came with is over; and while it is there, it
    /// is that connection to the layer: activity of the session, and one of its
    /// [streams](crate::session::SessionBuilder::with_max_streams).
    pub fn ended(&self) -> Ended {
        let is_first = !self.0.is_watched.swap(true, Ordering::AcqRel);
        let exchange = self.0.exchange.upgrade().filter(Exchange::is_upgrade);
        let running = exchange.map(|exchange| self.start_running(&exchange));
        // However often it is asked for, it is one connection.
        let counted = running.as_ref().filter(|_| is_first);
        if counted.is_some_and(|running| !running.take_place()) {
            self.0.is_in_vain.store(true, Ordering::Release);
        }
        Ended::new(self.live(), running)
    }

    /// Runs something until the session is over; then drops it, and says why.
    ///
    /// Dropping the body of a response does not stop what a handler has spawned. What it spawns
    /// inside this ends with the session.
    ///
    /// ```
    /// # async fn agent_loop() {}
    /// # fn handler(session: portcullis::session::Session) {
    /// tokio::spawn(async move { session.run(agent_loop()).await });
    /// # }
    /// ```
    pub fn run<F: Future>(&self, future: F) -> Run<F> {
        Run::new(self.ended(), future)
    }

    /// Ends the session: here at once, and everywhere when the store has it. Whoever had it
    /// comes in again by authenticating anew. The answer of the handler that does this is not
    /// cut; everything else that runs in the session is.
    ///
    /// It is done to the end, also when whoever waits for it goes away.
    ///
    /// # Errors
    ///
    /// The store cannot say whether it did. What runs on this server has ended all the same.
    pub async fn end(&self) -> Result<(), StoreError> {
        self.0.is_ended.store(true, Ordering::Release);
        let inner = Arc::clone(&self.0);
        let exchange = inner.exchange.upgrade();
        let tasks = self.0.shared.tasks.clone();
        let end = async move {
            let Inner {
                shared, keys, id, ..
            } = &*inner;
            // What runs here first: that needs no store, and cannot fail.
            shared.registry.end(keys.owner, *id, EndReason::Ended);
            // Recorded here: the handler may fail, or be dropped, before it answers.
            if inner.is_new
                && let Some(exchange) = exchange
                && shared.begin(keys, *id).await
            {
                record_start(&exchange);
            }
            let ended = shared.end(keys.owner, keys.session, *id, EndReason::Ended);
            let ended = ended.await;
            // And what began while the store was asked.
            shared.registry.end(keys.owner, *id, EndReason::Ended);
            ended.map(drop)
        };
        tasks.to_the_end(end).await
    }

    /// Whether nobody had answered in it when this request came.
    pub(super) fn is_new(&self) -> bool {
        self.0.is_new
    }

    /// Whether the handler of this request has asked when the session ends.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.is_watched.load(Ordering::Acquire)
    }

    /// Whether there are too many streams for the connection to become one.
    pub(crate) fn upgrades_in_vain(&self) -> bool {
        self.0.is_in_vain.load(Ordering::Acquire)
    }

    /// Whether the handler of this request has ended the session.
    pub(super) fn is_ended_by_its_handler(&self) -> bool {
        self.0.is_ended.load(Ordering::Acquire)
    }

    /// Whether what is kept in it could not be opened for the handler of this request.
    pub(super) fn is_unreadable(&self) -> bool {
        self.0.is_unreadable.load(Ordering::Acquire)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(super) fn issuing(&self) -> &Issuing {
        &self.0.issuing
    }

    /// The exchange of the request that the handle belongs to, while there is one.
    pub(super) fn exchange(&self) -> Option<Exchange> {
        self.0.exchange.upgrade()
    }

    /// Opens what is kept. What does not open is told to whoever runs the server.
    pub(super) fn open(&self, record: &SessionRecord) -> Result<Payload, StoreError> {
        let Inner {
            shared, keys, id, ..
        } = &*self.0;
        shared.open(keys.owner, record).map_err(|why| {
            self.0.is_unreadable.store(true, Ordering::Release);
            tracing::error!(target: "portcullis", session = %id, "{why}");
            why.into()
        })
    }

    /// Notes that the request was let in and answered.
    pub(super) fn touch(&self, exchange: &Exchange) {
        let Inner {
            shared,
            keys,
            id,
            is_activity,
            is_new,
            ..
        } = &*self.0;
        let is_ended = self.0.is_ended.load(Ordering::Acquire);
        let age = shared.time.steady().saturating_since(self.0.came_at);
        let is_activity = *is_activity && age < shared.policy().max_running && !is_ended;
        if is_activity || *is_new {
            let noted_at = (!is_new).then_some(self.0.active_at);
            shared.touch(keys, *id, exchange, noted_at);
        }
    }

    /// Whether something more may be done in it, with the credential that this request came
    /// with or a later one of the same session that allows as much.
    ///
    /// # Errors
    ///
    /// What is answered to whoever wants it all the same.
    pub(crate) fn check(&self, exchange: &Exchange) -> Result<(), Refusal> {
        self.judge(exchange, Ok(self.over()))
    }

    /// Asks the store whether it lives still, where the store has to be asked: another server
    /// may have ended it. `None` where [`check`](Self::check) knows.
    pub(crate) fn look(&self) -> Option<Looking> {
        if self.is_at_hand() {
            return None;
        }
        let inner = Arc::clone(&self.0);
        Some(Box::pin(async move {
            let Inner {
                shared, keys, id, ..
            } = &*inner;
            let sessions = shared.store.load(keys.owner).await?;
            let over = shared.over(sessions.get(keys.session), *id);
            if let Some(reason) = over {
                // What runs here need not wait until somebody looks again.
                shared.registry.end(keys.owner, *id, reason);
                shared.forget(keys.owner);
            }
            Ok(over)
        }))
    }

    /// What follows from what the store has said.
    ///
    /// # Errors
    ///
    /// What is answered: it is over, or the store cannot say.
    pub(crate) fn judge(&self, exchange: &Exchange, looked: Looked) -> Result<(), Refusal> {
        let over = match looked {
            Ok(None) => return Ok(()),
            Ok(Some(over)) => over,
            Err(error) => {
                let layer = Slot::Session.name();
                return Err(store_unavailable(layer, exchange, &error));
            }
        };
        let kind = exchange.principal().map(|principal| principal.kind());
        let kind = kind.unwrap_or(EvidenceKind::Standing);
        Err(refusal(&self.0.shared.policy(), exchange, kind, over))
    }

    /// Why nothing more may be done in it, as far as that can be said at once.
    fn over(&self) -> Option<EndReason> {
        let Inner {
            shared,
            keys,
            id,
            credential,
            ..
        } = &*self.0;
        if self.0.is_ended.load(Ordering::Acquire) {
            return Some(EndReason::Ended);
        }
        let now = shared.time.now();
        let known = match shared.store.check(keys.owner, keys.session) {
            Check::Done(found) => shared.over(found.as_ref(), *id),
            Check::NeedsIo => None,
        };
        known.or_else(|| self.live().over_for(credential.as_ref(), now))
    }

    /// To whom ids are bound that are given out in it.
    pub(super) fn holder(&self) -> Holder {
        Holder {
            owner: self.0.keys.owner,
            session: self.0.id,
        }
    }

    /// Whether the answers of a principal that stream are counted.
    pub(crate) fn counts_streams(&self) -> bool {
        self.0.shared.policy().max_streams.is_some()
    }

    /// Lists the request as one that runs.
    pub(crate) fn start_running(&self, exchange: &Exchange) -> Running {
        let credential = self.0.credential.clone();
        let came_at = self.0.came_at;
        self.live()
            .run(self.0.is_activity, came_at, credential, exchange)
    }

    fn live(&self) -> &Arc<Live> {
        let it = &*self.0;
        let last = Last {
            noted_at: (!it.is_new).then_some(it.active_at),
            confirmed_at: it.source.at(),
        };
        it.live.get_or_init(|| {
            let live = Registry::live(&it.shared, &it.keys, it.id, it.ends_at, last);
            if it.stale_at.is_some() {
                live.note_authentication(it.stale_at);
            }
            live
        })
    }
}

pub(super) fn over() -> StoreError {
    StoreError::new("the session is over")
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &format_args!("{}", self.0.id))
            .field("ends_at", &format_args!("{}", self.0.ends_at))
            .finish_non_exhaustive()
    }
}
