//! What forgetting a session would cost, and whom.

use portcullis_core::{EndReason, EvidenceKind, SessionRecord, Timestamp};

use crate::time::latest_credible;

/// What forgetting a session would cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    /// That whoever authenticated no later than this stays out.
    Bar(Timestamp),
    /// A session that lives, or one that must never be opened again.
    Life,
    /// Nothing: it never began, or may be opened again at once.
    Nothing,
}

impl Loss {
    pub(super) fn of(record: &SessionRecord, now: Timestamp) -> Self {
        let is_standing = record.kind == EvidenceKind::Standing;
        match record.over(now) {
            None => Self::Life,
            Some(EndReason::Abandoned | EndReason::Idle | EndReason::Absolute)
                if is_standing && record.barred_until.is_none() =>
            {
                Self::Nothing
            }
            // A standing credential does not authenticate, so no bar of others would hold it.
            Some(_) if is_standing => Self::Life,
            Some(EndReason::Abandoned) => record.barred_until.map_or(Self::Nothing, Self::Bar),
            Some(_) => {
                let own = record.authenticated_at.unwrap_or(record.opened_at);
                Self::Bar(record.barred_until.map_or(own, |bar| bar.max(own)))
            }
        }
    }
}

/// What an owner has left behind: how many sessions that are over, and how many of those must
/// never be opened again.
pub(super) fn left_behind(records: &[SessionRecord], now: Timestamp) -> (usize, usize) {
    let over = || records.iter().filter(|record| record.over(now).is_some());
    let for_good = over().filter(|record| Loss::of(record, now) == Loss::Life);
    (over().count(), for_good.count())
}

/// Makes room for so many by what one owner has left behind: by what nobody misses, and then
/// by the oldest of its bars. `bar` is the one that stands for those that were collapsed before;
/// the one that stands for all of them is returned.
///
/// It keeps this owner out where the sessions did, and may keep other clients of the owner out
/// as well. Nobody else has to do with it.
pub(super) fn collapse(
    records: &mut Vec<SessionRecord>,
    room: usize,
    bar: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    if room == 0 {
        return bar;
    }
    let before = records.len();
    records.retain(|record| Loss::of(record, now) != Loss::Nothing);
    let short = room.saturating_sub(before - records.len());
    if short == 0 {
        return bar;
    }
    let mut bars: Vec<_> = records
        .iter()
        .filter_map(|record| match Loss::of(record, now) {
            Loss::Bar(at) => Some(at),
            Loss::Life | Loss::Nothing => None,
        })
        .collect();
    bars.sort_unstable();
    // The first bar takes a place itself.
    let own = usize::from(bar.is_none());
    let count = bars.len().min(short + own);
    let newest = count
        .checked_sub(1)
        .and_then(|last| bars.get(last).copied());
    let Some(newest) = newest.filter(|_| count > own) else {
        return bar;
    };
    records.retain(|record| !matches!(Loss::of(record, now), Loss::Bar(at) if at <= newest));
    // No time of an authentication is later than that.
    bar.max(Some(newest.min(latest_credible(now))))
}
