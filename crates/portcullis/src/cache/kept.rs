//! A table of answers, with room for so many.

use std::{
    borrow::Borrow,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use portcullis_core::{Timestamp, sabotaged};

use super::Mark;
use crate::parts::part_of;

/// How many answers share a lock, and the room that they compete for.
const WAYS: usize = 8;

/// Answers of a store, at most so many: parts of eight, each under a lock of its own. Where a part is
/// full, the answer that was asked for first makes room. None is ever worth more than a question.
#[derive(Debug)]
pub(crate) struct Kept<K, V> {
    parts: Box<[Part<K, V>]>,
    ways: usize,
}

type Part<K, V> = RwLock<Vec<Answer<K, V>>>;

/// An answer that is kept.
#[derive(Debug)]
pub(crate) struct Answer<K, V> {
    key: K,
    pub(crate) value: V,
    mark: Mark,
    /// When the store was asked for it, by steady time.
    pub(crate) at: Timestamp,
}

impl<K, V> Answer<K, V> {
    /// Whether nothing has changed since, where this is the mark of its places now.
    pub(crate) fn is_good(&self, mark: Mark) -> bool {
        self.mark == mark
    }
}

impl<K, V> Kept<K, V> {
    /// With room for so many.
    pub(crate) fn new(entries: usize) -> Self {
        let ways = entries.clamp(1, WAYS);
        let parts = (entries / ways).max(1);
        Self {
            parts: (0..parts).map(|_| RwLock::default()).collect(),
            ways,
        }
    }

    /// What `read` makes of an answer that was asked for less than `max_age` ago. Whether it
    /// [is good](Answer::is_good) is for `read` to say.
    pub(crate) fn get<Q, R>(
        &self,
        bits: u128,
        key: &Q,
        now: Timestamp,
        max_age: Duration,
        read: impl FnOnce(&Answer<K, V>) -> Option<R>,
    ) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let part = self.part(bits)?.read();
        let part = part.unwrap_or_else(PoisonError::into_inner);
        let answer = part.iter().find(|answer| answer.key.borrow() == key)?;
        let is_recent = now.saturating_since(answer.at) < max_age || sabotaged!("cache.aged");
        is_recent.then(|| read(answer))?
    }

    /// Keeps an answer, unless there is a later one.
    pub(crate) fn keep(&self, bits: u128, key: K, value: V, mark: Mark, at: Timestamp)
    where
        K: Eq,
    {
        let Some(part) = self.part(bits) else { return };
        let mut part = part.write().unwrap_or_else(PoisonError::into_inner);
        let new = Answer {
            key,
            value,
            mark,
            at,
        };
        let same = part.iter_mut().find(|answer| answer.key == new.key);
        if let Some(same) = same {
            if same.at <= at {
                *same = new;
            }
            return;
        }
        if part.len() < self.ways {
            return part.push(new);
        }
        if let Some(first) = part.iter_mut().min_by_key(|answer| answer.at) {
            *first = new;
        }
    }

    /// Changes an answer that is there, whatever its worth.
    pub(crate) fn change<Q>(&self, bits: u128, key: &Q, change: impl FnOnce(&mut V))
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let Some(part) = self.part(bits) else { return };
        let mut part = part.write().unwrap_or_else(PoisonError::into_inner);
        let found = part.iter_mut().find(|answer| answer.key.borrow() == key);
        if let Some(answer) = found {
            change(&mut answer.value);
        }
    }

    fn part(&self, bits: u128) -> Option<&Part<K, V>> {
        self.parts.get(part_of(bits, self.parts.len()))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| part.read().unwrap().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Marks;

    const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
    const SECOND: Duration = Duration::from_secs(1);

    fn get(kept: &Kept<u128, u32>, key: u128, mark: Mark, now: Timestamp) -> Option<u32> {
        kept.get(key, &key, now, 10 * SECOND, |answer| {
            answer.is_good(mark).then_some(answer.value)
        })
    }

    #[test]
    fn an_answer_is_good_for_a_while_and_while_nothing_changes() {
        let (kept, marks) = (Kept::new(100), Marks::new(100));
        let mark = marks.of([7]);
        kept.keep(7, 7, 1, mark, AT);
        assert_eq!(get(&kept, 7, mark, AT), Some(1));
        assert_eq!(get(&kept, 8, mark, AT), None);
        let late = AT + Duration::from_millis(9999);
        assert_eq!(get(&kept, 7, mark, late), Some(1));
        assert_eq!(get(&kept, 7, mark, AT + 10 * SECOND), None);
        marks.change(7);
        assert_eq!(get(&kept, 7, marks.of([7]), AT), None);
        kept.change(7, &7, |value| *value = 2);
        assert_eq!(get(&kept, 7, marks.of([7]), AT), None, "still of no use");
        kept.keep(7, 7, 3, marks.of([7]), AT);
        assert_eq!(get(&kept, 7, marks.of([7]), AT), Some(3));
    }

    /// As the documentation says.
    #[test]
    fn a_session_takes_three_hundred_bytes() {
        use portcullis_core::{OwnerKey, SessionKey, SessionRecord};
        let size = size_of::<Answer<(OwnerKey, SessionKey), SessionRecord>>();
        let of_part = size_of::<Part<u8, u8>>().div_ceil(WAYS);
        assert!((200..=300).contains(&(size + of_part)), "{size}");
    }

    #[test]
    fn the_later_question_counts() {
        let (kept, mark) = (Kept::new(8), Marks::new(8).of([1]));
        kept.keep(1, 1, 2, mark, AT + SECOND);
        kept.keep(1, 1, 1, mark, AT);
        assert_eq!(get(&kept, 1, mark, AT + SECOND), Some(2));
        kept.keep(1, 1, 3, mark, AT + SECOND);
        assert_eq!(get(&kept, 1, mark, AT + SECOND), Some(3));
    }

    #[test]
    fn there_are_never_more_than_there_is_room_for() {
        for room in [1, 7, 8, 9, 1000] {
            let (kept, mark) = (Kept::new(room), Marks::new(room).of([1]));
            for key in 0..5 * room as u128 {
                let at = AT + Duration::from_millis(key as u64);
                kept.keep(key, key, 0, mark, at);
                assert!(kept.len() <= room, "{room}");
                assert_eq!(get(&kept, key, mark, at), Some(0), "the last one is there");
            }
            assert!(kept.len() * 2 > room, "{room}: {}", kept.len());
        }
    }
}
