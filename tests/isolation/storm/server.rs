//! The guarded server of a storm, and what it knows of it.

use std::{
    collections::HashMap,
    convert::Infallible,
    panic::resume_unwind,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::any,
};
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, Method};
use portcullis::{
    Exchange, Gate, GateHandle, Principal, RequestId, Secret,
    perimeter::PerimeterLayer,
    session::{MemorySessions, Session, SessionLayer},
    stack::{Complete, StackBuilder},
};
use portcullis_testing::{audit::RecordingAudit, clock::VirtualClock, faulty_store::FaultyStore};
use portcullis_tests::{
    fixtures::stack_builder,
    stores::{Place, Stores as _},
    wire::Server,
};
use tokio::{sync::oneshot, task::JoinSet};

use super::{
    look::{Look, Note},
    plan::{Act, End, Leave, Stage, Step},
    pool::Pool,
};

/// The header in which a request says which one it is. Nobody is believed by it.
pub(crate) const LABEL: &str = "x-label";

/// The header that says where a handler does what it was not written for.
pub(crate) const STOP: &str = "x-stop";

/// What a handler is told to do instead of going on, or before it does.
pub(crate) fn stop(step: &Step) -> &'static str {
    match step.end {
        End::Left(Leave::OnceReached) => "tell",
        End::Left(Leave::WhileHeld(Stage::AfterTheAct)) => "hold after",
        End::Left(Leave::WhileHeld(Stage::BeforeTheAct)) => "hold before",
        End::Panics(Stage::AfterTheAct) => "panic after",
        End::Panics(Stage::BeforeTheAct) => "panic before",
        End::Answered | End::Left(_) => "nowhere",
    }
}

/// The servers, with what happened in them.
pub(crate) struct World {
    /// One, or two that share their stores.
    pub(crate) servers: Vec<Server>,
    /// What an operator has of each.
    pub(crate) handles: Vec<GateHandle>,
    pub(crate) audit: RecordingAudit,
    pub(crate) known: Arc<Known>,
    _workers: JoinSet<()>,
}

/// What server and clients both know.
pub(crate) struct Known {
    /// Which request said that it was which, in the order in which they came to a handler.
    reached: Mutex<Vec<(RequestId, String)>>,
    /// Who wants to be told by a handler.
    waiting: Mutex<HashMap<String, oneshot::Sender<()>>>,
    pool: Pool,
}

impl World {
    /// One server with its own memory. `is_asked`: whether the store has to be asked.
    pub(crate) async fn new(is_asked: bool) -> Self {
        let audit = RecordingAudit::new();
        let store = MemorySessions::with_capacity(10_000);
        let session = SessionLayer::builder();
        let stack = stack(&audit)
            .with_clock(VirtualClock::new())
            .with_session(match is_asked {
                true => session.with_store(FaultyStore::new(store)),
                false => session.with_store(store),
            });
        Self::of(audit, vec![stack.build().unwrap()]).await
    }

    /// Two servers that share what is kept at this place.
    pub(crate) async fn at(place: &impl Place) -> Self {
        let audit = RecordingAudit::new();
        let mut gates = Vec::new();
        for stores in [place.stores().await, place.stores().await] {
            let session = SessionLayer::builder()
                .with_key(Secret::new([7; 16]))
                .with_store(stores.sessions());
            let stack = stack(&audit)
                .with_clock(place.clone())
                .with_session(session)
                .with_revocations(stores.revocations())
                .with_revocation_key(Secret::new([8; 16]))
                .with_signals(place.signals(&stores));
            gates.push(stack.build().unwrap());
        }
        Self::of(audit, gates).await
    }

    async fn of(audit: RecordingAudit, gates: Vec<(Gate, GateHandle)>) -> Self {
        let (pool, workers) = Pool::new();
        let known = Arc::new(Known {
            reached: Mutex::default(),
            waiting: Mutex::default(),
            pool,
        });
        let router = Router::new()
            .route("/public", any(anybody))
            .route("/{how}", any(somebody))
            .with_state(Arc::clone(&known));
        let (mut servers, mut handles) = (Vec::new(), Vec::new());
        for (gate, handle) in gates {
            servers.push(Server::axum(gate.guard(router.clone())).await.unwrap());
            handles.push(handle);
        }
        Self {
            servers,
            handles,
            audit,
            known,
            _workers: workers,
        }
    }
}

fn stack(audit: &RecordingAudit) -> StackBuilder<Complete> {
    stack_builder(audit)
        .with_perimeter(PerimeterLayer::builder().without_refusal_budget())
        .add_anonymous_route("/public")
}

impl Known {
    /// Which request said that it was which.
    pub(crate) fn reached(&self) -> Vec<(RequestId, String)> {
        self.reached.lock().unwrap().clone()
    }

    /// Completes when the handler of this request says so: it is held, or has been reached.
    pub(crate) fn told(&self, label: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap();
        waiting.insert(label.to_owned(), sender);
        receiver
    }

    fn tell(&self, label: &str) {
        let waiting = self.waiting.lock().unwrap().remove(label);
        let _ = waiting.map(|waiting| waiting.send(()));
    }

    fn note(&self, exchange: &Exchange, label: &str) {
        let mut reached = self.reached.lock().unwrap();
        reached.push((exchange.id(), label.to_owned()));
    }
}

/// The work of one request, with all that a handler keeps of it.
pub(crate) struct Work {
    known: Arc<Known>,
    exchange: Exchange,
    principal: Principal,
    session: Session,
    label: String,
    act: Act,
    note: String,
    stop: String,
}

impl Work {
    /// One line of the answer. A store that cannot say fails the test, by what is answered.
    pub(crate) async fn look(&self) -> String {
        let look = Look::at(&self.exchange, Some(&self.principal), Some(&self.session)).await;
        look.map_or_else(|error| format!("{error}\n"), |look| look.to_line())
    }

    /// Empty, or why it was not done.
    pub(crate) async fn act(&self) -> String {
        let done = match self.act {
            Act::Forget => self.session.remove::<Note>().await,
            Act::Read => Ok(()),
            Act::Write => self.session.put(&Note(self.note.clone())).await,
        };
        done.map_or_else(|error| format!("{error}\n"), |()| String::new())
    }

    /// Goes on, or does not.
    async fn pass(&self, stage: Stage) {
        let place = match stage {
            Stage::AfterTheAct => "after",
            Stage::BeforeTheAct => "before",
        };
        match self.stop.strip_suffix(place) {
            Some("hold ") => {
                self.known.tell(&self.label);
                std::future::pending::<()>().await;
            }
            // No hook is called, so nothing is printed.
            Some(_) => resume_unwind(Box::new("on purpose")),
            None => {}
        }
    }

    async fn begin(&self, is_waiting: bool) -> String {
        let first = self.look().await;
        give_way(is_waiting).await;
        self.pass(Stage::BeforeTheAct).await;
        first
    }

    async fn finish(&self, is_waiting: bool) -> String {
        let problem = self.act().await;
        give_way(is_waiting).await;
        self.pass(Stage::AfterTheAct).await;
        problem + &self.look().await
    }
}

/// Anybody may call, and is nobody.
async fn anybody(
    State(known): State<Arc<Known>>,
    exchange: Exchange,
    principal: Option<Principal>,
    session: Option<Session>,
    headers: HeaderMap,
) -> String {
    known.note(&exchange, header(&headers, LABEL));
    give_way(true).await;
    let look = Look::at(&exchange, principal.as_ref(), session.as_ref()).await;
    look.unwrap().to_line()
}

#[expect(clippy::too_many_arguments, reason = "an extractor each")]
async fn somebody(
    State(known): State<Arc<Known>>,
    Path(how): Path<String>,
    exchange: Exchange,
    principal: Principal,
    session: Session,
    method: Method,
    headers: HeaderMap,
    note: String,
) -> Response {
    let label = header(&headers, LABEL).to_owned();
    known.note(&exchange, &label);
    let stop = header(&headers, STOP).to_owned();
    if stop == "tell" {
        known.tell(&label);
    }
    let work = Work {
        known: Arc::clone(&known),
        exchange,
        principal,
        session,
        label,
        act: match method {
            Method::DELETE => Act::Forget,
            Method::PUT => Act::Write,
            _ => Act::Read,
        },
        note,
        stop,
    };
    match &*how {
        "at-once" => (work.begin(false).await + &work.finish(false).await).into_response(),
        "awaiting" => (work.begin(true).await + &work.finish(true).await).into_response(),
        "in-pool" => {
            work.pass(Stage::BeforeTheAct).await;
            let (answer, work) = known.pool.answer(work).await;
            work.pass(Stage::AfterTheAct).await;
            answer.into_response()
        }
        _ => {
            let work = Arc::new(work);
            let again = Arc::clone(&work);
            let first = async move { work.begin(true).await }.into_stream();
            let frames = first.chain(async move { again.finish(true).await }.into_stream());
            let frames = frames.map(Ok::<_, Infallible>);
            Body::from_stream(frames).into_response()
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

async fn give_way(is_waiting: bool) {
    for _ in 0..if is_waiting { 3 } else { 0 } {
        tokio::task::yield_now().await;
    }
}
