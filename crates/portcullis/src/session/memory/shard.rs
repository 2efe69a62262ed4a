//! A part of the sessions in memory.

use std::collections::HashMap;

use portcullis_core::{
    AlreadyHashed, OwnerKey, Revision, SessionKey, SessionRecord, SessionState, Sessions, Timestamp,
};

use super::{
    loss::{Loss, collapse, left_behind},
    row::Row,
};
use crate::time::latest_credible;

/// Of a part, one owner may take so much with sessions that are over: a sixteenth.
const SHARES: usize = 16;

/// The sessions of some owners.
#[derive(Default)]
pub(super) struct Shard {
    // Boxed: half of the table may be empty.
    owners: HashMap<OwnerKey, Box<Owner>, AlreadyHashed>,
    /// What stands for the sessions of an owner that were collapsed: the latest authentication
    /// among them. Each takes the room of a session.
    bars: HashMap<OwnerKey, Timestamp, AlreadyHashed>,
    /// The latest authentication of a session that was forgotten for another owner's sake.
    forgotten: Option<Timestamp>,
    /// How many sessions there are.
    len: usize,
    /// How often an owner was forgotten. The revisions of those who are not known are higher
    /// from then on, so that none is ever met twice: who was loaded before he came and went is
    /// another than who is loaded after it.
    forgettings: u64,
    /// When the first session of a full shard is over: before that there is nothing more to
    /// forget.
    full_until: Option<Timestamp>,
}

/// Nearly every owner has one session, which needs no list.
struct Owner {
    revision: Revision,
    first: Row,
    #[expect(
        clippy::box_collection,
        reason = "8 bytes instead of 24, of which there may be a million"
    )]
    more: Option<Box<Vec<Row>>>,
}

impl Owner {
    /// `None` if there is no session.
    fn new(revision: Revision, records: Vec<SessionRecord>) -> Option<Self> {
        let mut rows = records.into_iter().map(Row::new);
        let first = rows.next()?;
        let more: Vec<_> = rows.collect();
        Some(Self {
            revision,
            first,
            more: (!more.is_empty()).then(|| Box::new(more)),
        })
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        let more = self.more.iter().flat_map(|more| more.iter());
        std::iter::once(&self.first).chain(more)
    }

    fn len(&self) -> usize {
        1 + self.more.as_ref().map_or(0, |more| more.len())
    }

    /// Keeps some of the sessions. `false` if none is left.
    fn retain(&mut self, keep: impl Fn(&Row) -> bool) -> bool {
        if let Some(more) = &mut self.more {
            more.retain(&keep);
        }
        let is_kept = keep(&self.first);
        let successor = match &mut self.more {
            Some(more) if !is_kept => more.pop(),
            _ => None,
        };
        let is_any = is_kept || successor.is_some();
        if let Some(successor) = successor {
            self.first = successor;
        }
        if self.more.as_ref().is_some_and(|more| more.is_empty()) {
            self.more = None;
        }
        is_any
    }
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.len + self.bars.len()
    }

    /// Up to which authentication nothing is known of an owner's sessions any more.
    pub(super) fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        self.forgotten.max(self.bars.get(&owner).copied())
    }

    pub(super) fn row(&self, owner: OwnerKey, key: SessionKey) -> Option<&Row> {
        self.owners.get(&owner)?.rows().find(|row| row.key() == key)
    }

    pub(super) fn sessions(&self, owner: OwnerKey) -> Sessions {
        let kept = self.owners.get(&owner);
        Sessions {
            revision: kept.map_or(Revision::from_u64(self.forgettings << 32), |owner| {
                owner.revision
            }),
            records: kept
                .map(|owner| owner.rows().map(Row::to_record).collect())
                .unwrap_or_default(),
        }
    }

    /// Puts the sessions of an owner in place of those that are there.
    pub(super) fn replace(&mut self, owner: OwnerKey, sessions: Sessions) {
        let replaced = self.owners.remove(&owner);
        let was_ended = |record: &SessionRecord| {
            let mut rows = replaced.iter().flat_map(|owner| owner.rows());
            rows.any(|row| row.key() == record.key && row.is_ended())
        };
        let is_ended = |record: &&SessionRecord| matches!(record.state, SessionState::Ended(..));
        let mut ended = sessions.records.iter().filter(is_ended);
        if ended.any(|record| !was_ended(record)) {
            // One that is over ahead of its time can be forgotten ahead of it.
            self.full_until = None;
        }
        self.len -= replaced.as_ref().map_or(0, |owner| owner.len());
        match Owner::new(sessions.revision, sessions.records) {
            Some(owned) => {
                self.len += owned.len();
                self.owners.insert(owner, Box::new(owned));
            }
            None => self.forgettings += 1,
        }
    }

    /// Whether there is room for the sessions of an owner who has more of them than before, once
    /// what has to be forgotten is forgotten: first of what that owner has left behind.
    pub(super) fn make_room(
        &mut self,
        asking: OwnerKey,
        sessions: &mut Sessions,
        max: usize,
        now: Timestamp,
    ) -> bool {
        let records = &mut sessions.records;
        // What an owner leaves behind beyond its share is its own matter.
        let share = (max / SHARES).max(1);
        let (over, for_good) = left_behind(records, now);
        if for_good > share {
            return false;
        }
        let bar = self.bars.get(&asking).copied();
        let bar = collapse(records, over.saturating_sub(share), bar, now);
        let excess = self.excess(asking, records.len(), bar, max);
        let bar = collapse(records, excess, bar, now);
        let kept = records.len();
        if self.excess(asking, kept, bar, max) > 0 {
            if self.full_until.is_some_and(|until| now < until) {
                return false;
            }
            // Then what nobody misses.
            self.retain(asking, |row| row.loss(now) != Loss::Nothing);
            if self.excess(asking, kept, bar, max) > 0 {
                self.forget_bars(asking, now);
            }
            if self.excess(asking, kept, bar, max) > 0 {
                // Of all: what this one has left can be forgotten for another.
                self.full_until = self
                    .all_rows()
                    .map(|row| row.to_record().over_at())
                    .filter(|over_at| *over_at > now)
                    .min();
                return false;
            }
        }
        self.full_until = None;
        if let Some(bar) = bar.filter(|bar| self.forgotten.is_none_or(|at| at < *bar)) {
            self.bars.insert(asking, bar);
        }
        true
    }

    /// How many there would be too many, if an owner had so many sessions and this bar.
    fn excess(&self, owner: OwnerKey, records: usize, bar: Option<Timestamp>, max: usize) -> usize {
        let own = self.owners.get(&owner).map_or(0, |owner| owner.len());
        let own = own + usize::from(self.bars.contains_key(&owner));
        (self.len() - own + records + usize::from(bar.is_some())).saturating_sub(max)
    }

    /// Forgets the older half of the bars of others: all who authenticated no later than those
    /// are shut out with them, so not the newest.
    fn forget_bars(&mut self, except: OwnerKey, now: Timestamp) {
        let of_rows = self.rows(except).filter_map(|row| match row.loss(now) {
            Loss::Bar(at) => Some(at),
            Loss::Life | Loss::Nothing => None,
        });
        let others = self.bars.iter().filter(|(owner, _)| **owner != except);
        let mut bars: Vec<_> = of_rows.chain(others.map(|(_, at)| *at)).collect();
        bars.sort_unstable();
        let Some(&middle) = bars.get(bars.len() / 2) else {
            return;
        };
        // No time of an authentication is later than that.
        let latest = middle.min(latest_credible(now));
        self.forgotten = self.forgotten.max(Some(latest));
        self.bars
            .retain(|owner, at| *owner == except || *at > middle);
        self.retain(
            except,
            |row| !matches!(row.loss(now), Loss::Bar(at) if at <= middle),
        );
    }

    fn rows(&self, except: OwnerKey) -> impl Iterator<Item = &Row> {
        let others = self
            .owners
            .iter()
            .filter(move |(owner, _)| **owner != except);
        others.flat_map(|(_, owner)| owner.rows())
    }

    fn all_rows(&self) -> impl Iterator<Item = &Row> {
        self.owners.values().flat_map(|owner| owner.rows())
    }

    /// Whether nobody looks through it before the first session is over.
    #[cfg(test)]
    pub(super) fn is_known_to_be_full(&self) -> bool {
        self.full_until.is_some()
    }

    fn retain(&mut self, except: OwnerKey, keep: impl Fn(&Row) -> bool) {
        let before = self.owners.len();
        self.owners
            .retain(|key, owner| *key == except || owner.retain(&keep));
        self.forgettings += (before - self.owners.len()) as u64;
        self.len = self.owners.values().map(|owner| owner.len()).sum();
    }
}
