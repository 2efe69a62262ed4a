//! What runs in sessions, on this server.
//!
//! A request of a session is listed here only when it takes a while: when its handler waits,
//! or its response streams. One task of the layer looks after all of them (see `sweep`), so
//! that they end also where nobody polls them: a client that does not read keeps nothing alive.
//!
//! They are listed by owner: a logout, here or on another server, concerns one owner, and must not
//! look at what runs for everybody.

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

/// The sessions of each owner. Hardly any has several in which something runs.
type Owners = HashMap<OwnerKey, Vec<(SessionId, Weak<Live>)>>;

/// The sessions in which something runs.
#[derive(Default)]
pub(super) struct Registry {
    shards: [Mutex<Owners>; SHARDS],
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
        let mut shard = shared.registry.shard(keys.owner);
        let own = shard.entry(keys.owner).or_default();
        if let Some(live) = find(own, id) {
            return live;
        }
        let live = Arc::new(Live::new(shared, keys, id, ends_at, last));
        own.retain(|(known, _)| *known != id);
        own.push((id, Arc::downgrade(&live)));
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
                let shard = lock(shard);
                let listed = shard.values().flatten();
                let all = listed.filter_map(|(_, live)| live.upgrade());
                all.collect::<Vec<_>>()
            })
            .collect()
    }

    /// Those of an owner.
    pub(super) fn of(&self, owner: OwnerKey) -> Vec<Arc<Live>> {
        let shard = self.shard(owner);
        let own = shard.get(&owner).into_iter().flatten();
        own.filter_map(|(_, live)| live.upgrade()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// Whether nothing is to run any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// Forgets what nothing runs in any more of an owner's sessions.
    pub(super) fn forget(&self, owner: OwnerKey) {
        self.retain(owner, |live| live.strong_count() > 0);
    }

    /// Forgets a session in which things still run.
    pub(super) fn dismiss(&self, live: &Live) {
        let is_it = |listed: &Weak<Live>| std::ptr::eq(listed.as_ptr(), live);
        self.retain(live.keys.owner, |listed| !is_it(listed));
    }

    fn retain(&self, owner: OwnerKey, is_kept: impl Fn(&Weak<Live>) -> bool) {
        let mut shard = self.shard(owner);
        if let Some(own) = shard.get_mut(&owner) {
            own.retain(|(_, live)| is_kept(live));
            if own.is_empty() {
                shard.remove(&owner);
            }
        }
    }

    pub(super) fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }

    /// Ends what runs in a session.
    pub(super) fn end(&self, owner: OwnerKey, id: SessionId, reason: EndReason) {
        if let Some(live) = self.find(owner, id) {
            live.end(reason);
        }
    }

    /// Ends what runs on in sessions of an owner whose time is up: he is logged out.
    pub(super) fn end_closing(&self, owner: OwnerKey) {
        let own = self.of(owner).into_iter();
        own.filter(|live| live.closing().is_some())
            .for_each(|live| live.end(EndReason::Revoked));
    }

    /// Tells a session in which something runs that somebody has authenticated.
    pub(super) fn note_authentication(
        &self,
        owner: OwnerKey,
        id: SessionId,
        stale_at: Option<Timestamp>,
    ) {
        if let Some(live) = self.find(owner, id) {
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
    pub(super) fn note_credential(&self, owner: OwnerKey, id: SessionId, credential: &Credential) {
        if let Some(live) = self.find(owner, id) {
            live.note_credential(credential);
        }
    }

    fn find(&self, owner: OwnerKey, id: SessionId) -> Option<Arc<Live>> {
        find(self.shard(owner).get(&owner)?, id)
    }

    fn shard(&self, owner: OwnerKey) -> MutexGuard<'_, Owners> {
        let [first, rest @ ..] = &self.shards;
        let index = owner.as_u128() as usize % SHARDS;
        lock(
            index
                .checked_sub(1)
                .and_then(|index| rest.get(index))
                .unwrap_or(first),
        )
    }
}

fn find(own: &[(SessionId, Weak<Live>)], id: SessionId) -> Option<Arc<Live>> {
    let mut own = own.iter();
    own.find(|(known, _)| *known == id)?.1.upgrade()
}
