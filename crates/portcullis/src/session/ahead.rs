//! Sessions that are loaded while it is still being asked whether a credential counts.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use portcullis_core::{Check, Evidence, OwnerKey, Sessions, StoreError, Timestamp};

use super::{KeepSession, rules::Caller, shared::Shared};
use crate::cache::Mark;

/// Longer ago, sessions are loaded anew: something else has taken its time in between.
const RECENT: Duration = Duration::from_secs(1);

/// What a store has said of an owner.
pub(crate) struct Loaded {
    pub(super) owner: OwnerKey,
    pub(super) sessions: Result<Sessions, StoreError>,
    /// From before it was asked.
    pub(super) mark: Option<Mark>,
    /// When it was asked, by steady time.
    pub(super) at: Timestamp,
}

/// A store that is asked for the sessions of an owner.
pub(crate) type Loading = Pin<Box<dyn Future<Output = Loaded> + Send>>;

/// Loads the sessions of callers before it is their turn, so that two stores that have to be asked
/// cost the time of one. It is a question, and no more: nobody is in by it, and what was asked for a
/// caller who is then refused is dropped.
#[derive(Clone)]
pub(crate) struct Ahead(pub(super) Arc<Shared>);

impl KeepSession {
    /// For whoever has to ask another store first.
    pub(crate) fn ahead(&self) -> Ahead {
        Ahead(Arc::clone(&self.shared))
    }
}

impl Ahead {
    /// Asks, if the store has to be asked for this caller.
    pub(crate) fn load(&self, evidence: &Evidence) -> Option<Loading> {
        let shared = &self.0;
        let keys = shared.keying.keys(evidence);
        if matches!(shared.store.check(keys.owner, keys.session), Check::Done(_)) {
            return None;
        }
        let moment = shared.moment();
        let caller = Caller::new(keys, evidence, &shared.policy(), moment.now);
        if shared.known(&caller, moment).is_some() {
            return None;
        }
        let shared = Arc::clone(shared);
        Some(Box::pin(async move { shared.load(keys.owner).await }))
    }
}

impl Loaded {
    /// Whether it is of this owner, and of now.
    pub(super) fn is_of(&self, owner: OwnerKey, now: Timestamp) -> bool {
        self.owner == owner && now.saturating_since(self.at) < RECENT
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").finish_non_exhaustive()
    }
}
