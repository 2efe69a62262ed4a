//! What a store has lately said of credentials.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use portcullis_core::{Evidence, RevokedKey, Timestamp};

use crate::{
    cache::{Answer, Bounds, Current, Kept, Mark, Marks},
    signal::Signals,
    tasks::Tasks,
    time::Time,
};

/// What a store has lately said of credentials: the latest cut-off under all keys of one, which is
/// what it is asked for, or that there is none. It only lets in: whatever would be refused by it is
/// asked of the store.
pub(crate) struct RevocationCache {
    marks: Arc<Marks>,
    kept: Kept<Keys, Option<Timestamp>>,
    /// The same, by the evidence itself, for authenticators that hand out the same each time: then
    /// its keys need not be made.
    of_evidence: Kept<usize, Known>,
    current: Current,
    max_age: Duration,
}

type Keys = Arc<[RevokedKey]>;

struct Known {
    /// While this is here, nothing else can be in its place.
    evidence: Weak<Evidence>,
    keys: Keys,
    cut_off: Option<Timestamp>,
}

/// A question to the store that is about to be asked.
pub(super) struct Asking<'a> {
    cache: &'a RevocationCache,
    mark: Mark,
    at: Timestamp,
}

impl RevocationCache {
    pub(super) fn new(bounds: &Bounds, signals: &Arc<Signals>, time: Time, tasks: Tasks) -> Self {
        let marks = Arc::new(Marks::new(bounds.entries));
        let listener: Weak<Marks> = Arc::downgrade(&marks);
        signals.subscribe(listener);
        Self {
            marks,
            kept: Kept::new(bounds.entries),
            of_evidence: Kept::new(bounds.entries),
            current: Current::new(Arc::clone(signals), time, tasks, bounds.max_unheard),
            max_age: bounds.max_age,
        }
    }

    /// What is known of evidence, if it still counts. `now` is steady time.
    pub(super) fn get_of(
        &self,
        evidence: &Arc<Evidence>,
        now: Timestamp,
    ) -> Option<Option<Timestamp>> {
        // First: what the bus vouches for has changed the marks by then.
        if !self.current.is_at(now) {
            return None;
        }
        let place = place_of(evidence);
        let read = |answer: &Answer<usize, Known>| {
            let known = &answer.value;
            let is_it = std::ptr::eq(known.evidence.as_ptr(), Arc::as_ptr(evidence));
            let is_good = is_it && answer.is_good(self.mark(&known.keys));
            is_good.then_some(known.cut_off)
        };
        self.of_evidence
            .get(place as u128, &place, now, self.max_age, read)
    }

    /// What is known of a credential with these keys, if it still counts. `now` is steady time.
    pub(super) fn get(&self, keys: &[RevokedKey], now: Timestamp) -> Option<Option<Timestamp>> {
        if !self.current.is_at(now) {
            return None;
        }
        let mark = self.mark(keys);
        self.kept
            .get(bits(keys), keys, now, self.max_age, |answer| {
                answer.is_good(mark).then_some(answer.value)
            })
    }

    /// The store is about to be asked for these keys. `now` is steady time.
    pub(super) fn ask(&self, keys: &[RevokedKey], now: Timestamp) -> Asking<'_> {
        Asking {
            cache: self,
            mark: self.mark(keys),
            at: now,
        }
    }

    /// What is known of credentials with this key is of no use any more.
    pub(super) fn forget(&self, key: RevokedKey) {
        self.marks.change(key.as_u128());
    }

    fn mark(&self, keys: &[RevokedKey]) -> Mark {
        self.marks.of(keys.iter().map(|key| key.as_u128()))
    }
}

impl Asking<'_> {
    /// Keeps what the store has said.
    pub(super) fn keep(
        self,
        evidence: Option<&Arc<Evidence>>,
        keys: &[RevokedKey],
        cut_off: Option<Timestamp>,
    ) {
        let Self { cache, mark, at } = self;
        let keys: Keys = keys.into();
        if let Some(evidence) = evidence {
            let place = place_of(evidence);
            let known = Known {
                evidence: Arc::downgrade(evidence),
                keys: Arc::clone(&keys),
                cut_off,
            };
            cache
                .of_evidence
                .keep(place as u128, place, known, mark, at);
        }
        cache.kept.keep(bits(&keys), keys, cut_off, mark, at);
    }
}

fn place_of(evidence: &Arc<Evidence>) -> usize {
    Arc::as_ptr(evidence).addr()
}

/// Where a credential is kept. Keys are hashes, and the list is compared as a whole.
fn bits(keys: &[RevokedKey]) -> u128 {
    let keys = keys.iter();
    keys.fold(0, |bits, key| bits.rotate_left(1) ^ key.as_u128())
}

#[cfg(test)]
mod tests {
    use portcullis_core::{EvidenceKind, Signal, SystemClock};

    use super::*;
    use crate::signal::MemorySignals;

    const KEYS: [RevokedKey; 2] = [RevokedKey::from_u128(1), RevokedKey::from_u128(2)];

    fn evidence() -> Arc<Evidence> {
        Arc::new(Evidence::new(EvidenceKind::User, "i", "s"))
    }

    async fn caught_up() -> (RevocationCache, Arc<Signals>, Timestamp) {
        let signals = Arc::new(Signals::new(Arc::new(MemorySignals::new())));
        let time = Time::new(Arc::new(SystemClock::new()));
        let bounds = Bounds {
            entries: 100,
            max_unheard: Duration::from_secs(2),
            max_age: Duration::from_secs(15),
        };
        let now = time.steady();
        let cache = RevocationCache::new(&bounds, &signals, time, Tasks::default());
        assert_eq!(cache.get(&KEYS, now), None);
        signals.catch_up(now).await;
        (cache, signals, now)
    }

    #[tokio::test]
    async fn what_is_known_is_known_of_the_same_evidence_and_of_the_same_keys() {
        let (cache, signals, now) = caught_up().await;
        let evidence = evidence();
        let cut_off = Some(now);
        cache.ask(&KEYS, now).keep(Some(&evidence), &KEYS, cut_off);
        assert_eq!(cache.get_of(&evidence, now), Some(cut_off));
        assert_eq!(cache.get(&KEYS, now), Some(cut_off));
        let [one, other] = KEYS;
        for keys in [&[one][..], &[other, one], &[one, other, one]] {
            assert_eq!(cache.get(keys, now), None, "{keys:?}");
        }
        let same = Arc::new(Evidence::clone(&evidence));
        assert_eq!(cache.get_of(&same, now), None);
        // Each of its keys counts.
        signals.publish(&[Signal::Revoked(other)]).await;
        assert_eq!(cache.get_of(&evidence, now), None);
        assert_eq!(cache.get(&KEYS, now), None);
        cache.ask(&KEYS, now).keep(Some(&evidence), &KEYS, None);
        assert_eq!(cache.get_of(&evidence, now), Some(None));
        cache.forget(one);
        assert_eq!(cache.get_of(&evidence, now), None);
    }

    /// What is let go of leaves its place to others.
    #[tokio::test]
    async fn other_evidence_is_not_taken_for_what_was_in_its_place() {
        let (cache, _signals, now) = caught_up().await;
        for _ in 0..1000 {
            let gone = evidence();
            cache.ask(&KEYS, now).keep(Some(&gone), &KEYS, None);
            drop(gone);
            assert_eq!(cache.get_of(&evidence(), now), None);
        }
    }

    #[tokio::test]
    async fn an_answer_that_was_on_its_way_is_not_good() {
        let (cache, signals, now) = caught_up().await;
        let asking = cache.ask(&KEYS, now);
        signals.publish(&[Signal::Revoked(KEYS[0])]).await;
        asking.keep(Some(&evidence()), &KEYS, None);
        assert_eq!(cache.get(&KEYS, now), None);
    }
}
