//! Which answers are of no use any more.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::{Heard, Signal, SignalListener, sabotaged};

use crate::parts::part_of;

/// The fewest and the most places that are told apart.
const FEW: usize = 64;
const MANY: usize = 65_536;

/// How often something has changed, by place.
///
/// An answer bears the mark of its place from *before* the store was asked. It is good while the mark
/// is still the same. So an answer that was on its way while something changed is never good, whenever
/// it arrives and whoever keeps it: nobody has to be faster than anybody. Two places may share a
/// counter; then a change of one costs the other a question.
///
/// It listens to the bus by itself: what is heard counts before the bus says that it has caught up.
#[derive(Debug)]
pub(crate) struct Marks {
    everywhere: AtomicU64,
    places: Box<[AtomicU64]>,
}

/// The state of one place, or of several together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark(u64);

impl Mark {
    /// What it is after one change, if there was no other.
    pub(crate) const fn after_one_change(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl Marks {
    /// For a table with room for so many.
    pub(crate) fn new(entries: usize) -> Self {
        let places = entries.clamp(FEW, MANY);
        Self {
            everywhere: AtomicU64::new(0),
            places: (0..places).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The mark of these places together. The counters only ever go up, so a sum that is the same is
    /// of the same counts.
    pub(crate) fn of(&self, places: impl IntoIterator<Item = u128>) -> Mark {
        let everywhere = self.everywhere.load(Ordering::Acquire);
        let sum = places.into_iter().fold(everywhere, |sum, place| {
            sum.wrapping_add(self.place(place).load(Ordering::Acquire))
        });
        Mark(sum)
    }

    /// Something has changed there.
    pub(crate) fn change(&self, place: u128) {
        self.place(place).fetch_add(1, Ordering::AcqRel);
    }

    /// Something may have changed anywhere.
    pub(crate) fn change_all(&self) {
        self.everywhere.fetch_add(1, Ordering::AcqRel);
    }

    fn place(&self, place: u128) -> &AtomicU64 {
        let part = part_of(place, self.places.len());
        self.places.get(part).unwrap_or(&self.everywhere)
    }
}

impl SignalListener for Marks {
    fn hear(&self, heard: Heard) {
        if sabotaged!("cache.dropped") {
            return;
        }
        match heard {
            Heard::Signal(Signal::Revoked(key)) => self.change(key.as_u128()),
            Heard::Signal(Signal::Sessions(owner)) => self.change(owner.as_u128()),
            // A gap, or something that this version does not know.
            _ => self.change_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{OwnerKey, RevokedKey};

    use super::*;

    #[test]
    fn a_change_is_of_its_place_and_a_gap_of_all() {
        let marks = Marks::new(1);
        let of = |place: u128| marks.of([place]);
        // Two that do not share a counter.
        let other = (2..).find(|n| part_of(*n, FEW) != part_of(1, FEW));
        let other = other.unwrap();
        let (mark, another, both) = (of(1), of(other), marks.of([1, other]));
        marks.hear(Heard::Signal(Signal::Sessions(OwnerKey::from_u128(1))));
        assert_eq!(of(1), mark.after_one_change());
        assert_eq!(of(other), another);
        assert_ne!(marks.of([1, other]), both);
        let key = RevokedKey::from_u128(other);
        marks.hear(Heard::Signal(Signal::Revoked(key)));
        assert_ne!(of(other), another);
        assert_eq!(of(1), mark.after_one_change());
        let (mark, another) = (of(1), of(other));
        marks.hear(Heard::Gap);
        assert!(of(1) != mark && of(other) != another);
    }
}
