//! A server that fails while many are at work: nobody is let in by it who is out, nothing is left
//! half made, whoever waits is answered in time, and the first question afterwards is answered.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use portcullis::Clock as _;
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::{
    node::Node,
    patience::{eventually, pause},
    stores::{Served, front::Front, kept::SECOND},
};

use crate::ISSUER;

at_servers! {
    a_server_that_is_killed_under_load_lets_nobody_in_and_goes_on_as_it_was
    a_server_that_stands_still_under_load_keeps_nobody_waiting_for_long
    a_server_that_one_node_cannot_reach_under_load_is_there_for_the_other
    a_server_that_comes_back_empty_under_load_lets_nobody_in_by_it
}

/// So many are at work at the same time.
const WORKERS: usize = 16;
/// So many refusals are a fault that was noticed.
const NOTICED: usize = 40;
/// A question is given up after half a second, and a request asks no more than three times in turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// What goes on at two nodes, and what has come of it.
struct Load {
    nodes: [Node; 2],
    clock: VirtualClock,
    is_over: AtomicBool,
    /// The server has lost all that there was.
    is_lost: AtomicBool,
    /// By node.
    let_in: [AtomicUsize; 2],
    /// By node.
    refused: [AtomicUsize; 2],
    /// In milliseconds of the clock.
    slowest: AtomicU64,
    /// Who has logged in meanwhile.
    new: Mutex<BTreeSet<String>>,
    /// How many sessions were opened for the one who comes by ever more clients.
    of_many: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Load {
    /// Those who were in and those who were out are so from the beginning.
    async fn on(clock: &VirtualClock, nodes: [Node; 2]) -> Arc<Self> {
        for n in 0..WORKERS {
            for token in [known(n), ended(n)] {
                assert_eq!(nodes[n % 2].ask(&token).await, 200);
                assert_eq!(nodes[(n + 1) % 2].ask(&token).await, 200);
            }
            let name = format!("ended-{n}");
            let done = nodes[n % 2].handle.end_sessions(ISSUER, &name);
            assert_eq!(done.await.unwrap(), 1);
        }
        Arc::new(Self {
            nodes,
            clock: clock.clone(),
            is_over: AtomicBool::default(),
            is_lost: AtomicBool::default(),
            let_in: Default::default(),
            refused: Default::default(),
            slowest: AtomicU64::default(),
            new: Mutex::default(),
            of_many: AtomicUsize::default(),
            wrong: Mutex::default(),
        })
    }

    /// Has all of them work while something happens.
    async fn during(self: &Arc<Self>, happening: impl AsyncFnOnce()) {
        let workers: Vec<_> = (0..WORKERS)
            .map(|n| tokio::spawn(Arc::clone(self).work(n)))
            .collect();
        self.more_of(&self.let_in, [NOTICED; 2]).await;
        happening().await;
        self.is_over.store(true, Ordering::SeqCst);
        for worker in join_all(workers).await {
            worker.unwrap();
        }
        assert_eq!(*self.wrong.lock().unwrap(), <[String; 0]>::default());
    }

    /// Waits until so many more requests have ended so at the nodes.
    async fn more_of(&self, counts: &[AtomicUsize; 2], many: [usize; 2]) {
        let now = || [0, 1].map(|node| counts[node].load(Ordering::SeqCst));
        let before = now();
        eventually("the work of many", || {
            let now = now();
            (0..2).all(|node| now[node] >= before[node] + many[node])
        })
        .await;
    }

    async fn work(self: Arc<Self>, worker: usize) {
        let mut round = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            round += 1;
            let node = (worker + round) % 2;
            match round % 4 {
                0 => drop(self.ask(node, &known(worker), 200).await),
                1 => drop(self.ask(node, &ended(worker), 401).await),
                2 => {
                    let name = format!("new-{worker}-{round}");
                    if self.ask(node, &format!("{name}.app.0"), 200).await == 200 {
                        self.new.lock().unwrap().insert(name);
                    }
                }
                _ => {
                    let token = format!("many.client-{worker}-{round}.0");
                    let status = self.ask(node, &token, 429).await;
                    let is_in = usize::from(status == 200);
                    self.of_many.fetch_add(is_in, Ordering::SeqCst);
                }
            }
        }
    }

    /// Asks, and notes what is neither so, nor 503, nor what follows from a loss.
    async fn ask(&self, node: usize, token: &str, expected: u16) -> u16 {
        let may_be_in = !self.is_lost.load(Ordering::SeqCst);
        let since = self.clock.instant();
        let status = self.nodes[node].ask(token).await;
        let took = self.clock.instant().saturating_duration_since(since);
        let took = u64::try_from(took.as_millis()).unwrap();
        self.slowest.fetch_max(took, Ordering::SeqCst);
        let is_lost = self.is_lost.load(Ordering::SeqCst);
        let is_right = match status {
            503 => true,
            401 => expected == 401 || is_lost,
            // Of whoever has few sessions, some are let in.
            200 => may_be_in && expected != 401,
            other => may_be_in && other == expected,
        };
        if !is_right {
            let problem = format!("{token} at {node}: {status} instead of {expected}");
            self.wrong.lock().unwrap().push(problem);
        }
        let count = if status == 503 {
            &self.refused
        } else {
            &self.let_in
        };
        count[node].fetch_add(1, Ordering::SeqCst);
        if status == 503 {
            pause().await;
        }
        status
    }

    /// The first question of each node is answered.
    async fn is_healed(&self) {
        for node in &self.nodes {
            assert_eq!(node.ask(&known(0)).await, 200);
        }
    }

    /// Whoever was let in has one session, whoever was not has one or none, and nobody has more than
    /// he may.
    async fn left_nothing_half_made(&self) {
        let [one, other] = &self.nodes;
        let new = self.new.lock().unwrap().clone();
        assert!(new.len() > NOTICED / 2, "{}", new.len());
        for name in new.iter().take(50) {
            let token = format!("{name}.app.0");
            assert_eq!(other.ask(&token).await, 200, "{name}");
            let done = one.handle.end_sessions(ISSUER, name).await;
            assert_eq!(done.unwrap(), 1, "{name}");
            assert_eq!(other.ask(&token).await, 401, "{name}");
        }
        assert!(self.of_many.load(Ordering::SeqCst) <= 3);
        let of_many = one.handle.end_sessions(ISSUER, "many").await.unwrap();
        assert!(of_many <= 3, "{of_many}");
        for n in 0..WORKERS {
            assert_eq!(one.ask(&ended(n)).await, 401);
        }
    }
}

fn known(n: usize) -> String {
    format!("known-{n}.app.0")
}

fn ended(n: usize) -> String {
    format!("ended-{n}.app.0")
}

async fn a_server_that_is_killed_under_load_lets_nobody_in_and_goes_on_as_it_was<P: Served>() {
    let place = P::start_own().await;
    let load = Load::on(place.clock(), place.two_nodes().await).await;
    load.during(async || {
        for _ in 0..2 {
            place.kill();
            load.more_of(&load.refused, [NOTICED; 2]).await;
            place.go_on().await;
            load.is_healed().await;
            load.more_of(&load.let_in, [NOTICED; 2]).await;
        }
    })
    .await;
    load.left_nothing_half_made().await;
}

async fn a_server_that_stands_still_under_load_keeps_nobody_waiting_for_long<P: Served>() {
    let place = P::start_own().await;
    let load = Load::on(place.clock(), place.two_nodes().await).await;
    load.during(async || {
        let refused = || {
            load.refused
                .iter()
                .map(|count| count.load(Ordering::SeqCst))
        };
        for round in 1..3 {
            place.set_still(true);
            eventually("refusals at both", || {
                place.clock().advance(Duration::from_millis(100));
                refused().all(|count| count >= round * NOTICED)
            })
            .await;
            place.set_still(false);
            load.is_healed().await;
            load.more_of(&load.let_in, [NOTICED; 2]).await;
        }
    })
    .await;
    load.left_nothing_half_made().await;
    let slowest = Duration::from_millis(load.slowest.load(Ordering::SeqCst));
    assert!(slowest <= PATIENCE, "{slowest:?}");
}

async fn a_server_that_one_node_cannot_reach_under_load_is_there_for_the_other<P: Served>() {
    let place = P::start_own().await;
    let front = Front::new(&place).await;
    let (near, far) = (place.stores().await, place.stores_by(&front).await);
    let load = Load::on(place.clock(), [place.node(&near), place.node(&far)]).await;
    load.during(async || {
        for _ in 0..2 {
            front.cut_after(0);
            load.more_of(&load.refused, [0, NOTICED]).await;
            load.more_of(&load.let_in, [NOTICED, 0]).await;
            front.heal();
            // What was being connected meanwhile may still be cut.
            load.more_of(&load.let_in, [NOTICED; 2]).await;
            load.is_healed().await;
        }
    })
    .await;
    let of_the_near = load.refused[0].load(Ordering::SeqCst);
    assert_eq!(of_the_near, 0, "who can reach it is refused nothing");
    load.left_nothing_half_made().await;
}

/// Whoever authenticates after the loss was noticed is in; an issuer's clock may be ahead by a minute.
async fn a_server_that_comes_back_empty_under_load_lets_nobody_in_by_it<P: Served>() {
    let place = P::start_own().await;
    let load = Load::on(place.clock(), place.two_nodes().await).await;
    load.during(async || {
        place.kill();
        load.more_of(&load.refused, [NOTICED; 2]).await;
        place.wipe();
        load.is_lost.store(true, Ordering::SeqCst);
        place.go_on().await;
        load.more_of(&load.let_in, [NOTICED; 2]).await;
    })
    .await;
    for node in &load.nodes {
        assert_eq!(node.ask(&known(0)).await, 401);
        assert_eq!(node.ask(&ended(0)).await, 401);
    }
    place.clock().advance(122 * SECOND);
    for node in &load.nodes {
        assert_eq!(node.ask("known-0.app.121").await, 200);
        assert_eq!(node.ask(&known(0)).await, 401);
    }
}
