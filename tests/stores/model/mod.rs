//! Anything may happen in any order, and everybody is in who has to be, and nobody else: the whole
//! layer on two servers, held against a [`reference`] that is told in the plainest way.
//!
//! To see a run again, say its seed: `PROPTEST_RNG_SEED=… cargo test --test stores model`. Whatever
//! has failed once is tried first from then on: see the files of `model/regressions`.

mod plan;
mod reference;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use http::Response;
use http_body_util::BodyExt as _;
use portcullis::{Clock as _, Exchange, revocation::Revocation};
use portcullis_core::entropy;
use portcullis_tests::{
    node::Node,
    stores::{
        Place, START, Stores, memory::InMemory, postgres::PostgresServer, redb::InFile,
        redis::RedisServer,
    },
};
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestRunner};
use tokio::runtime::Runtime;
use tower::service_fn;

use self::{
    plan::{Caller, Op, Way, ops},
    reference::{ABSOLUTE, IDLE, LIMIT, Reference},
};
use crate::{ISSUER, watched::Watched};

const HOUR: Duration = Duration::from_hours(1);

macro_rules! held_against_the_reference {
    ($($name:ident: $place:ty, $cases:literal;)*) => {$(
        #[test]
        fn $name() {
            let regressions = concat!("stores/model/regressions/", stringify!($name), ".txt");
            hold::<$place>(regressions, $cases);
        }
    )*};
}

held_against_the_reference! {
    memory: InMemory, 100;
    redb: InFile, 20;
    redis: RedisServer, 30;
    postgres: PostgresServer, 10;
}

/// So many histories, one after the other at one place.
#[expect(
    clippy::print_stdout,
    reason = "whoever looks into a failure needs the seed"
)]
fn hold<P: Place>(regressions: &'static str, cases: u32) {
    let mut config = Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        max_shrink_iters: 300,
        ..Config::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(u64::from_be_bytes(entropy::bytes().unwrap()));
    }
    println!("{regressions}: {:?}", config.rng_seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let place = runtime.block_on(P::start_own());
    let number = AtomicU32::new(0);
    let outcome = TestRunner::new(config).run(&ops(), |ops| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        play(&runtime, &place, number, &ops).map_err(TestCaseError::fail)
    });
    if let Err(problem) = outcome {
        panic!("{problem}");
    }
}

fn play<P: Place>(runtime: &Runtime, place: &P, number: u32, ops: &[Op]) -> Result<(), String> {
    runtime.block_on(async {
        let mut history = History::begin(place, number).await;
        for (n, op) in ops.iter().enumerate() {
            let outcome = history.step(*op).await;
            outcome.map_err(|problem| {
                let now = history.now();
                format!(
                    "step {n} at {now}, {op:?}: {problem}; {:?}",
                    history.reference
                )
            })?;
        }
        history.end().await;
        Ok(())
    })
}

/// One history, of people who are in no other.
struct History<'p, P: Place> {
    place: &'p P,
    number: u32,
    servers: Option<Servers<<P::Stores as Stores>::Sessions>>,
    reference: Reference,
    is_set_back: bool,
}

struct Servers<S> {
    nodes: [Node; 2],
    stores: [Watched<S>; 2],
}

impl<'p, P: Place> History<'p, P> {
    async fn begin(place: &'p P, number: u32) -> Self {
        // Whoever authenticated before all that is no later than the start.
        place.clock().advance(2 * HOUR);
        Self {
            place,
            number,
            servers: Some(Self::start(place).await),
            reference: Reference::default(),
            is_set_back: false,
        }
    }

    async fn start(place: &P) -> Servers<<P::Stores as Stores>::Sessions> {
        let stores = [place.stores().await, place.stores().await];
        let watched = [&stores[0], &stores[1]].map(|stores| Watched::new(stores.sessions()));
        let node = |n: usize| {
            let stores: &P::Stores = &stores[n];
            let signals = place.signals(stores);
            let clock = place.clone();
            Node::with(
                clock,
                watched[n].clone(),
                stores.revocations(),
                signals,
                |session| {
                    session
                        .with_idle(Duration::from_millis(IDLE))
                        .with_absolute(Duration::from_millis(ABSOLUTE))
                        .with_limit(u32::try_from(LIMIT).unwrap())
                        .add_passive_route("/feed")
                },
            )
        };
        Servers {
            nodes: [node(0), node(1)],
            stores: watched,
        }
    }

    fn servers(&self) -> &Servers<<P::Stores as Stores>::Sessions> {
        self.servers.as_ref().unwrap()
    }

    async fn end(&mut self) {
        self.set_back(false);
        let Servers { nodes, stores } = self.servers.take().unwrap();
        for node in nodes {
            node.end().await;
        }
        drop(stores);
    }

    /// Milliseconds since the start of the clock, as if nobody had set it.
    fn now(&self) -> u64 {
        let set_back = if self.is_set_back {
            HOUR
        } else {
            Duration::ZERO
        };
        let since = (self.place.clock().now() + set_back).saturating_since(START);
        u64::try_from(since.as_millis()).unwrap()
    }

    fn set_back(&mut self, is_set_back: bool) {
        let clock = self.place.clock();
        match (self.is_set_back, is_set_back) {
            (false, true) => clock.step_wall_back(HOUR),
            (true, false) => clock.step_wall_forward(HOUR),
            _ => {}
        }
        self.is_set_back = is_set_back;
    }

    /// What somebody shows, and when he authenticated by it: in whole seconds of the clock.
    fn shown(&self, caller: Caller) -> (String, u64) {
        let at = self.now().saturating_add_signed(-caller.ago * 1000) / 1000;
        let (person, client) = (self.person(caller.person), self.client(caller.client));
        (format!("{person}.{client}.{at}"), at * 1000)
    }

    fn person(&self, person: u8) -> String {
        format!("person-{}-{person}", self.number)
    }

    fn client(&self, client: u8) -> String {
        format!("client-{}-{client}", self.number)
    }

    async fn step(&mut self, op: Op) -> Result<(), String> {
        match op {
            Op::Ask(node, caller, way) => return self.ask(node, caller, way).await,
            Op::Wait(millis) => self.place.clock().advance(Duration::from_millis(millis)),
            Op::EndAll(node, person) => {
                let handle = &self.servers().nodes[node].handle;
                let ended = handle.end_sessions(ISSUER, &self.person(person)).await;
                let now = self.now();
                let many = ended.map_err(|error| error.to_string())?;
                return self.reference.all_ended(person, now, many);
            }
            Op::RevokePerson(node, person) => {
                let revocation = Revocation::subject(ISSUER, self.person(person));
                self.revoke(node, revocation).await?;
                self.reference.person_revoked(person, self.now());
            }
            Op::RevokeClient(node, client) => {
                let revocation = Revocation::client(ISSUER, self.client(client));
                self.revoke(node, revocation).await?;
                self.reference.client_revoked(client, self.now());
            }
            Op::SetBack(is_set_back) => self.set_back(is_set_back),
            Op::Leap(node, caller) => return self.leap(node, caller).await,
            Op::Restart => {
                self.end().await;
                self.place.restart().await;
                if !P::LASTS {
                    self.reference.lost();
                }
                self.servers = Some(Self::start(self.place).await);
            }
        }
        Ok(())
    }

    async fn revoke(&self, node: usize, revocation: Revocation) -> Result<(), String> {
        let revoked = self.servers().nodes[node].handle.revoke(revocation).await;
        revoked.map_err(|error| error.to_string())
    }

    async fn ask(&mut self, node: usize, caller: Caller, way: Way) -> Result<(), String> {
        let (token, at) = self.shown(caller);
        let (who, now) = ((caller.person, caller.client), self.now());
        let expected = self.reference.answers(who, at, now);
        let (status, id) = self.asked(node, &token, way).await;
        if !expected.contains(&status) {
            return Err(format!("{status} instead of {expected:?}"));
        }
        let Some(id) = id else {
            self.reference.kept_out(who, now);
            return Ok(());
        };
        let is_activity = way != Way::Passive;
        let is_answered = way != Way::Dropped;
        self.reference
            .let_in(who, at, now, id, (is_activity, is_answered))?;
        if way == Way::Logout {
            self.reference.ended(who);
        }
        Ok(())
    }

    /// What was answered, and in which session the handler was called.
    async fn asked(&self, node: usize, token: &str, way: Way) -> (u16, Option<String>) {
        let Servers { nodes, stores } = self.servers();
        let called = Arc::new(std::sync::Mutex::new(None));
        let handler = service_fn({
            let called = Arc::clone(&called);
            move |request: http::Request<_>| {
                let session = Exchange::of(request.extensions()).unwrap().session();
                let session = session.unwrap().clone();
                *called.lock().unwrap() = Some(session.id().to_string());
                async move {
                    match way {
                        Way::Dropped => std::future::pending().await,
                        Way::Logout => session.end().await.unwrap(),
                        Way::Active | Way::Passive => {}
                    }
                    Ok::<_, Infallible>(Response::new("done".to_owned()))
                }
            }
        });
        let path = if way == Way::Passive {
            "/feed"
        } else {
            "/notes"
        };
        let answer = nodes[node].answer_at(path, token, handler);
        let mut answer = Box::pin(answer);
        // The client goes away when the handler works, or is answered otherwise.
        let answer = match way {
            Way::Dropped => {
                std::future::poll_fn(|cx| {
                    let polled = answer.as_mut().poll_unpin(cx);
                    match called.lock().unwrap().is_some() {
                        true => std::task::Poll::Ready(None),
                        false => polled.map(Some),
                    }
                })
                .await
            }
            _ => Some(answer.as_mut().await),
        };
        let status = match answer {
            Some(answer) => {
                let status = answer.status().as_u16();
                drop(answer.into_body().collect().await);
                status
            }
            None => 200,
        };
        stores[node].told().await;
        let id = called.lock().unwrap().take();
        (status, id)
    }

    /// Nobody is in by a clock that is ahead, and nobody is out by it for longer than it is.
    async fn leap(&mut self, node: usize, caller: Caller) -> Result<(), String> {
        let was_set_back = self.is_set_back;
        let (token, _) = self.shown(caller);
        self.set_back(false);
        self.place.clock().step_wall_forward(HOUR);
        let (status, id) = self.asked(node, &token, Way::Active).await;
        self.place.clock().step_wall_back(HOUR);
        // Somebody comes whose time is up by any clock, so that it is seen to be right again: one
        // that is seen ahead twice, and not in between, has been ahead since.
        let expired = format!("nobody.{}.0", self.client(0));
        assert_eq!(self.asked(node, &expired, Way::Active).await, (401, None));
        self.set_back(was_set_back);
        match (status, id) {
            (401, None) => Ok(()),
            other => Err(format!("{other:?} an hour later")),
        }
    }
}
