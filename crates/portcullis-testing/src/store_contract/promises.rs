//! The promises, one by one.

use std::{
    future::Future,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use portcullis_core::{
    Change, Commit, EndReason, EvidenceKind, Revision, SessionData, SessionId, SessionRecord,
    SessionState, SessionStore, Sessions, StoredData,
};

use super::{
    START, commit, commit_at, history, key, load, look, owner, prove, races, record, touch,
};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// Something that every session store owes. The macro
/// [`session_store_contract!`](crate::session_store_contract) makes one test of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StorePromise {
    /// Of many touches at once, one is told that a provisional session has begun by it.
    BeginsASessionOnce,
    /// An owner that is not known has no sessions, and the default revision.
    BeginsEmpty,
    /// `check`, where it answers at once, says what `load` says.
    ChecksWhatItLoads,
    /// A commit makes all of its changes, in their order, or none.
    CommitsAllOrNothing,
    /// Of many commits at once that expect the same revision, one is made.
    CommitsOneOfManyAtOnce,
    /// Two thousand owners are all found again.
    HoldsManyOwners,
    /// What one owner has is not seen by another, also under the same key.
    KeepsOwnersApart,
    /// Every field of a record comes back as it was put, and so does its data.
    KeepsWhatIsPut,
    /// A touch that comes at the same time does not take back the end of a session.
    LosesNoEnd,
    /// A touch that comes between a load and its commit is not lost.
    LosesNoTouch,
    /// An owner who had no sessions left begins at a revision that he has not had before, and
    /// what was loaded before he had one is old.
    MeetsNoRevisionTwice,
    /// A commit that expects an older revision, or one that is yet to come, changes nothing.
    RefusesAnOldRevision,
    /// What is over, of two thousand owners, is found again a year later, or the store says that it has
    /// [forgotten](SessionStore::forgotten) it.
    RemembersWhatIsOver,
    /// Thousands of random steps have the outcome that they have on a plain map.
    TellsTheHistoryOfAPlainMap,
    /// A touch begins a provisional session, makes its activity later, never earlier, and
    /// leaves alone what is over, gone, or another session by now. The revision stays.
    TouchesTheLiving,
}

impl StorePromise {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::BeginsASessionOnce,
        Self::BeginsEmpty,
        Self::ChecksWhatItLoads,
        Self::CommitsAllOrNothing,
        Self::CommitsOneOfManyAtOnce,
        Self::HoldsManyOwners,
        Self::KeepsOwnersApart,
        Self::KeepsWhatIsPut,
        Self::LosesNoEnd,
        Self::LosesNoTouch,
        Self::MeetsNoRevisionTwice,
        Self::RefusesAnOldRevision,
        Self::RemembersWhatIsOver,
        Self::TellsTheHistoryOfAPlainMap,
        Self::TouchesTheLiving,
    ];

    /// Makes a store inside a runtime, and puts it to the test.
    ///
    /// # Panics
    ///
    /// The store breaks the promise. Or this is called inside a runtime.
    pub fn prove<S: SessionStore>(self, store: impl Future<Output = S>) {
        match self {
            Self::BeginsASessionOnce => prove(store, races::begins_a_session_once),
            Self::BeginsEmpty => prove(store, begins_empty),
            Self::ChecksWhatItLoads => prove(store, checks_what_it_loads),
            Self::CommitsAllOrNothing => prove(store, commits_all_or_nothing),
            Self::CommitsOneOfManyAtOnce => prove(store, races::commits_one_of_many_at_once),
            Self::HoldsManyOwners => prove(store, holds_many_owners),
            Self::KeepsOwnersApart => prove(store, keeps_owners_apart),
            Self::KeepsWhatIsPut => prove(store, keeps_what_is_put),
            Self::LosesNoEnd => prove(store, races::loses_no_end),
            Self::LosesNoTouch => prove(store, loses_no_touch),
            Self::MeetsNoRevisionTwice => prove(store, meets_no_revision_twice),
            Self::RefusesAnOldRevision => prove(store, refuses_an_old_revision),
            Self::RemembersWhatIsOver => prove(store, remembers_what_is_over),
            Self::TellsTheHistoryOfAPlainMap => prove(store, history::is_that_of_a_plain_map),
            Self::TouchesTheLiving => prove(store, touches_the_living),
        }
    }
}

async fn begins_empty<S: SessionStore>(store: Arc<S>) {
    assert_eq!(load(&*store, owner(1)).await, Sessions::default());
    assert_eq!(look(&*store, owner(1), key(1)).await, None);
}

async fn checks_what_it_loads<S: SessionStore>(store: Arc<S>) {
    put(&*store, 1, 5).await;
    let loaded = load(&*store, owner(1)).await;
    for number in 0..6 {
        let found = look(&*store, owner(1), key(number)).await;
        assert_eq!(found.as_ref(), loaded.get(key(number)), "key {number}");
    }
}

async fn commits_all_or_nothing<S: SessionStore>(store: Arc<S>) {
    let changes = vec![
        Change::Put(record(1, 1)),
        Change::Put(record(2, 2)),
        Change::Put(record(1, 3)),
        Change::Remove(key(2)),
        Change::Remove(key(7)),
    ];
    let done = commit(&*store, owner(1), Revision::default(), changes).await;
    assert_eq!(done, Commit::Done);
    let sessions = load(&*store, owner(1)).await;
    assert_eq!(
        sessions.records,
        [record(1, 3)],
        "the changes, in their order"
    );
    assert_eq!(sessions.revision, Revision::default().next());
    let both = vec![Change::Put(record(4, 4)), Change::Remove(key(1))];
    let late = commit(&*store, owner(1), Revision::default(), both).await;
    assert_eq!(late, Commit::Conflict);
    assert_eq!(load(&*store, owner(1)).await, sessions, "nothing of it");
}

async fn holds_many_owners<S: SessionStore>(store: Arc<S>) {
    put(&*store, u128::MAX, 300).await;
    for number in 0..2000 {
        let changes = vec![Change::Put(record(number % 3, number))];
        let outcome = commit(&*store, owner(number), Revision::default(), changes).await;
        assert_eq!(outcome, Commit::Done, "owner {number}");
    }
    for number in 0..2000 {
        let found = look(&*store, owner(number), key(number % 3)).await;
        assert_eq!(found, Some(record(number % 3, number)), "owner {number}");
    }
    let many = load(&*store, owner(u128::MAX)).await.records.len();
    assert_eq!(many, 300, "the sessions of one owner");
}

async fn keeps_owners_apart<S: SessionStore>(store: Arc<S>) {
    // Every bit of a key counts, of an owner's and of a session's.
    let alike: Vec<u128> = (0..128).map(|bit| 1 << bit).collect();
    for &number in &alike {
        let changes = vec![Change::Put(record(number, number))];
        let outcome = commit(&*store, owner(!number), Revision::default(), changes).await;
        assert_eq!(outcome, Commit::Done, "owner {:032x}", !number);
    }
    let all = alike
        .iter()
        .map(|&number| Change::Put(record(number, !number)));
    commit(&*store, owner(0), Revision::default(), all.collect()).await;
    for &number in &alike {
        let found = load(&*store, owner(!number)).await.records;
        assert_eq!(found, [record(number, number)], "owner {:032x}", !number);
        let found = look(&*store, owner(0), key(number)).await;
        assert_eq!(found, Some(record(number, !number)), "key {number:032x}");
    }
    put(&*store, 1, 1).await;
    assert_eq!(look(&*store, owner(2), key(0)).await, None);
    let other = vec![Change::Put(record(0, 9))];
    commit(&*store, owner(2), Revision::default(), other).await;
    touch(&*store, owner(2), &record(0, 9), START + SECOND).await;
    assert_eq!(look(&*store, owner(1), key(0)).await, Some(record(0, 0)));
    let removal = vec![Change::Remove(key(0))];
    commit(&*store, owner(2), Revision::default().next(), removal).await;
    assert_eq!(look(&*store, owner(2), key(0)).await, None);
    assert_eq!(look(&*store, owner(1), key(0)).await, Some(record(0, 0)));
}

async fn keeps_what_is_put<S: SessionStore>(store: Arc<S>) {
    let mut data = SessionData::new();
    data.insert("empty", *b"");
    data.insert("every byte", (0..=255).collect::<Vec<u8>>());
    let mut whole = record(u128::MAX, u128::MAX - 1);
    // Times are kept to the millisecond.
    whole.opened_at = START + 3 * MILLI;
    whole.active_at = START + 5 * MILLI;
    whole.ends_at = START + 86_400 * SECOND + 7 * MILLI;
    whole.authenticated_at = Some(START - SECOND - 11 * MILLI);
    whole.barred_until = Some(START - 2 * SECOND);
    whole.state = SessionState::Ended(START + SECOND + 13 * MILLI, EndReason::Revoked);
    whole.binding.ipv4 = NonZeroU32::new(u32::MAX);
    whole.binding.ipv6 = NonZeroU32::new(1);
    whole.binding.user_agent = NonZeroU64::new(u64::MAX);
    whole.binding.device = NonZeroU64::new(1);
    whole.binding.authenticated_at = START - 3 * SECOND;
    whole.data = Some(Arc::new(StoredData::Plain(data)));
    let mut sealed = whole.clone();
    let bytes = (0..=255).rev().collect::<Box<[u8]>>();
    sealed.data = Some(Arc::new(StoredData::Sealed(bytes)));
    let mut provisional = record(0, 0);
    provisional.state = SessionState::Provisional(START + 5 * SECOND);
    let kinds = [
        EvidenceKind::Client,
        EvidenceKind::Standing,
        EvidenceKind::User,
    ];
    let others = kinds.into_iter().zip([1, 77, 86_400]).map(|(kind, idle)| {
        let (template, idle) = (record(3, 3), idle * SECOND);
        let end = template.ends_at;
        SessionRecord::new(
            template.key,
            template.family,
            template.id,
            kind,
            START,
            idle,
            end,
        )
    });
    let reasons = [
        EndReason::Abandoned,
        EndReason::Absolute,
        EndReason::CredentialExpired,
        EndReason::Ended,
        EndReason::Idle,
        EndReason::Revoked,
    ];
    let ended = reasons.map(|reason| {
        let mut ended = record(4, 4);
        ended.state = SessionState::Ended(START, reason);
        ended
    });
    for record in [whole, sealed, provisional]
        .into_iter()
        .chain(others)
        .chain(ended)
    {
        let before = load(&*store, owner(u128::MAX)).await.revision;
        let changes = vec![Change::Put(record.clone())];
        commit(&*store, owner(u128::MAX), before, changes).await;
        let found = look(&*store, owner(u128::MAX), record.key).await;
        assert_eq!(found, Some(record));
    }
}

async fn loses_no_touch<S: SessionStore>(store: Arc<S>) {
    put(&*store, 1, 1).await;
    let mut loaded = load(&*store, owner(1)).await;
    touch(&*store, owner(1), &record(0, 0), START + 9 * SECOND).await;
    let Some(mut changed) = loaded.records.pop() else {
        return assert!(!loaded.records.is_empty(), "the session is there");
    };
    changed.authenticated_at = Some(START);
    let changes = vec![Change::Put(changed)];
    let outcome = commit(&*store, owner(1), loaded.revision, changes).await;
    assert_eq!(
        outcome,
        Commit::Done,
        "a touch is no change of the revision"
    );
    let found = look(&*store, owner(1), key(0)).await;
    let active_at = found.as_ref().map(|record| record.active_at);
    assert_eq!(active_at, Some(START + 9 * SECOND), "the touch is kept");
    assert_eq!(
        found.and_then(|record| record.authenticated_at),
        Some(START)
    );
}

async fn meets_no_revision_twice<S: SessionStore>(store: Arc<S>) {
    let mut past = Vec::new();
    for life in 0..3 {
        let before = load(&*store, owner(1)).await;
        assert_eq!(before.records, [], "life {life}");
        for old in &past {
            let late = vec![Change::Put(record(0, 99))];
            let outcome = commit(&*store, owner(1), *old, late).await;
            assert_eq!(
                outcome,
                Commit::Conflict,
                "what was loaded before another life"
            );
        }
        let born = vec![Change::Put(record(0, life))];
        let outcome = commit(&*store, owner(1), before.revision, born).await;
        assert_eq!(outcome, Commit::Done, "life {life}");
        let alive = load(&*store, owner(1)).await.revision;
        for old in &past {
            let late = vec![Change::Put(record(0, 99))];
            let outcome = commit(&*store, owner(1), *old, late).await;
            assert_eq!(outcome, Commit::Conflict, "what was loaded in another life");
        }
        past.extend([before.revision, alive]);
        let gone = vec![Change::Remove(key(0))];
        let outcome = commit(&*store, owner(1), alive, gone).await;
        assert_eq!(outcome, Commit::Done, "life {life}");
    }
}

async fn remembers_what_is_over<S: SessionStore>(store: Arc<S>) {
    const YEAR: Duration = Duration::from_secs(366 * 86_400);
    let authenticated_at = |number: u64| START - Duration::from_secs(2000 - number);
    let over = |number: u64| {
        let mut record = record(0, number.into());
        record.authenticated_at = Some(authenticated_at(number));
        // Every other one was ended; the others will be idle.
        if number.is_multiple_of(2) {
            record.state = SessionState::Ended(START, EndReason::Ended);
        }
        record
    };
    // A store that is full may refuse them, but what it has taken it has to remember.
    let mut taken = Vec::new();
    for number in 0..2000 {
        let changes = vec![Change::Put(over(number))];
        let revision = load(&*store, owner(number.into())).await.revision;
        if commit(&*store, owner(number.into()), revision, changes).await == Commit::Done {
            taken.push(number);
        }
    }
    // A year later somebody else comes by, and the store has reason to tidy up.
    for number in 2000..4000 {
        let mut late = record(0, 0);
        late.active_at = START + YEAR;
        late.ends_at = START + 2 * YEAR;
        let changes = vec![Change::Put(late)];
        let revision = load(&*store, owner(number)).await.revision;
        commit_at(&*store, owner(number), revision, changes, START + YEAR).await;
    }
    for number in taken {
        let found = look(&*store, owner(number.into()), key(0)).await;
        let is_known = found == Some(over(number));
        let is_owned_up_to = store
            .forgotten(owner(number.into()))
            .is_some_and(|until| until >= authenticated_at(number));
        assert!(
            is_known || is_owned_up_to,
            "owner {number}: it is gone, and nothing says so: {found:?}"
        );
    }
}

async fn refuses_an_old_revision<S: SessionStore>(store: Arc<S>) {
    put(&*store, 1, 3).await;
    let before = load(&*store, owner(1)).await;
    for wrong in [Revision::default(), before.revision.next()] {
        let changes = vec![Change::Put(record(9, 9)), Change::Remove(key(0))];
        let outcome = commit(&*store, owner(1), wrong, changes).await;
        assert_eq!(outcome, Commit::Conflict);
        assert_eq!(load(&*store, owner(1)).await, before);
    }
    let stranger = commit(&*store, owner(2), before.revision, Vec::new()).await;
    assert_eq!(stranger, Commit::Conflict, "an owner that is not known");
}

async fn touches_the_living<S: SessionStore>(store: Arc<S>) {
    let mut provisional = record(1, 1);
    provisional.state = SessionState::Provisional(START + SECOND);
    let mut ended = record(2, 2);
    ended.state = SessionState::Ended(START, EndReason::Ended);
    let changes = vec![
        Change::Put(provisional.clone()),
        Change::Put(ended.clone()),
        Change::Put(record(3, 3)),
    ];
    commit(&*store, owner(1), Revision::default(), changes).await;
    let mut renamed = record(3, 3);
    renamed.id = SessionId::from_u128(33);
    for (record, at) in [
        (&provisional, START),
        (&ended, START + SECOND),
        (&record(3, 3), START + 8 * SECOND),
        (&record(3, 3), START + 5 * SECOND),
        (&renamed, START + 9 * SECOND),
        (&record(3, 3), START + 7200 * SECOND),
        (&record(4, 4), START + SECOND),
    ] {
        touch(&*store, owner(1), record, at).await;
    }
    touch(&*store, owner(2), &record(3, 3), START + 9 * SECOND).await;
    assert_eq!(
        load(&*store, owner(1)).await.revision,
        Revision::default().next()
    );
    let begun = look(&*store, owner(1), key(1)).await;
    assert_eq!(begun.map(|found| found.state), Some(SessionState::Live));
    assert_eq!(look(&*store, owner(1), key(2)).await, Some(ended));
    let active_at = look(&*store, owner(1), key(3))
        .await
        .map(|found| found.active_at);
    assert_eq!(active_at, Some(START + 8 * SECOND));
    assert_eq!(look(&*store, owner(1), key(4)).await, None);
}

/// Gives an owner so many sessions.
async fn put(store: &impl SessionStore, number: u128, count: u128) {
    let changes = (0..count).map(|n| Change::Put(record(n, n))).collect();
    let outcome = commit(store, owner(number), Revision::default(), changes).await;
    assert_eq!(outcome, Commit::Done);
}
