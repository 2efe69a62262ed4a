//! Random steps on a store, beside the same steps on a plain map.

use std::{collections::HashMap, sync::Arc, time::Duration};

use portcullis_core::{
    Change, Commit, EndReason, OwnerKey, Revision, SessionId, SessionKey, SessionRecord,
    SessionState, SessionStore, Sessions,
};

use super::{START, commit, key, load, look, owner, record, touch};

const STEPS: u32 = 4000;
const OWNERS: u64 = 4;
const KEYS: u64 = 6;

pub(super) async fn is_that_of_a_plain_map<S: SessionStore>(store: Arc<S>) {
    let mut model: HashMap<OwnerKey, Sessions> = HashMap::new();
    // What was there at each revision, without what touches change.
    let mut past: HashMap<(OwnerKey, Revision), Vec<(SessionKey, SessionId)>> = HashMap::new();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for step in 0..STEPS {
        let owner = owner(dice.below(OWNERS).into());
        let expected = model.entry(owner).or_default();
        if expected.records.is_empty() {
            // One who is not known has another each time that a store has forgotten somebody.
            expected.revision = load(&*store, owner).await.revision;
        }
        match dice.below(4) {
            0 => {
                let record = dice.record();
                let at = START + Duration::from_secs(dice.below(100));
                let begins = touch(&*store, owner, &record, at).await;
                let found = expected.get_mut(record.key);
                let wanted = found.is_some_and(|found| found.touch(record.id, at));
                assert_eq!(begins, wanted, "step {step}: whether it begins");
            }
            1 => {
                let key = key(dice.below(KEYS).into());
                let found = look(&*store, owner, key).await;
                assert_eq!(found.as_ref(), expected.get(key), "step {step}");
            }
            _ => {
                let others = past.keys().filter(|(of, _)| *of == owner);
                let earlier = others.map(|(_, revision)| *revision).max();
                let revision = match earlier {
                    Some(earlier) if dice.below(4) == 0 => {
                        Revision::from_u64(dice.below(1 + earlier.as_u64()))
                    }
                    _ => expected.revision,
                };
                let changes: Vec<_> = (0..dice.below(4)).map(|_| dice.change()).collect();
                let outcome = commit(&*store, owner, revision, changes.clone()).await;
                if revision == expected.revision {
                    expected.apply(changes);
                    assert_eq!(outcome, Commit::Done, "step {step}");
                    expected.revision = load(&*store, owner).await.revision;
                } else {
                    assert_eq!(outcome, Commit::Conflict, "step {step}");
                }
            }
        }
        let found = sorted(load(&*store, owner).await);
        assert_eq!(found, sorted(expected.clone()), "step {step}");
        let names: Vec<_> = found
            .records
            .iter()
            .map(|record| (record.key, record.id))
            .collect();
        let before = past
            .entry((owner, found.revision))
            .or_insert_with(|| names.clone());
        assert_eq!(
            *before, names,
            "step {step}: a revision that was there before"
        );
    }
}

/// A store may give records in any order.
fn sorted(mut sessions: Sessions) -> Sessions {
    sessions.records.sort_by_key(|record| record.key);
    sessions
}

/// Chance that is the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }

    fn change(&mut self) -> Change {
        if self.below(3) == 0 {
            return Change::Remove(key(self.below(KEYS).into()));
        }
        let mut record = self.record();
        record.state = match self.below(3) {
            0 => SessionState::Provisional(START + Duration::from_secs(self.below(100))),
            1 => SessionState::Ended(START, EndReason::Idle),
            _ => SessionState::Live,
        };
        Change::Put(record)
    }

    fn record(&mut self) -> SessionRecord {
        record(self.below(KEYS).into(), self.below(3).into())
    }
}
