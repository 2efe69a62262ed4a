//! Signals over a real server: what is heard, and what is known to have been missed.

use std::time::Duration;

use portcullis::revocation::Revocation;
use portcullis_core::{Heard, OwnerKey, Signal, SignalBus as _};
use portcullis_tests::{
    heard::Notes,
    patience::{eventually, until},
    stores::{Place, Served, front::Front},
};

use crate::ISSUER;

at_every_place! { what_one_server_ends_ends_what_runs_at_the_other }

mod servers {
    use super::{
        a_server_that_is_gone_or_stands_still_has_nobody_caught_up,
        whoever_was_away_is_told_of_a_gap,
    };

    at_servers! {
        whoever_was_away_is_told_of_a_gap
        a_server_that_is_gone_or_stands_still_has_nobody_caught_up
    }
}

fn signal(number: u128) -> Signal {
    Signal::Sessions(OwnerKey::from_u128(number))
}

async fn whoever_was_away_is_told_of_a_gap<P: Served>() {
    let place = P::start().await;
    let front = Front::new(&place).await;
    let other = place.signals(&place.stores().await);
    let bus = place.signals(&place.stores_by(&front).await);
    let notes = Notes::of(&bus).await;
    assert_eq!(notes.take(), [Heard::Gap], "nobody knows what was before");
    other.publish(&[signal(1)]).await.unwrap();
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Signal(signal(1))]);
    for n in 0..2 {
        front.cut_after(0);
        other.publish(&[signal(2)]).await.unwrap();
        eventually("the cut", || front.cuts() > n).await;
        front.heal();
        bus.catch_up().await.unwrap();
        let heard = notes.take();
        assert!(heard.contains(&Heard::Gap), "{heard:?}");
        other.publish(&[signal(3)]).await.unwrap();
        bus.catch_up().await.unwrap();
        assert_eq!(notes.take(), [Heard::Signal(signal(3))]);
    }
}

/// No time goes by, so nobody looks by himself.
async fn what_one_server_ends_ends_what_runs_at_the_other<P: Place>() {
    let place = P::start().await;
    let (one, other) = (place.stores().await, place.stores().await);
    let bus = place.signals(&other);
    let notes = Notes::of(&bus).await;
    let [one, other] = [one, other].map(|stores| place.node(&stores));
    let mut alice = other.stream("alice.app.0").await;
    let mut bob = other.stream("bob.app.0").await;
    let mut carol = other.stream("carol.web.0").await;
    // The bus is joined when something runs.
    for _ in 0..3 {
        place.clock().advance(Duration::from_secs(1));
        other.ask("alice.app.0").await;
        // What was asked of it when time went by was given up.
        until("the bus", async || bus.catch_up().await.is_ok()).await;
    }
    let ended = one.handle.end_sessions(ISSUER, "alice").await;
    assert_eq!(ended.unwrap(), 1);
    eventually("the end of alice", &mut alice).await;
    assert!(!bob() && !carol());
    let app = Revocation::client(ISSUER, "app");
    one.handle.revoke(app).await.unwrap();
    eventually("the end of bob", &mut bob).await;
    assert!(!carol());
    eventually("both signals", || notes.take().len() >= 2).await;
}

async fn a_server_that_is_gone_or_stands_still_has_nobody_caught_up<P: Served>() {
    let place = P::start_own().await;
    let bus = place.signals(&place.stores().await);
    let notes = Notes::of(&bus).await;
    place.set_still(true);
    let caught_up = tokio::spawn({
        let bus = bus.clone();
        async move { bus.catch_up().await }
    });
    place.clock().wait_for_timers(1).await;
    place.clock().advance(Duration::from_millis(500));
    let error = caught_up.await.unwrap().unwrap_err();
    let expected = format!("{} did not answer within 500ms", P::NAME);
    assert_eq!(error.to_string(), expected);
    place.set_still(false);
    drop(notes.take());
    bus.catch_up().await.unwrap();
    assert_eq!(notes.take(), [Heard::Gap], "on another connection");
    place.kill();
    bus.catch_up().await.unwrap_err();
    bus.publish(&[signal(1)]).await.unwrap_err();
}
