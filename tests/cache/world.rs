//! Two servers over far stores, and a bus between them.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use portcullis::{
    Authenticator, Check, Clock as _, Description, Evidence, EvidenceKind, Exchange, Gate,
    GateHandle, PeerAddress, RequestBody, RequestView, Secret, Stack, Timestamp, Verdict,
    revocation::MemoryRevocations,
    session::{MemorySessions, SessionBuilder, SessionLayer, SessionValue},
    signal::MemorySignals,
    stack::{Complete, StackBuilder},
};
use portcullis_testing::{
    audit::RecordingAudit, clock::VirtualClock, far_store::FarStore, faulty_signals::FaultySignals,
};
use portcullis_tests::patience::settle;
use tower::{Layer as _, ServiceExt as _};

pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const START: Timestamp = VirtualClock::START;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// There and back.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(10);
pub(crate) const IDLE: Duration = Duration::from_secs(80);

/// Believes everybody: `name.seconds`, who authenticated so long after the start.
struct People;

impl Authenticator for People {
    fn describe(&self) -> Description {
        Description::bearer("people")
    }

    fn check(&self, request: &RequestView<'_>) -> Check<Verdict> {
        let Some((name, seconds)) = request.bearer().and_then(|token| token.split_once('.')) else {
            return Check::Done(Verdict::Absent);
        };
        let at = START + Duration::from_secs(seconds.parse().unwrap());
        Check::Done(Verdict::accept(
            Evidence::new(EvidenceKind::User, ISSUER, name)
                .with_client(if name == "bob" { "web" } else { "app" })
                .with_token_id(format!("id-{name}.{seconds}"))
                .with_session_id(format!("sid-{name}"))
                .with_auth_time(at)
                .with_issued_at(at),
        ))
    }
}

/// What a handler keeps.
struct Note(String);

impl SessionValue for Note {
    const NAME: &'static str = "note";

    fn to_bytes(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }
}

/// One of the servers.
pub(crate) struct Node {
    pub(crate) clock: VirtualClock,
    pub(crate) audit: RecordingAudit,
    pub(crate) gate: Gate,
    pub(crate) handle: GateHandle,
    pub(crate) sessions: FarStore<Arc<MemorySessions>>,
    pub(crate) revocations: FarStore<Arc<MemoryRevocations>>,
    pub(crate) signals: FaultySignals<MemorySignals>,
}

/// What came of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// How long it took, by the clock of the stores.
    pub(crate) took: Duration,
    /// How many questions the stores of this server were asked meanwhile.
    pub(crate) asked: u64,
}

/// Two servers.
pub(crate) struct Two {
    pub(crate) clock: VirtualClock,
    pub(crate) here: Node,
    pub(crate) there: Node,
}

impl Two {
    /// Two that keep what they are told.
    pub(crate) fn new() -> Self {
        Self::with_round_trips([ROUND_TRIP; 2])
    }

    pub(crate) fn with(
        of_session: impl Fn(SessionBuilder) -> SessionBuilder,
        of_stack: impl Fn(StackBuilder<Complete>) -> StackBuilder<Complete>,
    ) -> Self {
        Self::build([ROUND_TRIP; 2], of_session, of_stack)
    }

    /// Two of which each has its own way to the stores.
    pub(crate) fn with_round_trips(round_trips: [Duration; 2]) -> Self {
        Self::build(
            round_trips,
            |session| session,
            |stack| stack.with_cache(1000),
        )
    }

    fn build(
        round_trips: [Duration; 2],
        of_session: impl Fn(SessionBuilder) -> SessionBuilder,
        of_stack: impl Fn(StackBuilder<Complete>) -> StackBuilder<Complete>,
    ) -> Self {
        let clock = VirtualClock::new();
        let sessions = Arc::new(MemorySessions::default());
        let revocations = Arc::new(MemoryRevocations::default());
        let bus = MemorySignals::new();
        let node = |round_trip| {
            let sessions = FarStore::new(Arc::clone(&sessions), clock.clone(), round_trip);
            let revocations = FarStore::new(Arc::clone(&revocations), clock.clone(), round_trip);
            let signals = FaultySignals::new(bus.clone());
            let audit = RecordingAudit::new();
            let session = SessionLayer::builder()
                .with_idle(IDLE)
                .with_absolute(600 * SECOND)
                .with_store(sessions.clone())
                .with_key(Secret::new([7; 16]));
            let stack = Stack::builder()
                .with_clock(clock.clone())
                .with_audit(audit.clone())
                .with_resource("https://agent.example/")
                .add_authenticator(People)
                .with_session(of_session(session))
                .with_revocations(revocations.clone())
                .with_revocation_key(Secret::new([8; 16]))
                .with_signals(signals.clone());
            let (gate, handle) = of_stack(stack).build().unwrap();
            Node {
                clock: clock.clone(),
                audit,
                gate,
                handle,
                sessions,
                revocations,
                signals,
            }
        };
        let [here, there] = round_trips.map(node);
        Self { clock, here, there }
    }

    /// Lets time go by, in steps in which everybody gets on.
    pub(crate) async fn pass(&self, time: Duration) {
        pass(&self.clock, time).await;
    }

    /// Has somebody known on both servers, and both buses caught up.
    pub(crate) async fn know(&self, token: &str) {
        for node in [&self.here, &self.there] {
            for _ in 0..2 {
                assert_eq!(node.ask(token).await.status, 200);
            }
        }
    }
}

pub(crate) async fn pass(clock: &VirtualClock, time: Duration) {
    let until = clock.now() + time;
    settle().await;
    while clock.now() < until {
        let step = until.saturating_since(clock.now()).min(SECOND / 2);
        clock.advance(step);
        settle().await;
    }
}

/// Runs something to its end, and lets as much time go by as that needs.
pub(crate) async fn run<T: Send + 'static>(
    clock: &VirtualClock,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let work = tokio::spawn(work);
    loop {
        settle().await;
        if work.is_finished() {
            return work.await.unwrap();
        }
        clock.advance(Duration::from_millis(1));
    }
}

impl Node {
    pub(crate) fn asked(&self) -> u64 {
        self.sessions.asked() + self.revocations.asked()
    }

    pub(crate) async fn ask(&self, token: &str) -> Answer {
        self.send(request("/", token)).await
    }

    pub(crate) async fn ask_for(&self, path: &str, token: &str) -> Answer {
        self.send(request(path, token)).await
    }

    /// The same, from another network and another device.
    pub(crate) async fn ask_from(&self, address: [u8; 4], device: &str, token: &str) -> Answer {
        self.send(request_from(address, device, token)).await
    }

    async fn send(&self, request: Request<String>) -> Answer {
        let (asked, began) = (self.asked(), self.clock.now());
        let service = self.gate.layer(tower::service_fn(handle));
        let response = run(&self.clock, service.oneshot(request)).await.unwrap();
        let took = self.clock.now().saturating_since(began);
        let asked = self.asked() - asked;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        settle().await;
        Answer {
            status,
            body,
            took,
            asked,
        }
    }

    /// Does something with the handle of the gate.
    pub(crate) async fn operate<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(GateHandle) -> F,
    ) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        run(&self.clock, work(self.handle.clone())).await
    }
}

pub(crate) fn request(path: &str, token: &str) -> Request<String> {
    Request::builder()
        .uri(path)
        .header("host", "agent.example")
        .header("authorization", format!("Bearer {token}"))
        .body(String::new())
        .unwrap()
}

pub(crate) fn request_from(address: [u8; 4], device: &str, token: &str) -> Request<String> {
    let mut request = request("/", token);
    let address = SocketAddr::from((address, 5000));
    PeerAddress::from(address).attach(request.extensions_mut());
    let device = device.parse().unwrap();
    request.headers_mut().insert("x-device", device);
    request
}

/// Does what the path says, with the session.
async fn handle(request: Request<RequestBody<String>>) -> Result<Response<String>, Infallible> {
    let exchange = Exchange::of(request.extensions()).unwrap();
    let session = exchange.session().unwrap().clone();
    let said = match request.uri().path() {
        "/end" => session.end().await.map(|()| String::new()),
        "/put" => {
            let note = request.uri().query().unwrap_or_default().to_owned();
            session.put(&Note(note)).await.map(|()| String::new())
        }
        "/get" => {
            let note = session.get::<Note>().await;
            note.map(|note| note.map(|note| note.0).unwrap_or_default())
        }
        "/wait" => {
            tokio::task::yield_now().await;
            Ok(String::new())
        }
        _ => Ok("done".to_owned()),
    };
    Ok(said.map_or_else(
        |error| {
            let response = Response::builder().status(500);
            response.body(error.to_string()).unwrap()
        },
        Response::new,
    ))
}
