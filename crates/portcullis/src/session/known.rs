//! What is known of sessions without asking the store, and who is told that it has changed.

use portcullis_core::{
    OwnerKey, SessionId, SessionRecord, Signal, StoreError, Timestamp, sabotaged,
};

use super::{
    ahead::Loaded,
    keys::Keys,
    rules::{Caller, Moment},
    shared::Shared,
};
use crate::cache::Mark;

/// Who has said that a session lives.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The store, when it was asked at this time.
    Kept(Timestamp),
    /// The store, now.
    Store,
}

impl Source {
    /// When it was said, if that was not now.
    pub(super) const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Kept(at) => Some(at),
            Self::Store => None,
        }
    }
}

impl Shared {
    /// The time, by both clocks.
    pub(super) fn moment(&self) -> Moment {
        let (now, steady) = self.time.both();
        Moment { now, steady }
    }

    /// What is known of a caller's session without asking the store, where it has to be asked: that
    /// it lives, and that there is nothing to be told of it. Never that somebody is refused.
    pub(super) fn known(&self, caller: &Caller, moment: Moment) -> Option<(SessionRecord, Source)> {
        let cache = self.cache.as_ref()?;
        let Moment { now, steady } = moment;
        let (owner, key) = (caller.keys.owner, caller.keys.session);
        let (record, at) = cache.get(owner, key, steady)?;
        let lives = self.over_at(&record, now).is_none() || sabotaged!("cache.over");
        let is_known = lives && caller.is_known_to(&record);
        is_known.then_some((record, Source::Kept(at)))
    }

    /// Asks the store for what an owner has.
    pub(super) async fn load(&self, owner: OwnerKey) -> Loaded {
        let mark = self.cache.as_ref().map(|cache| cache.mark(owner));
        let at = self.time.steady();
        let sessions = self.store.load(owner).await;
        Loaded {
            owner,
            sessions,
            mark,
            at,
        }
    }

    /// Keeps what is known of a session.
    pub(super) fn keep(
        &self,
        owner: OwnerKey,
        record: &SessionRecord,
        mark: Option<Mark>,
        at: Timestamp,
    ) {
        if let Some((cache, mark)) = self.cache.as_ref().zip(mark) {
            cache.keep(owner, record, mark, at);
        }
    }

    /// What is known of an owner's sessions is of no use any more.
    pub(super) fn forget(&self, owner: OwnerKey) {
        if let Some(cache) = &self.cache {
            cache.forget(owner);
        }
    }

    /// Changes where a session came from, and tells others: they compare with it.
    pub(super) async fn change_binding(
        &self,
        keys: &Keys,
        id: SessionId,
        change: impl FnMut(&mut SessionRecord) + Send,
    ) -> Result<bool, StoreError> {
        let mut telling = Telling {
            shared: self,
            owner: keys.owner,
            is_due: true,
        };
        let changed = self.change(keys.owner, keys.session, id, change).await;
        if !matches!(changed, Ok(false)) {
            self.tell_others(keys.owner).await;
        }
        telling.is_due = false;
        changed
    }

    /// Tells other servers that sessions of an owner have changed, or may be over.
    pub(super) async fn tell_others(&self, owner: OwnerKey) {
        if let Some(signals) = &self.signals {
            signals.publish(&[Signal::Sessions(owner)]).await;
        }
    }

    /// The same, without waiting for it.
    pub(super) fn have_others_told(&self, owner: OwnerKey) {
        let Some(signals) = self.signals.clone() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        self.tasks.spawn_on(&runtime, async move {
            signals.publish(&[Signal::Sessions(owner)]).await;
        });
    }
}

/// Others are told of a change, also where nobody waits for it any more.
struct Telling<'a> {
    shared: &'a Shared,
    owner: OwnerKey,
    is_due: bool,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if self.is_due {
            self.shared.have_others_told(self.owner);
        }
    }
}
