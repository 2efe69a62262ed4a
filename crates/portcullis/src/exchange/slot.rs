//! The order of the layers: one table.

use std::{
    fmt,
    sync::atomic::{AtomicU16, Ordering},
};

/// The places at which layers stand, from outside in.
///
/// This table is the single source of the order: the stack is built from it, loose layers
/// are checked against it on every request, and the documentation of the crate is tested
/// against it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Slot {
    /// The client's address, the original path, Host and Origin, sizes, the budget of
    /// refusals.
    Perimeter,
    /// The principal.
    Authn,
    /// The session, and what ends with it.
    Session,
    /// Where the session came from, and whether that still holds.
    Binding,
    /// What a principal and a client may ask for in a while.
    Quota,
    /// What is required of the caller for a request and for the calls inside it.
    StepUp,
}

impl Slot {
    /// Every slot, from outside in.
    pub const ALL: [Self; 6] = [
        Self::Perimeter,
        Self::Authn,
        Self::Session,
        Self::Binding,
        Self::Quota,
        Self::StepUp,
    ];

    /// The name of the layer and of its module.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Perimeter => "perimeter",
            Self::Authn => "authn",
            Self::Session => "session",
            Self::Binding => "binding",
            Self::Quota => "quota",
            Self::StepUp => "step_up",
        }
    }

    /// What the layer writes into the exchange, once.
    #[must_use]
    pub const fn writes(self) -> &'static str {
        match self {
            Self::Perimeter => "client address, original path, body limit",
            Self::Authn => "principal, or that the caller is anonymous",
            Self::Session => "session, and its deadlines",
            Self::Binding => "nothing: it compares",
            Self::Quota => "nothing: it counts",
            Self::StepUp => "requirements of operations",
        }
    }

    /// The statuses that the layer refuses with.
    #[must_use]
    pub const fn refuses_with(self) -> &'static [u16] {
        match self {
            Self::Perimeter => &[400, 403, 413, 414, 429, 431],
            Self::Authn => &[400, 401, 403, 429, 503],
            Self::Session => &[401, 429, 503],
            Self::Binding => &[401, 503],
            Self::Quota => &[429],
            Self::StepUp => &[400, 401, 403],
        }
    }

    /// The slots that have to be further out.
    #[must_use]
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::Perimeter | Self::Authn => &[],
            Self::Session | Self::Quota | Self::StepUp => &[Self::Authn],
            Self::Binding => &[Self::Session],
        }
    }

    /// Whether layers of this slot may stand inside each other: what an outer one has let in,
    /// an inner one may still refuse. All others stand once.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::StepUp)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The slots that a request has come through.
#[derive(Debug, Default)]
pub(crate) struct Trail(AtomicU16);

impl Trail {
    /// Marks a slot as entered, if it stands where the table wants it.
    pub(crate) fn enter(&self, slot: Slot) -> Result<(), Misplaced> {
        // One request is in one place at a time, so a look and a store need not be one step:
        // an exchange that is in two places has already been refused by its flight.
        let entered = self.0.load(Ordering::Acquire);
        let has = |other: Slot| entered & other.bit() != 0;
        if has(slot) && !slot.is_repeatable() {
            return Err(Misplaced::Doubled(slot));
        }
        if let Some(inner) = Slot::ALL
            .into_iter()
            .find(|&other| other > slot && has(other))
        {
            return Err(Misplaced::Inverted {
                outer: inner,
                inner: slot,
            });
        }
        if let Some(&missing) = slot.needs().iter().find(|&&needed| !has(needed)) {
            return Err(Misplaced::Missing { slot, missing });
        }
        self.0.store(entered | slot.bit(), Ordering::Release);
        Ok(())
    }

    /// The slots, from outside in.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        let entered = self.0.load(Ordering::Acquire);
        Slot::ALL
            .into_iter()
            .filter(move |slot| entered & slot.bit() != 0)
    }
}

/// A layer that stands where it must not. Answered with 500, never with a pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Misplaced {
    /// The exchange was made for another request.
    Captured,
    /// The same slot twice.
    Doubled(Slot),
    /// `outer` came first, but belongs inside `inner`.
    Inverted { outer: Slot, inner: Slot },
    /// Something that `slot` needs has not run.
    Missing { slot: Slot, missing: Slot },
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Captured => f.write_str(
                "this request carries the exchange of another request; \
                 do not copy request extensions between requests",
            ),
            Self::Doubled(slot) => write!(
                f,
                "`{slot}` ran twice for one request; there is a second `{slot}` layer or a \
                 second gate around this handler: remove one",
            ),
            Self::Inverted { outer, inner } => write!(
                f,
                "`{outer}` ran before `{inner}`, but belongs inside it; swap the two layers \
                 (with axum's `Router::layer` the layer added last runs first)",
            ),
            Self::Missing { slot, missing } => write!(
                f,
                "`{slot}` ran, but `{missing}` had not: it is absent, or stands inside \
                 `{slot}`; put `{missing}` further out",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_table_passes() {
        let trail = Trail::default();
        for slot in Slot::ALL {
            assert_eq!(trail.enter(slot), Ok(()));
        }
        assert!(trail.iter().eq(Slot::ALL));
    }

    #[test]
    fn what_is_repeatable_passes_twice_and_nothing_else_does() {
        for slot in Slot::ALL {
            let trail = Trail::default();
            for outer in Slot::ALL.into_iter().take_while(|outer| *outer <= slot) {
                assert_eq!(trail.enter(outer), Ok(()));
            }
            let again = trail.enter(slot);
            assert_eq!(again.is_ok(), slot == Slot::StepUp, "{slot}");
            assert_eq!(again.is_ok(), slot.is_repeatable(), "{slot}");
            // It makes nothing else possible.
            for other in Slot::ALL.into_iter().filter(|other| *other < slot) {
                assert!(trail.enter(other).is_err(), "{other} inside {slot}");
            }
        }
    }

    #[test]
    fn every_other_order_is_named() {
        let trail = Trail::default();
        assert_eq!(trail.enter(Slot::Authn), Ok(()));
        assert_eq!(
            trail.enter(Slot::Authn),
            Err(Misplaced::Doubled(Slot::Authn))
        );
        let inverted = Misplaced::Inverted {
            outer: Slot::Authn,
            inner: Slot::Perimeter,
        };
        assert_eq!(trail.enter(Slot::Perimeter), Err(inverted));
        let text = inverted.to_string();
        assert!(
            text.contains("`authn`") && text.contains("`perimeter`"),
            "{text}"
        );
    }

    #[test]
    fn what_is_needed_and_absent_is_named() {
        let trail = Trail::default();
        assert_eq!(trail.enter(Slot::Perimeter), Ok(()));
        let missing = Misplaced::Missing {
            slot: Slot::Quota,
            missing: Slot::Authn,
        };
        assert_eq!(trail.enter(Slot::Quota), Err(missing));
        let text = missing.to_string();
        assert!(
            text.contains("`quota`") && text.contains("`authn`"),
            "{text}"
        );
    }

    #[test]
    fn the_table_is_in_order_and_needs_point_outwards() {
        assert!(Slot::ALL.is_sorted());
        for slot in Slot::ALL {
            assert!(slot.needs().iter().all(|&needed| needed < slot));
        }
    }
}
