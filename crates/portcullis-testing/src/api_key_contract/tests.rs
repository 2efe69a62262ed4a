//! The contract finds out stores that break it.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use portcullis_core::StoreError;

use super::*;

/// A correct store, and what may be wrong with it.
#[derive(Default)]
struct Plain {
    all: Mutex<BTreeMap<String, StoredKey>>,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Flaw {
    ChecksAnOldCopy,
    CountsNoRevisions,
    CutsLists,
    DropsTheSuperseded,
    FoldsCase,
    ForgetsLastUse,
    IgnoresRevisions,
    KeepsFew,
    KeepsTheEarliestUse,
    LeavesOutTheRevoked,
    LeavesRemoved,
    ListsByPattern,
    ListsFromTheStart,
    ListsInclusive,
    LooksThenPuts,
    LosesScopes,
    MakesKeysByUse,
    MergesOldAndNew,
    #[default]
    None,
    RemovesWhatever,
    RoundsTimes,
    TouchesByReadAndWrite,
    TouchesRevisions,
    UpsertsTheUnknown,
}

const FLAWS: [Flaw; 23] = [
    Flaw::ChecksAnOldCopy,
    Flaw::CountsNoRevisions,
    Flaw::CutsLists,
    Flaw::DropsTheSuperseded,
    Flaw::FoldsCase,
    Flaw::ForgetsLastUse,
    Flaw::IgnoresRevisions,
    Flaw::KeepsFew,
    Flaw::KeepsTheEarliestUse,
    Flaw::LeavesOutTheRevoked,
    Flaw::LeavesRemoved,
    Flaw::ListsByPattern,
    Flaw::ListsFromTheStart,
    Flaw::ListsInclusive,
    Flaw::LooksThenPuts,
    Flaw::LosesScopes,
    Flaw::MakesKeysByUse,
    Flaw::MergesOldAndNew,
    Flaw::RemovesWhatever,
    Flaw::RoundsTimes,
    Flaw::TouchesByReadAndWrite,
    Flaw::TouchesRevisions,
    Flaw::UpsertsTheUnknown,
];

impl Plain {
    fn with(flaw: Flaw) -> Self {
        Self {
            all: Mutex::default(),
            flaw,
        }
    }

    fn name(&self, id: &str) -> String {
        match self.flaw {
            Flaw::FoldsCase => id.to_lowercase(),
            _ => id.to_owned(),
        }
    }

    /// Long enough for another thread to come in between.
    fn dawdle() {
        (0..20).for_each(|_| std::thread::yield_now());
    }

    /// The key as this store would write it.
    fn written(&self, key: StoredKey, before: Option<&StoredKey>) -> StoredKey {
        let grant = key.grant().clone();
        let key = match self.flaw {
            Flaw::DropsTheSuperseded => key.without_superseded(),
            Flaw::LosesScopes => key.with_grant(grant.with_scopes(Scopes::default())),
            Flaw::RoundsTimes => match key.issued_at() {
                Some(time) => key.with_issued_at(Timestamp::from_unix_seconds(time.unix_seconds())),
                None => key,
            },
            Flaw::MergesOldAndNew => match before.and_then(StoredKey::revoked_at) {
                Some(time) => key.with_revoked_at(time),
                None => key,
            },
            _ => key,
        };
        let used = before.and_then(StoredKey::last_used_at);
        match used.max(key.last_used_at()) {
            Some(time) if self.flaw != Flaw::ForgetsLastUse => key.with_last_used_at(time),
            _ => key,
        }
    }
}

impl ApiKeyStore for Plain {
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>> {
        if self.flaw != Flaw::ChecksAnOldCopy {
            return Check::NeedsIo;
        }
        let found = self.all.lock().unwrap().get(id).cloned();
        let first = found.filter(|key| key.revision() == Revision::default().next());
        Check::Done(first.map(Arc::new))
    }

    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        let found = self.all.lock().unwrap().get(&self.name(id)).cloned();
        Ok(found.map(Arc::new))
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let all = self.all.lock().unwrap();
        let is_behind = |id: &str| match (self.flaw, after) {
            (Flaw::ListsFromTheStart, _) | (_, None) => true,
            (Flaw::ListsInclusive, Some(after)) => id >= after,
            (_, Some(after)) => id > after,
        };
        let is_his = |key: &StoredKey| match self.flaw {
            Flaw::ListsByPattern => key.grant().subject().starts_with(owner),
            _ => key.grant().subject() == owner,
        };
        let listed = all
            .values()
            .filter(|key| is_behind(key.id()) && is_his(key));
        let listed = listed
            .filter(|key| self.flaw != Flaw::LeavesOutTheRevoked || key.revoked_at().is_none());
        let most = if self.flaw == Flaw::CutsLists {
            3
        } else {
            limit
        };
        Ok(listed.take(limit.min(most)).cloned().collect())
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        let name = self.name(key.id());
        let of = |all: &BTreeMap<String, StoredKey>| {
            all.get(&name).map(StoredKey::revision).unwrap_or_default()
        };
        let early = of(&self.all.lock().unwrap());
        if self.flaw == Flaw::LooksThenPuts {
            Self::dawdle();
        }
        let mut all = self.all.lock().unwrap();
        let revision = match self.flaw {
            Flaw::LooksThenPuts => early,
            Flaw::IgnoresRevisions => key.revision(),
            Flaw::UpsertsTheUnknown if !all.contains_key(&name) => key.revision(),
            _ => of(&all),
        };
        if revision != key.revision() {
            return Ok(Commit::Conflict);
        }
        if self.flaw == Flaw::KeepsFew && all.len() > 400 {
            return Ok(Commit::Full);
        }
        let next = match self.flaw {
            Flaw::CountsNoRevisions => revision,
            _ => revision.next(),
        };
        let key = self.written(key, all.get(&name)).with_revision(next);
        all.insert(name, key);
        Ok(Commit::Done)
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        let mut all = self.all.lock().unwrap();
        let revision = all.get(id).map(StoredKey::revision).unwrap_or_default();
        if revision != expected && self.flaw != Flaw::RemovesWhatever {
            return Ok(Commit::Conflict);
        }
        if self.flaw != Flaw::LeavesRemoved {
            all.remove(id);
        }
        Ok(Commit::Done)
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let name = self.name(id);
        let early = self.all.lock().unwrap().get(&name).cloned();
        if self.flaw == Flaw::TouchesByReadAndWrite {
            Self::dawdle();
        }
        let mut all = self.all.lock().unwrap();
        if self.flaw == Flaw::MakesKeysByUse && !all.contains_key(&name) {
            all.insert(name.clone(), plain(id, "alice"));
        }
        let kept = match self.flaw {
            Flaw::TouchesByReadAndWrite => early,
            _ => all.get(&name).cloned(),
        };
        let Some(key) = kept else { return Ok(()) };
        let before = key.last_used_at().unwrap_or(at);
        let used = match self.flaw {
            Flaw::KeepsTheEarliestUse => before.min(at),
            _ => before.max(at),
        };
        let revision = match self.flaw {
            Flaw::TouchesRevisions => key.revision().next(),
            _ => key.revision(),
        };
        all.insert(name, key.with_last_used_at(used).with_revision(revision));
        Ok(())
    }
}

#[test]
fn a_correct_store_keeps_every_promise() {
    for promise in ApiKeyPromise::ALL {
        promise.prove(async { Plain::default() });
    }
}

#[test]
fn every_flaw_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let unfound: Vec<_> = FLAWS
        .into_iter()
        .filter(|&flaw| {
            let holds = |promise: &ApiKeyPromise| {
                let promise = *promise;
                let proof = || promise.prove(async { Plain::with(flaw) });
                catch_unwind(AssertUnwindSafe(proof)).is_ok()
            };
            let is_race = matches!(flaw, Flaw::LooksThenPuts | Flaw::TouchesByReadAndWrite);
            // A flaw of a race shows in one of some runs.
            let tries = if is_race { 50 } else { 1 };
            (0..tries).all(|_| ApiKeyPromise::ALL.iter().all(holds))
        })
        .collect();
    drop(std::panic::take_hook());
    assert!(unfound.is_empty(), "{unfound:?}");
}
