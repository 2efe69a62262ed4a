//! Clocks that differ, and clocks that are set: nobody is in by it who is out, and nothing lasts
//! longer than it is stated.

use std::time::Duration;

use portcullis::{
    revocation::Revocation,
    session::{SessionBuilder, SessionStore},
};
use portcullis_testing::clock::VirtualClock;
use portcullis_tests::{
    node::Node,
    stores::{Place, START, Stores, kept::SECOND},
};

use crate::{ISSUER, watched::Watched};

at_every_place_by_one_thread! {
    a_node_whose_clock_is_ahead_by_an_hour_lets_nobody_in_who_is_out
    a_node_whose_clock_is_behind_by_an_hour_lets_nobody_in_who_is_out
    a_clock_that_is_set_back_by_an_hour_makes_no_session_longer
    a_clock_that_is_set_forward_by_an_hour_lets_nobody_in_and_keeps_nobody_out_for_good
}

const HOUR: Duration = Duration::from_hours(1);
const IDLE: Duration = Duration::from_hours(3);
const ABSOLUTE: Duration = Duration::from_hours(10);

/// A node, and a store of sessions of which it is known when it has been told everything.
struct Told<S> {
    node: Node,
    sessions: Watched<S>,
}

impl<S: SessionStore + Clone> Told<S> {
    async fn at<P: Place<Stores: Stores<Sessions = S>>>(place: &P, idle: Duration) -> Self {
        let stores = place.stores().await;
        let sessions = Watched::new(stores.sessions());
        let signals = place.signals(&stores);
        let settings = |session: SessionBuilder| session.with_idle(idle).with_absolute(ABSOLUTE);
        let (clock, revocations) = (place.clone(), stores.revocations());
        let node = Node::with(clock, sessions.clone(), revocations, signals, settings);
        Self { node, sessions }
    }

    async fn ask(&self, token: &str) -> u16 {
        let status = self.node.ask(token).await;
        self.sessions.told().await;
        status
    }

    async fn end(&self, name: &str) {
        let ended = self.node.handle.end_sessions(ISSUER, name).await;
        assert_eq!(ended.unwrap(), 1, "{name}");
    }
}

async fn a_node_whose_clock_is_ahead_by_an_hour_lets_nobody_in_who_is_out<P: Place>() {
    differ_by::<P>(3).await;
}

async fn a_node_whose_clock_is_behind_by_an_hour_lets_nobody_in_who_is_out<P: Place>() {
    differ_by::<P>(1).await;
}

/// It is two hours after the start, and the other one takes it for so many.
async fn differ_by<P: Place>(hours: u32) {
    let place = P::start().await;
    place.clock().advance(2 * HOUR);
    let clock = VirtualClock::starting_at(START + hours * HOUR);
    let right = Told::at(&place, IDLE).await;
    let wrong = Told::at(&place.by_clock(clock.clone()), IDLE).await;
    let pass = |by| {
        place.clock().advance(by);
        clock.advance(by);
    };
    let everywhere = async |token: &str, status: u16| {
        for node in [&right, &wrong] {
            assert_eq!(node.ask(token).await, status, "{token}");
        }
    };
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        everywhere(&format!("{name}.app.0"), 200).await;
    }
    // Whoever is ended or revoked at either is out at both, and in when he authenticates again.
    right.end("alice").await;
    wrong.end("bob").await;
    for (node, name) in [(&right, "carol"), (&wrong, "dave")] {
        let subject = Revocation::subject(ISSUER, name);
        node.node.handle.revoke(subject).await.unwrap();
    }
    for name in ["alice", "bob", "carol", "dave"] {
        everywhere(&format!("{name}.app.0"), 401).await;
    }
    everywhere("alice.app.1", 200).await;
    everywhere("bob.app.1", 200).await;
    // He is active at the other one, and by no clock is that his own time any more in the end.
    pass(IDLE - SECOND);
    assert_eq!(wrong.ask("alice.app.1").await, 200);
    pass(IDLE + HOUR + SECOND);
    everywhere("alice.app.1", 401).await;
    everywhere("bob.app.1", 401).await;
    assert_eq!(
        wrong.ask("erin.app.7200").await,
        200,
        "who authenticates later"
    );
    // The longest that a session lasts counts from when its user authenticated.
    for _ in 0..4 {
        pass(2 * HOUR);
        for node in [&wrong, &right] {
            // By either clock he is in or out.
            let _ = node.ask("erin.app.7200").await;
        }
    }
    everywhere("erin.app.7200", 401).await;
}

async fn a_clock_that_is_set_back_by_an_hour_makes_no_session_longer<P: Place>() {
    let place = P::start().await;
    place.clock().advance(2 * HOUR);
    let node = Told::at(&place, HOUR).await;
    assert_eq!(node.ask("alice.app.0").await, 200);
    assert_eq!(node.ask("bob.app.0").await, 200);
    place.clock().step_wall_back(HOUR);
    place.clock().advance(HOUR / 2);
    assert_eq!(node.ask("bob.app.0").await, 200);
    place.clock().advance(HOUR / 2 + SECOND);
    assert_eq!(node.ask("alice.app.0").await, 401, "idle for an hour");
    for _ in 0..14 {
        assert_eq!(node.ask("bob.app.0").await, 200);
        place.clock().advance(HOUR / 2);
    }
    // Ten hours after he authenticated, of which the wall clock says nine.
    assert_eq!(node.ask("bob.app.0").await, 401);
}

async fn a_clock_that_is_set_forward_by_an_hour_lets_nobody_in_and_keeps_nobody_out_for_good<
    P: Place,
>() {
    let place = P::start().await;
    place.clock().advance(2 * HOUR);
    let node = Told::at(&place, HOUR / 2).await;
    assert_eq!(node.ask("alice.app.0").await, 200);
    assert_eq!(node.ask("bob.app.0").await, 200);
    node.end("bob").await;
    place.clock().step_wall_forward(HOUR);
    assert_eq!(node.ask("alice.app.0").await, 401, "idle by this clock");
    assert_eq!(node.ask("bob.app.0").await, 401);
    place.clock().step_wall_back(HOUR);
    assert_eq!(
        node.ask("alice.app.0").await,
        200,
        "and not by a clock that is right"
    );
    assert_eq!(node.ask("bob.app.0").await, 401);
}
