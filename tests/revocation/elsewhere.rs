//! What is ended on one of two servers ends on the other at once.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Response;
use http_body_util::Full;
use portcullis::{
    Secret,
    revocation::{MemoryRevocations, Revocation},
    session::{MemorySessions, SessionBuilder, SessionLayer},
    signal::MemorySignals,
};
use portcullis_testing::{
    faulty_signals::FaultySignals,
    faulty_store::{FaultyRevocations, FaultyStore},
};
use portcullis_tests::patience::settle;
use tower::{Layer as _, ServiceExt as _};

use crate::{
    sessions::{Streaming, is_over, streaming},
    world::{ISSUER, World, request},
};

type Sessions = FaultyStore<Arc<MemorySessions>>;
type Revocations = FaultyRevocations<Arc<MemoryRevocations>>;

/// Two servers over stores that have to be asked, and a bus between them.
struct Two {
    here: World,
    there: World,
    /// As `there` has them.
    sessions: Sessions,
    revocations: Revocations,
    signals: FaultySignals<MemorySignals>,
}

impl Two {
    fn new() -> Self {
        Self::with(|session| session)
    }

    fn with(settings: impl Fn(SessionBuilder) -> SessionBuilder) -> Self {
        let sessions = Arc::new(MemorySessions::default());
        let revocations = Arc::new(MemoryRevocations::with_capacity(1000));
        let bus = MemorySignals::new();
        let server = || {
            let sessions = FaultyStore::new(Arc::clone(&sessions));
            let revocations = FaultyRevocations::new(Arc::clone(&revocations));
            let signals = FaultySignals::new(bus.clone());
            let session = SessionLayer::builder()
                .with_store(sessions.clone())
                .with_key(Secret::new([7; 16]));
            let world = World::with(|stack| {
                stack
                    .with_session(settings(session))
                    .with_revocations(revocations.clone())
                    .with_revocation_key(Secret::new([8; 16]))
                    .with_signals(signals.clone())
            });
            (world, sessions, revocations, signals)
        };
        let (here, ..) = server();
        let (there, sessions, revocations, signals) = server();
        Self {
            here,
            there,
            sessions,
            revocations,
            signals,
        }
    }

    /// Lets time go by for both, in steps in which everybody gets on.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.here.advance(1);
            self.there.advance(1);
            settle().await;
        }
    }

    /// Whether the stores fail as the other server has them.
    fn set_failing(&self, is_failing: bool) {
        self.sessions.set_failing(is_failing);
        self.revocations.set_failing(is_failing);
    }
}

async fn are_over(bodies: &mut [Streaming]) -> Vec<bool> {
    settle().await;
    bodies.iter_mut().map(is_over).collect()
}

#[tokio::test]
async fn what_is_revoked_on_one_server_ends_on_the_other_without_time_going_by() {
    for revocation in [
        Revocation::subject(ISSUER, "alice"),
        Revocation::grant(ISSUER, "alice", "app"),
        Revocation::session(ISSUER, "sid-alice"),
        Revocation::token(ISSUER, "id-alice.0"),
    ] {
        let two = Two::new();
        let mut bodies = [
            streaming(&two.there, "alice.0").await,
            streaming(&two.there, "carol.0").await,
        ];
        two.here.revoke(revocation.clone()).await;
        assert_eq!(are_over(&mut bodies).await, [true, false], "{revocation:?}");
        assert_eq!(two.there.ask("alice.0").await.0, 401);
        assert_eq!(two.there.ask("carol.0").await.0, 200);
    }
    let two = Two::new();
    let mut bodies = [
        streaming(&two.there, "alice.0").await,
        streaming(&two.there, "robot.0").await,
    ];
    two.here.revoke(Revocation::client(ISSUER, "app")).await;
    assert_eq!(are_over(&mut bodies).await, [true, false]);
    two.here
        .revoke(Revocation::credential("keys", "id-0"))
        .await;
    assert_eq!(are_over(&mut bodies).await[1..], [true]);
}

#[tokio::test]
async fn sessions_that_are_ended_on_one_server_end_on_the_other() {
    let two = Two::new();
    let mut bodies = [
        streaming(&two.there, "alice.0").await,
        streaming(&two.there, "carol.0").await,
    ];
    assert_eq!(
        two.here.handle.end_sessions(ISSUER, "alice").await.unwrap(),
        1
    );
    assert_eq!(are_over(&mut bodies).await, [true, false]);
    let logout = tower::service_fn(async |request: http::Request<_>| {
        let exchange = portcullis::Exchange::of(request.extensions()).unwrap();
        exchange.session().unwrap().end().await.unwrap();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let answered = two.here.ask_with(request("carol.0"), logout).await;
    assert_eq!(answered.0, 200);
    assert_eq!(are_over(&mut bodies).await[1..], [true]);
}

/// The store is asked once for a key, however many there are who have it.
#[tokio::test]
async fn many_that_are_meant_cost_one_question() {
    let two = Two::new();
    let mut bodies = Vec::new();
    for _ in 0..100 {
        bodies.push(streaming(&two.there, "alice.0").await);
    }
    let before = two.revocations.asked();
    two.here
        .revoke(Revocation::token(ISSUER, "id-alice.0"))
        .await;
    assert_eq!(are_over(&mut bodies).await, [true; 100]);
    assert_eq!(two.revocations.asked() - before, 1);
}

/// Signals say where to look. What is there decides.
#[tokio::test]
async fn a_signal_that_is_late_or_made_up_ends_nobody() {
    let two = Two::new();
    two.pass(10).await;
    let mut later = [streaming(&two.there, "alice.10").await];
    let cut_off = crate::world::START + Duration::from_secs(5);
    let of_yesterday = Revocation::subject(ISSUER, "alice").with_cut_off(cut_off);
    two.here.revoke(of_yesterday).await;
    assert_eq!(are_over(&mut later).await, [false]);
    // A gap has everything looked at.
    let before = (two.sessions.asked(), two.revocations.asked());
    two.signals.set_failing(true);
    two.pass(1).await;
    two.signals.set_failing(false);
    two.pass(1).await;
    assert_eq!(are_over(&mut later).await, [false]);
    let after = (two.sessions.asked(), two.revocations.asked());
    assert!(after.0 > before.0 && after.1 > before.1, "it was looked");
}

#[tokio::test]
async fn while_the_bus_is_down_the_store_is_asked_every_fifteen_seconds() {
    let two = Two::new();
    let mut bodies = [streaming(&two.there, "alice.0").await];
    two.pass(2).await;
    two.signals.set_failing(true);
    two.here.revoke(Revocation::subject(ISSUER, "alice")).await;
    two.pass(10).await;
    assert_eq!(are_over(&mut bodies).await, [false], "nobody has looked");
    two.pass(6).await;
    assert_eq!(are_over(&mut bodies).await, [true]);
}

#[tokio::test]
async fn what_was_missed_is_looked_for_when_the_bus_is_back() {
    let two = Two::new();
    let mut bodies = [streaming(&two.there, "alice.0").await];
    two.pass(2).await;
    two.signals.set_failing(true);
    two.here.revoke(Revocation::subject(ISSUER, "alice")).await;
    two.pass(2).await;
    assert_eq!(are_over(&mut bodies).await, [false]);
    two.signals.set_failing(false);
    two.pass(1).await;
    assert_eq!(are_over(&mut bodies).await, [true]);
}

#[tokio::test]
async fn what_nobody_can_confirm_is_cut_in_time_and_the_session_goes_on() {
    let bound = Duration::from_secs(5);
    let two = Two::with(|session| session.with_max_unconfirmed(bound));
    let mut bodies = [streaming(&two.there, "alice.0").await];
    let never =
        tower::service_fn(|_| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let mut pending = Box::pin(two.there.gate.layer(never).oneshot(request("alice.0")));
    assert!((&mut pending).now_or_never().is_none());
    two.pass(20).await;
    assert!((&mut pending).now_or_never().is_none(), "all is well");

    // The stores are silent, and the bus says that nothing has happened.
    two.set_failing(true);
    two.pass(20).await;
    assert_eq!(are_over(&mut bodies).await, [false]);
    // The bus is silent, and the stores say so.
    two.signals.set_failing(true);
    two.set_failing(false);
    two.pass(20).await;
    assert_eq!(are_over(&mut bodies).await, [false]);
    assert!((&mut pending).now_or_never().is_none());

    // Nobody says anything.
    two.set_failing(true);
    two.pass(4).await;
    assert_eq!(are_over(&mut bodies).await, [false]);
    drop(two.there.audit.take());
    two.pass(3).await;
    assert_eq!(are_over(&mut bodies).await, [true]);
    let answer = (&mut pending).now_or_never().unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let records = two.there.audit.take();
    let ends = records.iter().map(|record| record.reason.as_str());
    assert!(
        ends.clone().any(|reason| reason == "session_unconfirmed"),
        "{records:?}"
    );
    assert_eq!(two.there.ask("alice.0").await.0, 503, "nobody can say");

    two.set_failing(false);
    two.signals.set_failing(false);
    assert_eq!(two.there.ask("alice.0").await.0, 200);
    let mut bodies = [streaming(&two.there, "alice.0").await];
    two.pass(20).await;
    assert_eq!(are_over(&mut bodies).await, [false]);
}

/// A bus that has told of something says nothing in favour of it, however well it works.
#[tokio::test]
async fn what_a_signal_has_told_of_is_cut_in_time_where_the_store_cannot_say() {
    let bound = Duration::from_secs(5);
    for revocation in [
        Revocation::subject(ISSUER, "alice"),
        Revocation::token(ISSUER, "id-alice.0"),
    ] {
        let two = Two::with(|session| session.with_max_unconfirmed(bound));
        let mut bodies = [
            streaming(&two.there, "alice.0").await,
            streaming(&two.there, "carol.0").await,
        ];
        two.pass(3).await;
        two.set_failing(true);
        two.here.revoke(revocation.clone()).await;
        two.pass(8).await;
        assert_eq!(are_over(&mut bodies).await, [true, false], "{revocation:?}");
    }
    // After a gap nobody knows of whom it was.
    let two = Two::with(|session| session.with_max_unconfirmed(bound));
    let mut bodies = [streaming(&two.there, "carol.0").await];
    two.pass(3).await;
    two.set_failing(true);
    two.signals.set_failing(true);
    two.pass(1).await;
    two.signals.set_failing(false);
    two.pass(9).await;
    assert_eq!(are_over(&mut bodies).await, [true]);
}

#[tokio::test]
async fn by_default_what_nobody_can_confirm_goes_on() {
    let two = Two::new();
    let mut bodies = [streaming(&two.there, "alice.0").await];
    two.set_failing(true);
    two.signals.set_failing(true);
    two.pass(60).await;
    assert_eq!(are_over(&mut bodies).await, [false]);
}

#[test]
fn a_bound_that_nobody_can_keep_is_an_error() {
    let session = SessionLayer::builder().with_max_unconfirmed(Duration::from_millis(1999));
    let error = session.build().unwrap_err().to_string();
    assert!(error.contains("with_max_unconfirmed"), "{error}");
    let session = SessionLayer::builder().with_max_unconfirmed(Duration::from_secs(2));
    assert!(session.build().is_ok());
}
