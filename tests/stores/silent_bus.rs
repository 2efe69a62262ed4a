//! A bus that says nothing any more while each side takes the other to be there: what was ended
//! elsewhere is over within the time that is stated, and it heals.
//!
//! The nodes have a clock of their own: to their stores, and to the bus, no time goes by. So whatever
//! is asked of a server that answers is answered, and what is asked of one that does not stays open.

use std::time::Duration;

use portcullis::{
    revocation::Revocation,
    session::SessionBuilder,
    stack::{Complete, StackBuilder},
};
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::{
    node::Node,
    patience::{eventually, until},
    stores::{Served, Stores as _, front::Front, kept::SECOND},
};

use crate::ISSUER;

at_servers! {
    what_was_ended_elsewhere_ends_within_sixteen_seconds_of_a_silent_bus
    what_was_ended_elsewhere_ends_within_the_bound_of_a_silent_bus
    a_bus_that_was_silent_is_heard_again
    what_is_kept_lets_in_for_two_seconds_of_a_silent_bus
    what_nobody_can_confirm_because_all_is_silent_is_cut_where_that_is_asked_for
}

/// How often a node looks.
const TICK: Duration = SECOND;

/// Two nodes. The other one hears the bus over a way that can fall silent.
struct Two<P> {
    place: P,
    clock: VirtualClock,
    front: Front,
    here: Node,
    there: Node,
}

impl<P: Served> Two<P> {
    async fn with(
        is_all_by_front: bool,
        session: impl Fn(SessionBuilder) -> SessionBuilder,
        settings: impl Fn(StackBuilder<Complete>) -> StackBuilder<Complete>,
    ) -> Self {
        let place = P::start().await;
        let front = Front::new(&place).await;
        let clock = VirtualClock::new();
        let (near, by_front) = (place.stores().await, place.stores_by(&front).await);
        let far = match is_all_by_front {
            true => by_front.clone(),
            false => place.stores().await,
        };
        let here = place.node_by(clock.clone(), &near);
        let there = Node::build(
            clock.clone(),
            far.sessions(),
            far.revocations(),
            place.signals(&by_front),
            session,
            settings,
        );
        Self {
            place,
            clock,
            front,
            here,
            there,
        }
    }

    async fn new(session: impl Fn(SessionBuilder) -> SessionBuilder) -> Self {
        Self::with(false, session, |stack| stack).await
    }

    /// The end of somebody is heard there, without time going by.
    async fn is_heard(&self, name: &str) {
        let mut stream = self.there.stream(&format!("{name}.app.0")).await;
        // The bus is joined when something runs.
        for _ in 0..3 {
            self.tick().await;
            self.there.ask(&format!("{name}.app.0")).await;
        }
        self.end(name).await;
        eventually("what the bus tells", &mut stream).await;
    }

    async fn end(&self, name: &str) {
        let ended = self.here.handle.end_sessions(ISSUER, name).await;
        assert_eq!(ended.unwrap(), 1, "{name}");
    }

    /// A tick goes by while something runs, and whoever looks after that has looked.
    async fn tick(&self) {
        self.clock.advance(TICK);
        eventually("a look", || self.clock.pending_timers() > 0).await;
    }

    /// So many ticks go by, in each of which the node can get on.
    async fn pass(&self, ticks: u32) {
        for _ in 0..ticks {
            self.tick().await;
            // It asks, and is answered, of somebody who has nothing to do with it.
            assert_eq!(self.there.ask("carol.app.0").await, 200);
        }
    }
}

async fn what_was_ended_elsewhere_ends_within_sixteen_seconds_of_a_silent_bus<P: Served>() {
    let two = Two::<P>::new(|session| session).await;
    two.is_heard("somebody").await;
    let mut alice = two.there.stream("alice.app.0").await;
    let mut dave = two.there.stream("dave.app.0").await;
    let mut bob = two.there.stream("bob.app.0").await;
    two.front.set_swallowing(true);
    two.end("alice").await;
    let dave_is_out = two.here.handle.revoke(Revocation::subject(ISSUER, "dave"));
    dave_is_out.await.unwrap();
    assert_eq!(
        two.there.ask("alice.app.0").await,
        401,
        "who comes anew asks the store"
    );
    assert_eq!(two.there.ask("dave.app.0").await, 401);
    two.pass(16).await;
    eventually("the end of alice", &mut alice).await;
    eventually("the end of dave", &mut dave).await;
    assert!(!bob());
}

async fn what_was_ended_elsewhere_ends_within_the_bound_of_a_silent_bus<P: Served>() {
    let two = Two::<P>::new(|session| session.with_max_unconfirmed(3 * SECOND)).await;
    two.is_heard("somebody").await;
    let mut alice = two.there.stream("alice.app.0").await;
    let mut bob = two.there.stream("bob.app.0").await;
    two.front.set_swallowing(true);
    two.end("alice").await;
    two.pass(4).await;
    eventually("the end of alice", &mut alice).await;
    assert!(!bob());
}

/// What is asked of a bus that does not answer is given up, and asked again.
async fn a_bus_that_was_silent_is_heard_again<P: Served>() {
    let two = Two::<P>::new(|session| session).await;
    two.is_heard("somebody").await;
    let mut alice = two.there.stream("alice.app.0").await;
    let mut bob = two.there.stream("bob.app.0").await;
    two.front.set_swallowing(true);
    two.end("alice").await;
    // It notices, and tries again in vain.
    for _ in 0..3 {
        two.pass(1).await;
        two.place.clock().advance(Duration::from_millis(500));
    }
    two.front.set_swallowing(false);
    // At one of the next ticks it asks, and knows that it may have missed something.
    two.pass(3).await;
    eventually("the end of alice", &mut alice).await;
    assert!(!bob());
    two.is_heard("somebody-else").await;
}

async fn what_is_kept_lets_in_for_two_seconds_of_a_silent_bus<P: Served>() {
    let two = Two::<P>::with(false, |session| session, |stack| stack.with_cache(1000)).await;
    let _runs = two.there.stream("bob.app.0").await;
    for _ in 0..4 {
        assert_eq!(two.there.ask("alice.app.0").await, 200);
        two.pass(1).await;
    }
    two.front.set_swallowing(true);
    two.end("alice").await;
    two.clock.advance(2 * SECOND + Duration::from_millis(1));
    assert_eq!(two.there.ask("alice.app.0").await, 401);
    assert_eq!(two.there.ask("carol.app.0").await, 200);
    two.front.set_swallowing(false);
    two.pass(2).await;
    assert_eq!(two.there.ask("alice.app.0").await, 401);
    assert_eq!(
        two.there.ask("alice.app.1").await,
        200,
        "authenticated again"
    );
}

/// By default what runs goes on.
async fn what_nobody_can_confirm_because_all_is_silent_is_cut_where_that_is_asked_for<P: Served>() {
    for is_strict in [true, false] {
        let strict = |session: SessionBuilder| match is_strict {
            true => session.with_max_unconfirmed(3 * SECOND),
            false => session,
        };
        let two = Two::<P>::with(true, strict, |stack| stack).await;
        two.is_heard("somebody").await;
        let mut alice = two.there.stream("alice.app.0").await;
        two.front.set_swallowing(true);
        for _ in 0..5 {
            two.clock.advance(TICK);
            // Nobody looks any more once nothing runs.
            let looked = || two.clock.pending_timers() > 0 || alice();
            eventually("a look", looked).await;
        }
        match is_strict {
            true => eventually("the end of alice", &mut alice).await,
            false => {
                two.clock.advance(60 * SECOND);
                assert!(!alice());
            }
        }
        // Whoever comes waits for half a second of the store.
        let there = &two.there;
        let asked = async { there.ask("alice.app.0").await };
        let clock = async {
            until("an answer", async || {
                two.place.clock().advance(Duration::from_millis(100));
                false
            })
            .await;
        };
        let status = tokio::select! {
            status = asked => status,
            () = clock => 0,
        };
        assert_eq!(status, 503);
        two.front.set_swallowing(false);
        assert_eq!(there.ask("alice.app.0").await, 200);
    }
}
