//! A hundred thousand sessions: all of them ended at once, and each ended after the other.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use portcullis::{
    Exchange,
    revocation::{MemoryRevocations, Revocation, RevocationStore},
    session::{
        Change, Commit, FamilyKey, MemorySessions, Revision, SessionId, SessionKey, SessionState,
        SessionStore,
    },
    signal::{MemorySignals, SignalBus},
};
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::{
    node::Node,
    patience::eventually,
    stores::{Place as _, START, kept::SECOND, redis::RedisServer},
};
use tower::service_fn;

use crate::{ISSUER, watched::Watched};

const MANY: usize = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sessions_of_one_end_at_once_in_memory_while_others_go_on() {
    // One has no more than a sixteenth of one of 64 parts for himself once they are over.
    let sessions = Arc::new(MemorySessions::with_capacity(200 * MANY * 16));
    let revocations = Arc::new(MemoryRevocations::with_capacity(1000));
    let clock = VirtualClock::new();
    all_of_one_end(clock, sessions, revocations, MemorySignals::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sessions_of_one_end_at_once_in_redis_while_others_go_on() {
    let place = RedisServer::start().await;
    let stores = place.stores().await;
    let signals = place.signals(&stores);
    let clock = place.clock().clone();
    all_of_one_end(clock, stores.sessions(), stores.revocations(), signals).await;
}

/// All are of one subject, by ever another client.
async fn all_of_one_end<S: SessionStore + Clone>(
    clock: VirtualClock,
    sessions: S,
    revocations: impl RevocationStore,
    signals: impl SignalBus,
) {
    let watched = Watched::new(sessions.clone());
    let node = Node::new(clock, watched.clone(), revocations, signals);
    let node = Arc::new(node);
    assert_eq!(node.ask("alice.app.0").await, 200);
    watched.told().await;
    let owner = watched.owner().unwrap();
    let mut known = sessions.load(owner).await.unwrap();
    let first = known.records.pop().unwrap();
    let mut revision = known.revision;
    for batch in 0..MANY / 5000 {
        // One is there already.
        let numbers = (batch * 5000..(batch + 1) * 5000).skip(usize::from(batch == 0));
        let put = numbers.map(|n| {
            let mut record = first.clone();
            let number = u128::try_from(n).unwrap() + 1;
            record.key = SessionKey::from_u128(number);
            record.family = FamilyKey::from_u128(number);
            record.id = SessionId::from_u128(number);
            Change::Put(record)
        });
        let done = sessions.commit(owner, revision, put.collect(), START).await;
        assert_eq!(done.unwrap(), Commit::Done, "{batch}");
        revision = Revision::from_u64(revision.as_u64() + 1);
    }
    assert_eq!(node.ask("alice.app.0").await, 200);
    let mut alice = node.stream("alice.app.0").await;
    let mut bob = node.stream("bob.app.0").await;

    let (is_over, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let others = tokio::spawn({
        let (node, is_over, answered) = (node.clone(), is_over.clone(), answered.clone());
        async move {
            let mut n = 0;
            while !is_over.load(Ordering::SeqCst) {
                n += 1;
                assert_eq!(node.ask("bob.app.0").await, 200);
                assert_eq!(node.ask(&format!("new-{n}.app.0")).await, 200);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    eventually("others", || answered.load(Ordering::SeqCst) > 10).await;
    let ended = node.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), MANY);
    let since = answered.load(Ordering::SeqCst);
    eventually("others", || answered.load(Ordering::SeqCst) > since + 10).await;
    is_over.store(true, Ordering::SeqCst);
    others.await.unwrap();

    assert_eq!(node.ask("alice.app.0").await, 401);
    eventually("the end of what runs", &mut alice).await;
    assert!(!bob());
    let left = sessions.load(owner).await.unwrap().records;
    let is_live = |state: &SessionState| !matches!(state, SessionState::Ended(..));
    let live = left.iter().filter(|record| is_live(&record.state));
    assert_eq!((left.len(), live.count()), (MANY, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_runs_ends_at_once_by_a_cut_off_in_memory_but_for_those_who_came_later() {
    let sessions = Arc::new(MemorySessions::with_capacity(100_000));
    let revocations = Arc::new(MemoryRevocations::with_capacity(1000));
    let clock = VirtualClock::new();
    let node = Node::new(clock.clone(), sessions, revocations, MemorySignals::new());
    all_that_runs_ends(&clock, node, 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_runs_ends_at_once_by_a_cut_off_in_redis_but_for_those_who_came_later() {
    let place = RedisServer::start().await;
    let node = place.node(&place.stores().await);
    all_that_runs_ends(place.clock(), node, 2000).await;
}

/// Each is another subject of one issuer.
async fn all_that_runs_ends(clock: &VirtualClock, node: Node, many: usize) {
    let mut streams = Vec::new();
    for n in 0..many {
        streams.push(node.stream(&format!("user-{n}.app.0")).await);
    }
    clock.advance(10 * SECOND);
    let mut later = Vec::new();
    for n in 0..100 {
        later.push(node.stream(&format!("later-{n}.app.10")).await);
    }
    let all = Revocation::issuer(ISSUER).with_cut_off(START + 5 * SECOND);
    node.handle.revoke(all).await.unwrap();
    eventually("the end of all", || {
        streams.retain_mut(|is_over| !is_over());
        streams.is_empty()
    })
    .await;
    assert!(later.iter_mut().all(|is_over| !is_over()));
    // Fewer than are refused in a row.
    for n in (0..many).step_by(many / 50) {
        assert_eq!(node.ask(&format!("user-{n}.app.0")).await, 401, "{n}");
    }
    assert_eq!(node.ask("later-7.app.10").await, 200);
    assert_eq!(node.ask("user-7.app.10").await, 200, "authenticated again");
}

/// Whoever comes to a server and goes again leaves nothing that grows.
#[test]
fn sessions_that_begin_and_end_leave_no_more_than_there_is_room_for() {
    const ROOM: usize = 640;
    const EACH: u64 = 10_000;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let sessions = Arc::new(MemorySessions::with_capacity(ROOM));
    let clock = VirtualClock::new();
    let node = Node::new(
        clock.clone(),
        Arc::clone(&sessions),
        Arc::new(MemoryRevocations::with_capacity(100)),
        MemorySignals::new(),
    );
    let mut second = 0;
    let mut come_and_go = || {
        let before = second;
        let grown = allocation_counter::measure(|| {
            runtime.block_on(async {
                while second < before + EACH {
                    second += 1;
                    clock.advance(SECOND);
                    let handler = service_fn(async |request: Request<_>| {
                        let session = Exchange::of(request.extensions()).unwrap().session();
                        session.unwrap().end().await.unwrap();
                        Ok::<_, Infallible>(Response::new(String::new()))
                    });
                    // Of a thousand people, each by a new client.
                    let token = format!("user-{}.client-{second}.{second}", second % 1000);
                    let status = node.answer(&token, handler).await.status();
                    assert!(matches!(status.as_u16(), 200 | 401), "{status}");
                    node.forget_records();
                }
                clock.advance(Duration::from_mins(1));
                portcullis_tests::patience::settle().await;
            });
        });
        grown.bytes_current
    };
    // Whatever has to be there once is there.
    come_and_go();
    come_and_go();
    let grown: Vec<_> = (0..8).map(|_| come_and_go()).collect();
    assert!(sessions.len() <= ROOM, "{}", sessions.len());
    let all: i64 = grown.iter().sum();
    assert!(all < 100_000, "{grown:?}");
}
