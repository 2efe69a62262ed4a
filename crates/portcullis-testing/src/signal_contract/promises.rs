//! The promises, one by one.

use std::{future::Future, sync::Arc};

use portcullis_core::{OwnerKey, RevokedKey, Signal, SignalBus};

use super::{Notes, catch_up, publish};
use crate::contract::block_on;

/// Something that every bus owes. The macro
/// [`signal_bus_contract!`](crate::signal_bus_contract) makes one test of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignalPromise {
    /// A listener that subscribed before anybody was asked is told what is published after the
    /// first catch-up, without a gap.
    BeginsToTellWithACatchUp,
    /// Signals of each kind arrive with every bit of their keys.
    CarriesEachKindAndEveryBit,
    /// Of five thousand at once, all arrive, or a gap is told of.
    CarriesMany,
    /// What was published on one server has been told on the other when its next catch-up
    /// completes, two hundred times over.
    CatchesUp,
    /// A listener that is dropped is not kept.
    HoldsNoListener,
    /// Nothing is told that nobody has published.
    MakesNothingUp,
    /// All listeners of a bus are told, those of the server that publishes too.
    TellsEveryListener,
}

impl SignalPromise {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BeginsToTellWithACatchUp,
        Self::CarriesEachKindAndEveryBit,
        Self::CarriesMany,
        Self::CatchesUp,
        Self::HoldsNoListener,
        Self::MakesNothingUp,
        Self::TellsEveryListener,
    ];

    /// Makes two buses inside a runtime, and puts them to the test.
    ///
    /// # Panics
    ///
    /// They break the promise, fail, or take more than a minute for one question.
    pub fn prove<A: SignalBus, B: SignalBus>(self, make: impl Future<Output = (A, B)>) {
        block_on(async {
            let (here, there) = make.await;
            match self {
                Self::BeginsToTellWithACatchUp => begins(&here, &there).await,
                Self::CarriesEachKindAndEveryBit => carries_every_bit(&here, &there).await,
                Self::CarriesMany => carries_many(&here, &there).await,
                Self::CatchesUp => catches_up(&here, &there).await,
                Self::HoldsNoListener => holds_no_listener(&here, &there).await,
                Self::MakesNothingUp => makes_nothing_up(&here, &there).await,
                Self::TellsEveryListener => tells_every_listener(&here, &there).await,
            }
        });
    }
}

/// A signal whose key is spread over all bits.
const fn signal(number: u128) -> Signal {
    let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    match number % 2 {
        0 => Signal::Sessions(OwnerKey::from_u128(key)),
        _ => Signal::Revoked(RevokedKey::from_u128(key)),
    }
}

/// A listener there that is told what comes from now on.
async fn ready(there: &impl SignalBus) -> Arc<Notes> {
    let notes = Notes::of(there);
    catch_up(there).await;
    drop(notes.take());
    notes
}

async fn begins(here: &impl SignalBus, there: &impl SignalBus) {
    let notes = ready(there).await;
    publish(here, &[signal(1)]).await;
    catch_up(there).await;
    let noted = notes.take();
    assert!(noted.signals.contains(&signal(1)), "it was told {noted:?}");
    assert_eq!(noted.gaps, 0, "nothing was missed");
}

async fn carries_every_bit(here: &impl SignalBus, there: &impl SignalBus) {
    let notes = ready(there).await;
    for bit in 0..128 {
        let key = 1 << bit;
        let both = [
            Signal::Sessions(OwnerKey::from_u128(key)),
            Signal::Revoked(RevokedKey::from_u128(key)),
        ];
        publish(here, &both).await;
        catch_up(there).await;
        let noted = notes.take();
        assert!(
            both.iter().all(|signal| noted.signals.contains(signal)),
            "bit {bit}: it was told {noted:?}",
        );
    }
}

async fn carries_many(here: &impl SignalBus, there: &impl SignalBus) {
    let notes = ready(there).await;
    let all: Vec<Signal> = (0..5000).map(signal).collect();
    publish(here, &all).await;
    catch_up(there).await;
    let noted = notes.take();
    let missed = all.iter().filter(|signal| !noted.covers(**signal)).count();
    assert_eq!(missed, 0, "so many were missed, without a gap");
    // And it goes on afterwards.
    begins(here, there).await;
}

async fn catches_up(here: &impl SignalBus, there: &impl SignalBus) {
    let (notes_here, notes_there) = (ready(here).await, ready(there).await);
    for number in 0..200 {
        let (one, other) = (signal(2 * number), signal(2 * number + 1));
        publish(here, &[one]).await;
        catch_up(there).await;
        assert!(notes_there.take().covers(one), "{number}, there");
        publish(there, &[other]).await;
        catch_up(here).await;
        assert!(notes_here.take().covers(other), "{number}, here");
    }
}

async fn holds_no_listener(here: &impl SignalBus, there: &impl SignalBus) {
    let notes = ready(there).await;
    let weak = Arc::downgrade(&notes);
    drop(notes);
    assert!(weak.upgrade().is_none(), "the bus keeps a listener");
    publish(here, &[signal(1)]).await;
    catch_up(there).await;
    begins(here, there).await;
}

async fn makes_nothing_up(here: &impl SignalBus, there: &impl SignalBus) {
    let notes = ready(there).await;
    publish(here, &[]).await;
    for _ in 0..10 {
        catch_up(there).await;
    }
    let noted = notes.take();
    assert!(noted.signals.is_empty(), "it was told {noted:?}");
    publish(here, &[signal(1), signal(2)]).await;
    catch_up(there).await;
    let known = [signal(1), signal(2)];
    let noted = notes.take();
    assert!(
        noted.signals.iter().all(|signal| known.contains(signal)),
        "it was told {noted:?}"
    );
}

async fn tells_every_listener(here: &impl SignalBus, there: &impl SignalBus) {
    let several = [ready(there).await, ready(there).await, ready(here).await];
    publish(here, &[signal(1)]).await;
    catch_up(there).await;
    catch_up(here).await;
    for notes in several {
        assert!(notes.take().covers(signal(1)));
    }
}
