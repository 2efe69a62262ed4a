//! The promises, one by one.

use std::{
    future::Future,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use portcullis_core::{Check, ReplayKey, ReplayStore, Taken, Timestamp};

use super::{START, key, owner, take};
use crate::contract::{block_on, block_on_with_workers, within_a_minute};

const HOUR: Duration = Duration::from_secs(3600);

/// Something that every store of one-time credentials owes. The macro
/// [`replay_store_contract!`](crate::replay_store_contract) makes one test of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReplayPromise {
    /// Five hundred credentials of as many owners are all taken, and none twice.
    HoldsMany,
    /// To take one says nothing about another, also if its key differs in one bit.
    KeepsKeysApart,
    /// What one owner has taken is fresh for another.
    KeepsOwnersApart,
    /// Of four thousand credentials that last for an hour, a day or something between, each that
    /// was taken cannot be taken again a millisecond before the first hour is over.
    RefusesRatherThanForgets,
    /// One that was taken stays so until it ends, whatever else is taken before.
    RemembersForAsLongAsItShould,
    /// A credential is taken once, by whichever of the two methods.
    TakesEachOnce,
    /// Of many who take the same credential at once, one is told that it is fresh.
    TakesOneOfManyAtOnce,
}

impl ReplayPromise {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::HoldsMany,
        Self::KeepsKeysApart,
        Self::KeepsOwnersApart,
        Self::RefusesRatherThanForgets,
        Self::RemembersForAsLongAsItShould,
        Self::TakesEachOnce,
        Self::TakesOneOfManyAtOnce,
    ];

    /// Makes a store inside a runtime, and puts it to the test.
    ///
    /// # Panics
    ///
    /// The store breaks the promise. Or this is called inside a runtime.
    pub fn prove<S: ReplayStore>(self, store: impl Future<Output = S>) {
        block_on_with_workers(async {
            let store = Arc::new(store.await);
            match self {
                Self::HoldsMany => holds_many(&*store).await,
                Self::KeepsKeysApart => keeps_keys_apart(&*store).await,
                Self::KeepsOwnersApart => keeps_owners_apart(&*store).await,
                Self::RefusesRatherThanForgets => refuses_rather_than_forgets(&*store).await,
                Self::RemembersForAsLongAsItShould => remembers(&*store).await,
                Self::TakesEachOnce => takes_each_once(&*store).await,
                Self::TakesOneOfManyAtOnce => takes_one_of_many_at_once(store).await,
            }
        });
    }
}

async fn holds_many(store: &impl ReplayStore) {
    for expected in [Taken::Fresh, Taken::Seen] {
        for n in 0..500 {
            let taken = take(store, owner(n), key(n), START + HOUR, START).await;
            assert_eq!(taken, expected, "credential {n}");
        }
    }
}

async fn keeps_keys_apart(store: &impl ReplayStore) {
    let one = key(1).as_u128();
    let near = [one, one ^ 1, one ^ (1 << 64), one ^ (1 << 127)];
    for (n, bits) in near.into_iter().enumerate() {
        let other = ReplayKey::from_u128(bits);
        let taken = take(store, owner(1), other, START + HOUR, START).await;
        assert_eq!(taken, Taken::Fresh, "key {n}");
    }
}

async fn keeps_owners_apart(store: &impl ReplayStore) {
    for n in 0..3 {
        let taken = take(store, owner(n), key(1), START + HOUR, START).await;
        assert_eq!(taken, Taken::Fresh, "owner {n}");
    }
}

async fn refuses_rather_than_forgets(store: &impl ReplayStore) {
    // A store that is full must not take those that have the least time left.
    let until = |n: u128| START + u32::try_from(1 + n % 24).unwrap_or(1) * HOUR;
    let late = Timestamp::from_unix_millis((START + HOUR).unix_millis() - 1);
    let mut fresh = Vec::new();
    for n in 0..4000 {
        let now = if n < 3000 { START } else { late };
        let taken = take(store, owner(n % 7), key(n), until(n), now).await;
        assert_ne!(taken, Taken::Seen, "credential {n}");
        if taken == Taken::Fresh {
            fresh.push(n);
        }
    }
    for n in fresh {
        let taken = take(store, owner(n % 7), key(n), until(n), late).await;
        assert_eq!(taken, Taken::Seen, "credential {n}");
    }
}

async fn remembers(store: &impl ReplayStore) {
    let until = START + HOUR;
    let _ = take(store, owner(1), key(1), until, START).await;
    let late = Timestamp::from_unix_millis(until.unix_millis() - 1);
    for n in 2..300 {
        let _ = take(store, owner(1), key(n), late + HOUR, late).await;
    }
    let again = take(store, owner(1), key(1), until, late).await;
    assert_eq!(again, Taken::Seen);
}

async fn takes_each_once(store: &impl ReplayStore) {
    let (until, now) = (START + HOUR, START);
    let expected = Some(Taken::Seen);
    for n in 0..8 {
        let is_at_once = n % 2 == 0;
        let asked = async || {
            let taken = store.take(owner(1), key(n), until, now);
            within_a_minute("take", taken).await.ok()
        };
        let at_once = || match store.take_now(owner(1), key(n), until, now) {
            Check::Done(taken) => Some(taken),
            Check::NeedsIo => None,
        };
        let first = match is_at_once.then(at_once).flatten() {
            Some(taken) => Some(taken),
            None => asked().await,
        };
        assert_eq!(first, Some(Taken::Fresh), "credential {n}");
        assert_eq!(asked().await, expected, "credential {n}");
        let now = at_once();
        assert!(now.is_none() || now == expected, "credential {n}");
    }
}

async fn takes_one_of_many_at_once<S: ReplayStore>(store: Arc<S>) {
    const THREADS: usize = 4;
    const EACH: u128 = 100;
    let together = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (store, together) = (Arc::clone(&store), Arc::clone(&together));
            thread::spawn(move || {
                block_on(async {
                    let mut fresh = Vec::new();
                    for n in 0..EACH {
                        together.wait();
                        let taken = take(&*store, owner(1), key(n), START + HOUR, START).await;
                        if taken == Taken::Fresh {
                            fresh.push(n);
                        }
                    }
                    fresh
                })
            })
        })
        .collect();
    let mut fresh = Vec::new();
    for thread in threads {
        let taken = thread.join();
        assert!(taken.is_ok(), "a thread of the race failed");
        fresh.extend(taken.into_iter().flatten());
    }
    fresh.sort_unstable();
    let each_once: Vec<_> = (0..EACH).collect();
    assert_eq!(fresh, each_once, "each is fresh for one");
}
