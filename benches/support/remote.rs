//! Stores that have to be asked, in a Redis of their own, and what is kept of their answers.

mod round_trips;
mod way;

use std::{
    convert::Infallible,
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
};

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use portcullis::{
    Gate, Secret, Stack, SystemClock,
    redis::{Redis, RedisRevocations, RedisSessions},
    session::{OwnerKey, SessionLayer, SessionStore as _},
    stack::{Complete, StackBuilder},
};
use portcullis_testing::{
    counterpart::RunningCounterpart, far_store::FarStore, identity_provider::SigningAlgorithm,
};
use portcullis_tests::servers;
use tokio::runtime::{EnterGuard, Runtime};
use tower::{Service, ServiceExt as _};

use self::way::Way;
use crate::{
    RESOURCE, Variant,
    credentials::{Cache, Tokens},
    requests::request_from_peer,
    services::{finished, router},
    threads::twice_at_once,
};

/// How many requests each thread sends.
const EACH: usize = 100_000;

/// Redis, and gates over stores in it.
#[derive(Debug)]
pub struct Remote {
    runtime: &'static Runtime,
    tokens: Tokens,
    redis: Redis,
    server: RunningCounterpart,
}

/// A gate over stores that are counted.
struct Far {
    gate: Gate,
    sessions: FarStore<RedisSessions>,
    revocations: FarStore<RedisRevocations>,
}

impl Far {
    fn asked(&self) -> u64 {
        self.sessions.asked() + self.revocations.asked()
    }
}

impl Remote {
    /// Starts a server, and connects to it.
    ///
    /// # Panics
    ///
    /// There is no `redis-server`, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("there are threads");
        // What is measured goes on using it until the program ends.
        let runtime: &'static Runtime = Box::leak(Box::new(runtime));
        let server = runtime.block_on(servers::redis().start());
        let url = format!("unix://{}/redis.sock", server.home().display());
        let redis = Redis::builder(&url).connect();
        let redis = runtime.block_on(redis).expect("redis answers");
        Self {
            runtime,
            tokens: Tokens::new(),
            redis,
            server,
        }
    }

    /// What is done from here on is done as in the runtime: tasks are begun there.
    pub fn enter(&self) -> EnterGuard<'static> {
        self.runtime.enter()
    }

    /// What one request asks the stores: whose answers are known, are not, and are not kept at all.
    #[must_use]
    pub fn questions(&self) -> [(&'static str, u64); 3] {
        let kept = self.far(|stack| stack.with_cache(1000));
        let mut service = kept.gate.guard(router());
        let credential = self.credential();
        let asked = |far: &Far, service: &mut _| {
            let before = far.asked();
            self.send(service, request_from_peer(&credential));
            far.asked() - before
        };
        // Somebody's first request opens a session, and has the bus caught up.
        while asked(&kept, &mut service) > 0 {}
        let other = self.far(|stack| stack.with_cache(1000));
        let miss = asked(&other, &mut other.gate.guard(router()));
        let off = self.far(|stack| stack);
        let off = asked(&off, &mut off.gate.guard(router()));
        let hit = asked(&kept, &mut service);
        [
            ("remote.hit", hit),
            ("remote.miss", miss),
            ("remote.without_cache", off),
        ]
    }

    /// One request with stores in memory, with stores in Redis whose answers are known, and with such
    /// as are asked; and a question by itself.
    #[must_use]
    pub fn variants(&self) -> Vec<Variant> {
        let sessions = self.redis.sessions();
        let runtime = self.runtime;
        vec![
            self.sending("remote.memory", &self.in_memory()),
            self.sending("remote.hit", &self.far(|stack| stack.with_cache(1000)).gate),
            self.sending("remote.miss", &self.far(|stack| stack).gate),
            Variant::new("remote.round_trip", move || {
                let loaded = runtime.block_on(sessions.load(OwnerKey::from_u128(1)));
                assert!(black_box(loaded).is_ok(), "redis answers");
            }),
        ]
    }

    /// How much more two threads do than one, with stores in memory, or in Redis with all answers known.
    #[must_use]
    pub fn two_threads_over_one(&self, is_kept: bool) -> f64 {
        let gate = match is_kept {
            true => self.far(|stack| stack.with_cache(1000)).gate,
            false => self.in_memory(),
        };
        let service = finished(router().layer(gate));
        let credential = self.credential();
        twice_at_once(|_| {
            let _entered = self.enter();
            let mut service = service.clone();
            for _ in 0..EACH {
                self.send(&mut service, request_from_peer(&credential));
            }
        })
    }

    fn sending(&self, name: &str, gate: &Gate) -> Variant {
        let mut service = gate.guard(router());
        let credential = self.credential();
        let runtime = self.runtime;
        Variant::new(name, move || {
            send(runtime, &mut service, request_from_peer(&credential));
        })
    }

    fn credential(&self) -> HeaderValue {
        self.tokens.same(SigningAlgorithm::Es256).advance().clone()
    }

    fn send<S, B>(&self, service: &mut S, request: Request<Body>)
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        send(self.runtime, service, request);
    }

    fn stack(&self) -> StackBuilder<Complete> {
        Stack::builder()
            .with_resource(RESOURCE)
            .add_authenticator(self.tokens.authenticator(Cache::Default))
    }

    fn in_memory(&self) -> Gate {
        let stack = self.stack().with_session(SessionLayer::builder());
        stack.build().expect("the settings work").0
    }

    fn far(&self, settings: impl Fn(StackBuilder<Complete>) -> StackBuilder<Complete>) -> Far {
        let far = std::time::Duration::ZERO;
        let sessions = FarStore::new(self.redis.sessions(), SystemClock::new(), far);
        let revocations = FarStore::new(self.redis.revocations(), SystemClock::new(), far);
        let session = SessionLayer::builder()
            .with_store(sessions.clone())
            .with_key(Secret::new([7; 16]));
        let stack = self
            .stack()
            .with_session(session)
            .with_revocations(revocations.clone())
            .with_revocation_key(Secret::new([8; 16]))
            .with_signals(self.redis.signals());
        let (gate, _) = settings(stack).build().expect("the settings work");
        Far {
            gate,
            sessions,
            revocations,
        }
    }
}

/// Sends one request and reads the response to its end. Whatever has to wait is waited for.
fn send<S, B>(runtime: &Runtime, service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let answered = async {
        let Ok(service) = service.ready().await;
        let Ok(response) = service.call(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = pin!(response.into_body());
        while let Some(frame) = body.frame().await {
            drop(black_box(frame.expect("the body is whole")));
        }
    };
    let mut answered = pin!(answered);
    let at_once = answered
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    if at_once.is_pending() {
        runtime.block_on(answered);
    }
}
