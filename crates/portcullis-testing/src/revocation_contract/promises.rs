//! The promises, one by one.

use std::{future::Future, sync::Arc, thread, time::Duration};

use portcullis_core::{Check, RevocationStore, Timestamp};

use super::{START, key, look, revoke};
use crate::contract::{block_on, block_on_with_workers, within_a_minute};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Something that every store of revocations owes. The macro
/// [`revocation_store_contract!`](crate::revocation_store_contract) makes one test of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RevocationPromise {
    /// Where nothing was revoked, nothing is found, and nothing was forgotten.
    BeginsEmpty,
    /// `check`, where it answers at once, says what `look` says.
    ChecksWhatItLooksUp,
    /// Of several cut-offs under several keys, the latest is found, wherever it stands.
    FindsTheLatest,
    /// Of four thousand cut-offs that are to be kept for an hour, a day or something between,
    /// each is found a millisecond before the first hour is over, or was refused, or is covered by
    /// what the store says that it has forgotten. That of a single credential is not forgotten.
    ForgetsNothingInSilence,
    /// A thousand cut-offs are all found again.
    HoldsMany,
    /// A cut-off is there until its time, whatever else is revoked before.
    KeepsForAsLongAsItShould,
    /// What is kept under one key is not found under another.
    KeepsKeysApart,
    /// Of several cut-offs under one key the latest counts, and the longest time to keep it,
    /// in any order.
    KeepsTheLater,
    /// Of many that are revoked at once, none is lost, and of those under one key the latest
    /// stays.
    LosesNoneOfManyAtOnce,
    /// A store that holds a cut-off never says that it is empty.
    TellsWhenItIsNotEmpty,
}

impl RevocationPromise {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::BeginsEmpty,
        Self::ChecksWhatItLooksUp,
        Self::FindsTheLatest,
        Self::ForgetsNothingInSilence,
        Self::HoldsMany,
        Self::KeepsForAsLongAsItShould,
        Self::KeepsKeysApart,
        Self::KeepsTheLater,
        Self::LosesNoneOfManyAtOnce,
        Self::TellsWhenItIsNotEmpty,
    ];

    /// Makes a store inside a runtime, and puts it to the test.
    ///
    /// # Panics
    ///
    /// The store breaks the promise. Or this is called inside a runtime.
    pub fn prove<S: RevocationStore>(self, store: impl Future<Output = S>) {
        block_on_with_workers(async {
            let store = Arc::new(store.await);
            match self {
                Self::BeginsEmpty => begins_empty(&*store).await,
                Self::ChecksWhatItLooksUp => checks_what_it_looks_up(&*store).await,
                Self::FindsTheLatest => finds_the_latest(&*store).await,
                Self::ForgetsNothingInSilence => forgets_nothing_in_silence(&*store).await,
                Self::HoldsMany => holds_many(&*store).await,
                Self::KeepsForAsLongAsItShould => keeps_for_as_long_as_it_should(&*store).await,
                Self::KeepsKeysApart => keeps_keys_apart(&*store).await,
                Self::KeepsTheLater => keeps_the_later(&*store).await,
                Self::LosesNoneOfManyAtOnce => loses_none_of_many_at_once(store).await,
                Self::TellsWhenItIsNotEmpty => tells_when_it_is_not_empty(&*store).await,
            }
        });
    }
}

async fn begins_empty(store: &impl RevocationStore) {
    assert_eq!(look(store, &[]).await, None);
    assert_eq!(look(store, &[key(1), key(2)]).await, None);
    assert_eq!(store.forgotten(), None);
}

async fn checks_what_it_looks_up(store: &impl RevocationStore) {
    for number in 0..5_u32 {
        let cut_off = START + number * SECOND;
        revoke(store, key(number.into()), cut_off, START + DAY, START).await;
    }
    for number in 0..7 {
        let keys = [key(number), key(number + 1)];
        let last = (number < 5).then(|| number.saturating_add(1).min(4) as u32);
        let expected = last.map(|last| START + last * SECOND);
        let looked_up = within_a_minute("look", store.look(&keys)).await.ok();
        match store.check(&keys) {
            // Then it need not answer `look`, but must not say anything else.
            Check::Done(checked) => {
                assert_eq!(checked, expected, "key {number}");
                assert_eq!(looked_up.unwrap_or(expected), expected, "key {number}");
            }
            Check::NeedsIo => assert_eq!(looked_up, Some(expected), "key {number}"),
        }
    }
}

async fn finds_the_latest(store: &impl RevocationStore) {
    for (number, second) in [(1, 3), (2, 9), (3, 6)] {
        let cut_off = START + second * SECOND;
        revoke(store, key(number), cut_off, START + DAY, START).await;
    }
    for (numbers, latest) in [
        (&[1][..], Some(3)),
        (&[1, 2, 3], Some(9)),
        (&[2, 3, 1], Some(9)),
        (&[3, 1, 2], Some(9)),
        (&[8, 3, 9, 1], Some(6)),
        (&[7, 8, 9], None),
        (&[], None),
    ] {
        let keys: Vec<_> = numbers.iter().map(|number| key(*number)).collect();
        let latest = latest.map(|second| START + second * SECOND);
        assert_eq!(look(store, &keys).await, latest, "{numbers:?}");
    }
}

async fn forgets_nothing_in_silence(store: &impl RevocationStore) {
    // The first may have their room back only after that.
    let late = Timestamp::from_unix_millis((START + HOUR).unix_millis() - 1);
    let mut kept = Vec::new();
    for number in 0..4000_u32 {
        let now = if number < 3000 { START } else { late };
        // A store that is full must not take the ones that have the least time left.
        let until = START + (1 + number % 24) * HOUR;
        let is_of_one = number % 5 == 0;
        // In no order: what comes last is not the latest.
        let cut_off = match is_of_one {
            true => Timestamp::MAX,
            false => START + (number * 7919 % 4001) * SECOND,
        };
        let key = key(number.into());
        let revoked = store.revoke(key, cut_off, until, now);
        if within_a_minute("revoke", revoked).await.is_ok() {
            kept.push((number, key, cut_off));
        }
    }
    for (number, key, cut_off) in kept {
        let found = look(store, &[key]).await;
        let forgotten = store.forgotten();
        assert!(
            found == Some(cut_off)
                || cut_off != Timestamp::MAX && forgotten.is_some_and(|at| cut_off <= at),
            "cut-off {number} is {found:?}, forgotten: {forgotten:?}"
        );
    }
    assert_ne!(
        store.forgotten(),
        Some(Timestamp::MAX),
        "nothing would be later"
    );
}

async fn holds_many(store: &impl RevocationStore) {
    for number in 0..1000_u32 {
        let cut_off = START + number * SECOND;
        revoke(store, key(number.into()), cut_off, START + DAY, START).await;
    }
    for number in 0..1000_u32 {
        let found = look(store, &[key(number.into())]).await;
        assert_eq!(found, Some(START + number * SECOND), "key {number}");
    }
}

async fn keeps_for_as_long_as_it_should(store: &impl RevocationStore) {
    revoke(store, key(1), START, START + DAY, START).await;
    revoke(store, key(2), Timestamp::MAX, Timestamp::MAX, START).await;
    let late = Timestamp::from_unix_millis((START + DAY).unix_millis() - 1);
    for number in 10..500_u32 {
        revoke(store, key(number.into()), late, late + DAY, late).await;
    }
    assert_eq!(look(store, &[key(1)]).await, Some(START));
    let ages = late + 100_000 * DAY;
    revoke(store, key(3), ages, ages + DAY, ages).await;
    assert_eq!(look(store, &[key(2)]).await, Some(Timestamp::MAX));
}

async fn keeps_keys_apart(store: &impl RevocationStore) {
    revoke(store, key(1), START, START + DAY, START).await;
    let near = portcullis_core::RevokedKey::from_u128;
    let one = key(1).as_u128();
    for other in [
        key(2),
        near(one ^ 1),
        near(one ^ (1 << 64)),
        near(one ^ (1 << 127)),
    ] {
        assert_eq!(look(store, &[other]).await, None, "{other}");
    }
    revoke(
        store,
        near(one ^ (1 << 64)),
        START + SECOND,
        START + DAY,
        START,
    )
    .await;
    assert_eq!(look(store, &[key(1)]).await, Some(START));
}

async fn keeps_the_later(store: &impl RevocationStore) {
    for (number, cut_offs) in [(1, [5, 9, 7]), (2, [9, 7, 5]), (3, [5, 7, 9])] {
        for second in cut_offs {
            let cut_off = START + second * SECOND;
            revoke(store, key(number), cut_off, START + DAY, START).await;
        }
        let found = look(store, &[key(number)]).await;
        assert_eq!(found, Some(START + 9 * SECOND), "{cut_offs:?}");
    }
    revoke(store, key(4), START, START + 2 * DAY, START).await;
    revoke(store, key(4), START, START + SECOND, START).await;
    let later = START + DAY;
    for number in 10..500_u32 {
        revoke(store, key(number.into()), later, later + DAY, later).await;
    }
    assert_eq!(look(store, &[key(4)]).await, Some(START), "kept for longer");
}

async fn loses_none_of_many_at_once<S: RevocationStore>(store: Arc<S>) {
    const THREADS: u32 = 4;
    const EACH: u32 = 100;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                block_on(async {
                    for n in 0..EACH {
                        let number = thread * EACH + n;
                        let cut_off = START + number * SECOND;
                        revoke(&*store, key(0), cut_off, START + DAY, START).await;
                        let own = key(1 + u128::from(number));
                        revoke(&*store, own, cut_off, START + DAY, START).await;
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().is_ok(), "a thread of the race failed");
    }
    let last = START + (THREADS * EACH - 1) * SECOND;
    assert_eq!(look(&*store, &[key(0)]).await, Some(last), "the latest");
    for number in 0..THREADS * EACH {
        let found = look(&*store, &[key(1 + u128::from(number))]).await;
        assert_eq!(found, Some(START + number * SECOND), "key {number}");
    }
}

async fn tells_when_it_is_not_empty(store: &impl RevocationStore) {
    for number in 1..20 {
        revoke(store, key(number), START, START + DAY, START).await;
        assert!(!store.is_empty(), "there are {number} cut-offs");
    }
}
