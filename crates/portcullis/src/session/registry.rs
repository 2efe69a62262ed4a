//! What runs in sessions, on this server.
//!
//! A request of a session is listed here only when it takes a while: when its handler waits,
//! or its response streams. One task of the layer looks after all of them (see `sweep`), so
//! that they end also where nobody polls them: a client that does not read keeps nothing alive.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use portcullis_core::{EndReason, OwnerKey, SessionId, Timestamp};

use super::{
    credential::Credential,
    keys::Keys,
    running::{Last, Live, lock},
    shared::Shared,
    sweep::Sweeper,
};

const SHARDS: usize = 16;

/// The sessions in which something runs.
#[derive(Default)]
pub(super) struct Registry {
    shards: [Mutex<HashMap<SessionId, Weak<Live>>>; SHARDS],
    sweeper: Sweeper,
    /// Whether nothing is to run any more.
    is_stopped: AtomicBool,
}

impl Registry {
    /// The session, as one in which something runs. By its id: what ran in the one before it,
    /// under the same key, is still to be ended.
    pub(super) fn live(
        shared: &Arc<Shared>,
        keys: &Keys,
        id: SessionId,
        ends_at: Timestamp,
        last: Last,
    ) -> Arc<Live> {
        let mut shard = shared.registry.shard(id);
        if let Some(live) = shard.get(&id).and_then(Weak::upgrade) {
            return live;
        }
        let live = Arc::new(Live::new(shared, keys, id, ends_at, last));
        shard.insert(id, Arc::downgrade(&live));
        drop(shard);
        // After it is listed: whoever stops everything has seen it, or is seen here.
        if shared.registry.is_stopped() {
            live.stop();
        } else {
            shared.registry.sweeper.wake(shared);
        }
        live
    }

    /// All sessions in which something runs.
    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        let shards = self.shards.iter();
        shards
            .flat_map(|shard| {
                lock(shard)
                    .values()
                    .filter_map(Weak::upgrade)
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// Whether nothing is to run any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// Forgets a session in which nothing runs any more.
    pub(super) fn forget(&self, id: SessionId) {
        let mut shard = self.shard(id);
        // Another may stand there by now.
        if shard.get(&id).is_some_and(|live| live.strong_count() == 0) {
            shard.remove(&id);
        }
    }

    /// Forgets a session in which things still run.
    pub(super) fn dismiss(&self, live: &Live) {
        let mut shard = self.shard(live.id);
        let is_it = |listed: &Weak<Live>| std::ptr::eq(listed.as_ptr(), live);
        if shard.get(&live.id).is_some_and(is_it) {
            shard.remove(&live.id);
        }
    }

    pub(super) fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }

    /// Ends what runs in a session.
    pub(super) fn end(&self, id: SessionId, reason: EndReason) {
        if let Some(live) = self.find(id) {
            live.end(reason);
        }
    }

    /// Ends what runs on in sessions of an owner whose time is up: he is logged out.
    pub(super) fn end_closing(&self, owner: OwnerKey) {
        let all = self.all().into_iter();
        all.filter(|live| live.keys.owner == owner && live.closing().is_some())
            .for_each(|live| live.end(EndReason::Revoked));
    }

    /// Tells a session in which something runs that somebody has authenticated.
    pub(super) fn note_authentication(&self, id: SessionId, stale_at: Option<Timestamp>) {
        if let Some(live) = self.find(id) {
            live.note_authentication(stale_at);
        }
    }

    /// Has everything stop that runs in sessions, but for requests: those are the gate's.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.all().iter().for_each(|live| live.stop());
        self.sweeper.stop();
    }

    /// Tells a session in which something runs of one more credential.
    pub(super) fn note_credential(&self, id: SessionId, credential: &Credential) {
        if let Some(live) = self.find(id) {
            live.note_credential(credential);
        }
    }

    fn find(&self, id: SessionId) -> Option<Arc<Live>> {
        self.shard(id).get(&id).and_then(Weak::upgrade)
    }

    fn shard(&self, id: SessionId) -> MutexGuard<'_, HashMap<SessionId, Weak<Live>>> {
        let [first, rest @ ..] = &self.shards;
        let index = id.as_u128() as usize % SHARDS;
        lock(
            index
                .checked_sub(1)
                .and_then(|index| rest.get(index))
                .unwrap_or(first),
        )
    }
}
