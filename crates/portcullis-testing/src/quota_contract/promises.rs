//! The promises, one by one.

use std::{
    future::Future,
    num::NonZeroU32,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use portcullis_core::{Charged, Check, QuotaCharge, QuotaKey, QuotaStore, Timestamp};

use super::{START, charge, each, key, one};
use crate::contract::{block_on, block_on_with_workers, within_a_minute};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Something that every store of quotas owes. The macro
/// [`quota_store_contract!`](crate::quota_store_contract) makes one test of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum QuotaPromise {
    /// Of a budget that nobody has charged all cells are there, and each that is taken is one less.
    BeginsFull,
    /// Of several budgets all are charged or none; what is said of each stands in its place.
    ChargesAllOrNone,
    /// What one of the two methods takes is gone for the other.
    ChargesByBothMethods,
    /// Several cells are taken from a budget together, or none of them.
    ChargesSeveralCells,
    /// After the wait that was said, and not a millisecond before, one cell is there again; and
    /// what is not used is not saved up beyond the burst.
    ComesBackOneByOne,
    /// A budget that is spent stays so, whoever else charges as many others as there is room for.
    ForgetsNobodyWhoOwes,
    /// A budget that was charged by one clock is spent also by one that is behind, and is not paid
    /// off by its having been asked.
    GivesNoMoreToAClockThatIsBehind,
    /// To charge one budget says nothing about another, also if its key differs in one bit.
    KeepsKeysApart,
    /// What was spent under one quota is owed under the next.
    KeepsWhatIsOwedWhenTheQuotaChanges,
    /// Of a hundred who charge at once as many are paid as there are cells.
    PaysNoMoreThanThereIs,
    /// Of many who charge two budgets at once, in both orders, nobody waits for ever, and the two
    /// are charged alike.
    WaitsInNoCircle,
}

impl QuotaPromise {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::BeginsFull,
        Self::ChargesAllOrNone,
        Self::ChargesByBothMethods,
        Self::ChargesSeveralCells,
        Self::ComesBackOneByOne,
        Self::ForgetsNobodyWhoOwes,
        Self::GivesNoMoreToAClockThatIsBehind,
        Self::KeepsKeysApart,
        Self::KeepsWhatIsOwedWhenTheQuotaChanges,
        Self::PaysNoMoreThanThereIs,
        Self::WaitsInNoCircle,
    ];

    /// Makes a store inside a runtime, and puts it to the test.
    ///
    /// # Panics
    ///
    /// The store breaks the promise. Or this is called inside a runtime.
    pub fn prove<S: QuotaStore>(self, store: impl Future<Output = S>) {
        block_on_with_workers(async {
            let store = Arc::new(store.await);
            match self {
                Self::BeginsFull => begins_full(&*store).await,
                Self::ChargesAllOrNone => charges_all_or_none(&*store).await,
                Self::ChargesByBothMethods => charges_by_both_methods(&*store).await,
                Self::ChargesSeveralCells => charges_several_cells(&*store).await,
                Self::ComesBackOneByOne => comes_back_one_by_one(&*store).await,
                Self::ForgetsNobodyWhoOwes => forgets_nobody_who_owes(&*store).await,
                Self::GivesNoMoreToAClockThatIsBehind => gives_no_more(&*store).await,
                Self::KeepsKeysApart => keeps_keys_apart(&*store).await,
                Self::KeepsWhatIsOwedWhenTheQuotaChanges => keeps_what_is_owed(&*store).await,
                Self::PaysNoMoreThanThereIs => pays_no_more_than_there_is(store).await,
                Self::WaitsInNoCircle => waits_in_no_circle(store).await,
            }
        });
    }
}

fn paid(left: u32) -> Charged {
    Charged::Paid(vec![left])
}

fn spent(wait: Duration) -> Charged {
    Charged::Spent(vec![wait])
}

async fn begins_full(store: &impl QuotaStore) {
    assert_eq!(charge(store, &[], START).await, Charged::Paid(vec![]));
    for left in [3, 2, 1, 0] {
        let charged = charge(store, &[one(key(1), 4)], START).await;
        assert_eq!(charged, paid(left));
    }
    let charged = charge(store, &[one(key(1), 4)], START).await;
    assert_eq!(charged, spent(MINUTE));
}

async fn charges_all_or_none(store: &impl QuotaStore) {
    let (many, few) = (one(key(1), 9), one(key(2), 2));
    let third = each(key(3), 5, SECOND);
    for (charges, expected) in [
        (vec![many, few, third], Charged::Paid(vec![8, 1, 4])),
        (vec![third, few], Charged::Paid(vec![3, 0])),
        // Neither of the others is charged, wherever it stands.
        (
            vec![many, few, third],
            Charged::Spent(vec![Duration::ZERO, MINUTE, Duration::ZERO]),
        ),
        (
            vec![few, many],
            Charged::Spent(vec![MINUTE, Duration::ZERO]),
        ),
        (vec![many, third], Charged::Paid(vec![7, 2])),
        (vec![third, many], Charged::Paid(vec![1, 6])),
        (vec![third], paid(0)),
        (
            vec![third, many, few],
            Charged::Spent(vec![SECOND, Duration::ZERO, MINUTE]),
        ),
    ] {
        let charged = charge(store, &charges, START).await;
        assert_eq!(charged, expected, "{charges:?}");
    }
}

async fn charges_by_both_methods(store: &impl QuotaStore) {
    let mut was_asked_at_once = false;
    for n in 0..4 {
        let charges = [one(key(1), 4)];
        let at_once = match n % 2 {
            0 => store.charge_now(&charges, START),
            _ => Check::NeedsIo,
        };
        let charged = match at_once {
            Check::Done(charged) => {
                was_asked_at_once = true;
                Some(charged)
            }
            Check::NeedsIo => within_a_minute("charge", store.charge(&charges, START))
                .await
                .ok(),
        };
        assert_eq!(charged, Some(paid(3 - n)), "charge {n}");
    }
    let charges = [one(key(1), 4)];
    let asked = within_a_minute("charge", store.charge(&charges, START)).await;
    assert_eq!(asked.ok(), Some(spent(MINUTE)));
    if was_asked_at_once {
        let charged = match store.charge_now(&charges, START) {
            Check::Done(charged) => charged,
            Check::NeedsIo => spent(MINUTE),
        };
        assert_eq!(charged, spent(MINUTE));
    }
}

async fn charges_several_cells(store: &impl QuotaStore) {
    let of = |cells| NonZeroU32::new(cells).and_then(|cells| one(key(1), 5).with_cells(cells));
    for (cells, expected) in [
        (3, paid(2)),
        // One is missing, so none is taken.
        (3, spent(MINUTE)),
        (5, spent(3 * MINUTE)),
        (2, paid(0)),
        (5, spent(5 * MINUTE)),
    ] {
        let charges: Vec<_> = of(cells).into_iter().collect();
        let charged = charge(store, &charges, START).await;
        assert_eq!(charged, expected, "{cells}");
    }
    let charges: Vec<_> = of(5).into_iter().collect();
    let later = START + 5 * MINUTE;
    assert_eq!(charge(store, &charges, later).await, paid(0));
}

async fn comes_back_one_by_one(store: &impl QuotaStore) {
    let charges = [each(key(1), 3, 20 * SECOND)];
    for left in [2, 1, 0] {
        assert_eq!(charge(store, &charges, START).await, paid(left));
    }
    let mut now = START;
    for round in 0..4 {
        now = now + 20 * SECOND;
        let early = charge(store, &charges, now - MILLISECOND).await;
        assert_eq!(early, spent(MILLISECOND), "round {round}");
        assert_eq!(charge(store, &charges, now).await, paid(0), "round {round}");
        assert_eq!(charge(store, &charges, now).await, spent(20 * SECOND));
    }
    now = now + 40 * SECOND;
    assert_eq!(charge(store, &charges, now).await, paid(1));
    now = now + 10_000 * MINUTE;
    for left in [2, 1, 0] {
        assert_eq!(charge(store, &charges, now).await, paid(left));
    }
    assert_eq!(charge(store, &charges, now).await, spent(20 * SECOND));
}

async fn forgets_nobody_who_owes(store: &impl QuotaStore) {
    let late = START + MINUTE - MILLISECOND;
    assert_eq!(charge(store, &[one(key(0), 1)], START).await, paid(0));
    for number in 1..1500 {
        let now = if number < 1000 { START } else { late };
        let charged = charge(store, &[one(key(number), 1)], now).await;
        assert_eq!(charged, paid(0), "budget {number}");
    }
    for (number, wait) in [(0, MILLISECOND), (1499, MINUTE)] {
        let charged = charge(store, &[one(key(number), 1)], late).await;
        assert_eq!(charged, spent(wait), "budget {number}");
    }
}

async fn gives_no_more(store: &impl QuotaStore) {
    let charges = [each(key(1), 2, SECOND)];
    let ahead = START + MINUTE;
    for left in [1, 0] {
        assert_eq!(charge(store, &charges, ahead).await, paid(left));
    }
    for now in [START, START + 59 * SECOND, START] {
        let charged = charge(store, &charges, now).await;
        assert!(matches!(charged, Charged::Spent(_)), "{charged:?}");
    }
    assert_eq!(charge(store, &charges, ahead).await, spent(SECOND));
    assert_eq!(charge(store, &charges, ahead + SECOND).await, paid(0));
}

async fn keeps_keys_apart(store: &impl QuotaStore) {
    let one_key = key(1).as_u128();
    let near = [
        one_key,
        one_key ^ 1,
        one_key ^ (1 << 64),
        one_key ^ (1 << 127),
    ];
    let keys = near.map(QuotaKey::from_u128);
    for key in keys {
        assert_eq!(charge(store, &[one(key, 1)], START).await, paid(0), "{key}");
    }
    for key in keys {
        assert_eq!(
            charge(store, &[one(key, 1)], START).await,
            spent(MINUTE),
            "{key}"
        );
    }
}

async fn keeps_what_is_owed(store: &impl QuotaStore) {
    for left in [9, 8, 7, 6] {
        let charged = charge(store, &[each(key(1), 10, SECOND)], START).await;
        assert_eq!(charged, paid(left));
    }
    // Four seconds are owed, and two is all that may be.
    let fewer = [each(key(1), 2, SECOND)];
    let charged = charge(store, &fewer, START).await;
    assert!(matches!(charged, Charged::Spent(_)), "{charged:?}");
    assert_eq!(charge(store, &fewer, START + 3 * SECOND).await, paid(0));
    let slower = [each(key(1), 2, MINUTE)];
    let charged = charge(store, &slower, START + 3 * SECOND).await;
    assert_eq!(charged, paid(0), "two seconds are owed, of two minutes");
}

/// Runs the same on several threads at once, and says how often it was paid.
fn at_once<S: QuotaStore>(
    store: &Arc<S>,
    threads: u32,
    times: u32,
    charges: impl Fn(u32) -> Vec<QuotaCharge>,
    now: Timestamp,
) -> usize {
    let together = Arc::new(Barrier::new(usize::try_from(threads).unwrap_or(1)));
    let running: Vec<_> = (0..threads)
        .map(|thread| {
            let (store, together) = (Arc::clone(store), Arc::clone(&together));
            let charges = charges(thread);
            thread::spawn(move || {
                block_on(async {
                    let mut paid = 0;
                    together.wait();
                    for _ in 0..times {
                        let charged = charge(&*store, &charges, now).await;
                        paid += usize::from(matches!(charged, Charged::Paid(_)));
                    }
                    paid
                })
            })
        })
        .collect();
    let joined: Vec<_> = running.into_iter().map(thread::JoinHandle::join).collect();
    assert!(
        joined.iter().all(Result::is_ok),
        "a thread of the race failed"
    );
    joined.into_iter().flatten().sum()
}

async fn pays_no_more_than_there_is<S: QuotaStore>(store: Arc<S>) {
    for (round, cells) in [(0_u32, 37), (1, 1), (2, 99)] {
        let charges = |_| vec![one(key(round.into()), cells)];
        let paid = at_once(&store, 4, 25, charges, START);
        assert_eq!(u32::try_from(paid), Ok(cells), "of a hundred at once");
    }
}

async fn waits_in_no_circle<S: QuotaStore>(store: Arc<S>) {
    // Each round begins with budgets that are not there yet.
    for round in 0..10 {
        let (some, others) = (one(key(2 * round), 40), one(key(2 * round + 1), 60));
        let charges = |thread| match thread % 2 {
            0 => vec![some, others],
            _ => vec![others, some],
        };
        let paid = at_once(&store, 4, 15, charges, START);
        assert_eq!(paid, 40, "of sixty at once");
        let charged = charge(&*store, &[others], START).await;
        assert_eq!(charged, super::promises::paid(19));
    }
}
