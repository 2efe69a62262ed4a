//! The contract finds out stores that break it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use portcullis_core::{
    BindingReference, Change, Commit, Revision, SessionId, SessionKey, SessionRecord, SessionStore,
    Sessions, StoreError,
};

use super::*;

/// A correct store, and what may be wrong with it.
#[derive(Default)]
struct Plain {
    all: Mutex<HashMap<OwnerKey, Sessions>>,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Flaw {
    #[default]
    None,
    CommitsAnyRevision,
    CommitsHalf,
    ForgetsBinding,
    ForgetsData,
    ForgetsTheEmpty,
    ForgetsTheOld,
    ForgetsWhenFull,
    ForgetsTouchOnCommit,
    IgnoresHalfOfAnOwner,
    IgnoresOwner,
    IgnoresRevisionOfStrangers,
    KeepsRevision,
    LoadsThenCommits,
    Overflows,
    StaleCheck,
    SecondsOnly,
    TouchAlwaysBegins,
    TouchGoesBack,
    TouchNeverBegins,
    TouchReadsThenWrites,
    TouchRaisesRevision,
    TouchWakesTheDead,
}

impl Plain {
    fn with(flaw: Flaw) -> Self {
        Self {
            all: Mutex::default(),
            flaw,
        }
    }

    fn owner(&self, owner: OwnerKey) -> OwnerKey {
        match self.flaw {
            Flaw::IgnoresHalfOfAnOwner => {
                OwnerKey::from_u128(owner.as_u128() & u128::from(u64::MAX))
            }
            Flaw::IgnoresOwner => OwnerKey::from_u128(0),
            _ => owner,
        }
    }
}

impl SessionStore for Plain {
    fn check(&self, owner: OwnerKey, key: SessionKey) -> Check<Option<SessionRecord>> {
        if self.flaw != Flaw::StaleCheck {
            return Check::NeedsIo;
        }
        let all = self.all.lock().unwrap();
        let found = all
            .get(&owner)
            .and_then(|sessions| sessions.get(key))
            .cloned();
        Check::Done(found.filter(|_| key.as_u128() < 4))
    }

    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let all = self.all.lock().unwrap();
        Ok(all.get(&self.owner(owner)).cloned().unwrap_or_default())
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        mut changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let is_expected = |all: &HashMap<OwnerKey, Sessions>| match all.get(&self.owner(owner)) {
            Some(sessions) => sessions.revision == expected,
            None => {
                self.flaw == Flaw::IgnoresRevisionOfStrangers || expected == Revision::default()
            }
        };
        let is_expected_before = is_expected(&self.all.lock().unwrap());
        if self.flaw == Flaw::LoadsThenCommits {
            // Long enough for another thread to come in between.
            (0..20).for_each(|_| std::thread::yield_now());
        }
        let mut all = self.all.lock().unwrap();
        if self.flaw == Flaw::Overflows && all.len() > 1000 {
            return Ok(Commit::Full);
        }
        let is_expected = match self.flaw {
            Flaw::CommitsAnyRevision => true,
            Flaw::LoadsThenCommits => is_expected_before,
            _ => is_expected(&all),
        };
        let sessions = all.entry(self.owner(owner)).or_default();
        if !is_expected {
            if self.flaw == Flaw::CommitsHalf {
                changes.truncate(1);
                sessions.apply(changes);
            }
            return Ok(Commit::Conflict);
        }
        for change in &mut changes {
            let Change::Put(record) = change else {
                continue;
            };
            if self.flaw == Flaw::ForgetsBinding {
                record.binding = BindingReference::default();
            }
            if self.flaw == Flaw::ForgetsData {
                record.data = None;
            }
            if self.flaw == Flaw::SecondsOnly {
                record.opened_at = Timestamp::from_unix_seconds(record.opened_at.unix_seconds());
            }
            if self.flaw == Flaw::ForgetsTouchOnCommit {
                sessions.records.retain(|old| old.key != record.key);
            }
        }
        let revision = sessions.revision;
        sessions.apply(changes);
        if self.flaw == Flaw::KeepsRevision {
            sessions.revision = revision;
        }
        if self.flaw == Flaw::ForgetsTheEmpty && sessions.records.is_empty() {
            all.remove(&self.owner(owner));
        }
        if self.flaw == Flaw::ForgetsWhenFull && all.len() > 3000 {
            all.retain(|_, sessions| sessions.records.iter().any(|old| old.over(now).is_none()));
        }
        if self.flaw == Flaw::ForgetsTheOld {
            let hour = std::time::Duration::from_secs(3600);
            for sessions in all.values_mut() {
                sessions
                    .records
                    .retain(|old| old.over(now - hour).is_none());
            }
        }
        Ok(Commit::Done)
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.flaw == Flaw::TouchReadsThenWrites {
            let mut read = self.load(owner).await?;
            (0..20).for_each(|_| std::thread::yield_now());
            let begins = read.touch(key, id, at);
            self.all.lock().unwrap().insert(owner, read);
            return Ok(begins);
        }
        let mut all = self.all.lock().unwrap();
        let Some(sessions) = all.get_mut(&self.owner(owner)) else {
            return Ok(false);
        };
        if self.flaw == Flaw::TouchRaisesRevision {
            sessions.revision = sessions.revision.next();
        }
        let Some(record) = sessions.get_mut(key) else {
            return Ok(false);
        };
        let begins = record.touch(id, at);
        match self.flaw {
            Flaw::TouchGoesBack => record.active_at = at,
            Flaw::TouchWakesTheDead => {
                record.state = SessionState::Live;
            }
            _ => {}
        }
        Ok(match self.flaw {
            Flaw::TouchAlwaysBegins => true,
            Flaw::TouchNeverBegins => false,
            _ => begins,
        })
    }
}

/// One of several that keep their sessions in the same place, which believes what it has written
/// itself.
struct Caching {
    place: std::sync::Arc<Plain>,
    seen: Mutex<HashMap<OwnerKey, Sessions>>,
}

impl Caching {
    fn new(place: &std::sync::Arc<Plain>) -> Self {
        Self {
            place: std::sync::Arc::clone(place),
            seen: Mutex::default(),
        }
    }
}

impl SessionStore for Caching {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        if let Some(seen) = self.seen.lock().unwrap().get(&owner) {
            return Ok(seen.clone());
        }
        self.place.load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let outcome = self.place.commit(owner, expected, changes, now).await;
        let written = self.place.load(owner).await?;
        self.seen.lock().unwrap().insert(owner, written);
        outcome
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let begins = self.place.touch(owner, key, id, at).await?;
        let written = self.place.load(owner).await?;
        self.seen.lock().unwrap().insert(owner, written);
        Ok(begins)
    }
}

#[test]
fn a_cache_is_found_by_who_asks_two_by_turns() {
    let two = async {
        let place = std::sync::Arc::new(Plain::default());
        ByTurns::new(Caching::new(&place), Caching::new(&place))
    };
    let proof = AssertUnwindSafe(|| StorePromise::TellsTheHistoryOfAPlainMap.prove(two));
    assert!(catch_unwind(proof).is_err());
    let anew = async {
        let place = std::sync::Arc::new(Plain::default());
        Reopened::new(move || Caching::new(&place))
    };
    StorePromise::TellsTheHistoryOfAPlainMap.prove(anew);
}

#[test]
fn a_correct_store_keeps_every_promise() {
    for promise in StorePromise::ALL {
        promise.prove(async { Plain::default() });
    }
}

#[test]
fn every_flaw_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let flaws = [
        Flaw::CommitsAnyRevision,
        Flaw::CommitsHalf,
        Flaw::ForgetsBinding,
        Flaw::ForgetsData,
        Flaw::ForgetsTheEmpty,
        Flaw::ForgetsTheOld,
        Flaw::ForgetsWhenFull,
        Flaw::ForgetsTouchOnCommit,
        Flaw::IgnoresHalfOfAnOwner,
        Flaw::IgnoresOwner,
        Flaw::IgnoresRevisionOfStrangers,
        Flaw::KeepsRevision,
        Flaw::LoadsThenCommits,
        Flaw::Overflows,
        Flaw::SecondsOnly,
        Flaw::StaleCheck,
        Flaw::TouchAlwaysBegins,
        Flaw::TouchGoesBack,
        Flaw::TouchNeverBegins,
        Flaw::TouchReadsThenWrites,
        Flaw::TouchRaisesRevision,
        Flaw::TouchWakesTheDead,
    ];
    let unfound: Vec<_> = flaws
        .into_iter()
        .filter(|&flaw| {
            let holds = |promise: &StorePromise| {
                let promise = *promise;
                let proof = || promise.prove(async { Plain::with(flaw) });
                catch_unwind(AssertUnwindSafe(proof)).is_ok()
            };
            // A flaw of a race shows in one of some runs.
            let is_race = matches!(flaw, Flaw::LoadsThenCommits | Flaw::TouchReadsThenWrites);
            let tries = if is_race { 50 } else { 1 };
            (0..tries).all(|_| StorePromise::ALL.iter().all(holds))
        })
        .collect();
    drop(std::panic::take_hook());
    assert!(unfound.is_empty(), "{unfound:?}");
}
