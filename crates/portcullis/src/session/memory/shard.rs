//! A part of the sessions in memory.

use std::collections::HashMap;

use portcullis_core::{
    AlreadyHashed, OwnerKey, Revision, SessionKey, SessionRecord, Sessions, Timestamp,
};

use super::row::{Loss, Row};

/// The sessions of some owners.
#[derive(Default)]
pub(super) struct Shard {
    // Boxed: half of the table may be empty.
    owners: HashMap<OwnerKey, Box<Owner>, AlreadyHashed>,
    /// How many sessions there are.
    len: usize,
    /// How often an owner was forgotten. The revisions of those who come after begin higher,
    /// so that none is ever met twice.
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
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn row(&self, owner: OwnerKey, key: SessionKey) -> Option<&Row> {
        self.owners.get(&owner)?.rows().find(|row| row.key() == key)
    }

    pub(super) fn sessions(&self, owner: OwnerKey) -> Sessions {
        self.owners
            .get(&owner)
            .map(|owner| Sessions {
                revision: owner.revision,
                records: owner.rows().map(Row::to_record).collect(),
            })
            .unwrap_or_default()
    }

    /// Puts the sessions of an owner in place of those that are there.
    pub(super) fn replace(&mut self, owner: OwnerKey, sessions: Sessions) {
        let replaced = self.owners.remove(&owner);
        self.len -= replaced.as_ref().map_or(0, |owner| owner.len());
        let revision = match replaced {
            None if self.forgettings > 0 => Revision::from_u64(self.forgettings << 32).next(),
            _ => sessions.revision,
        };
        match Owner::new(revision, sessions.records) {
            Some(owned) => {
                self.len += owned.len();
                self.owners.insert(owner, Box::new(owned));
            }
            None => self.forgettings += 1,
        }
    }

    /// Whether there is room for so many more, once what has to be forgotten is forgotten. The
    /// sessions of the owner who asks stay.
    ///
    /// `forget` is told up to which authentication nothing is known any more.
    pub(super) fn make_room(
        &mut self,
        added: usize,
        max: usize,
        asking: OwnerKey,
        now: Timestamp,
        forget: impl Fn(Timestamp),
    ) -> bool {
        if self.len + added <= max {
            return true;
        }
        if self.full_until.is_some_and(|until| now < until) {
            return false;
        }
        // First what nobody misses.
        self.retain(asking, |row| row.loss(now) != Loss::Nothing);
        if self.len + added > max {
            // Then the older half of the bars: all who authenticated no later than those are
            // shut out with them, so not the newest.
            let mut bars: Vec<_> = self
                .rows(asking)
                .filter_map(|row| match row.loss(now) {
                    Loss::Bar(at) => Some(at),
                    _ => None,
                })
                .collect();
            bars.sort_unstable();
            if let Some(&middle) = bars.get(bars.len() / 2) {
                forget(middle);
                self.retain(
                    asking,
                    |row| !matches!(row.loss(now), Loss::Bar(at) if at <= middle),
                );
            }
        }
        let next = self
            .rows(asking)
            .map(|row| row.to_record().over_at())
            .filter(|over_at| *over_at > now)
            .min();
        let has_room = self.len + added <= max;
        self.full_until = next.filter(|_| !has_room);
        has_room
    }

    fn rows(&self, except: OwnerKey) -> impl Iterator<Item = &Row> {
        let others = self
            .owners
            .iter()
            .filter(move |(owner, _)| **owner != except);
        others.flat_map(|(_, owner)| owner.rows())
    }

    fn retain(&mut self, except: OwnerKey, keep: impl Fn(&Row) -> bool) {
        let before = self.owners.len();
        self.owners
            .retain(|key, owner| *key == except || owner.retain(&keep));
        self.forgettings += (before - self.owners.len()) as u64;
        self.len = self.owners.values().map(|owner| owner.len()).sum();
    }
}
