//! The decision about keys that are in a store.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{
    Check, ReasonCode, RequestView, StoreError, Timestamp, Unavailable, Verdict,
    api_keys::StoredKey,
};

use super::{
    KeyRegistry,
    entry::{self, Good, reject},
    format::KeyId,
    known::{Known, Turn},
};

const STORE_UNAVAILABLE: ReasonCode = ReasonCode::new("api_key_store_unavailable");

/// The keys of a registry, and what is remembered of those that were good.
pub(super) struct Registered {
    registry: KeyRegistry,
    known: Known,
    /// How often the last use of a key is written down.
    last_use: Option<Duration>,
}

impl Registered {
    pub(super) fn new(registry: KeyRegistry, last_use: Option<Duration>) -> Self {
        Self {
            registry,
            known: Known::new(),
            last_use,
        }
    }

    /// Decides about a text that was presented as a key, if the store can say at once. What is
    /// good is counted by whoever asks.
    ///
    /// Allocates nothing for a key that is known and whose last use is not to be written: the
    /// hash is computed on the stack, and the evidence is shared.
    pub(super) fn check(
        &self,
        text: &[u8],
        request: &RequestView<'_>,
    ) -> Check<Result<Good, Verdict>> {
        let id = match self.registry.mint().parse(text) {
            Ok(id) => id,
            Err(error) => return Check::Done(Err(error.into())),
        };
        let Check::Done(stored) = self.registry.store().check(id.as_str()) else {
            return Check::NeedsIo;
        };
        match self.judge(id, stored.as_ref(), text, request.now()) {
            Err(verdict) => Check::Done(Err(verdict)),
            // A sender that is refused too often is let in with a good key, and the store is
            // not asked to write for him.
            Ok(good) if request.is_restricted() => Check::Done(Ok(good)),
            Ok(good) => match self.note_now(good.id, request.now()) {
                Check::Done(()) => Check::Done(Ok(good)),
                Check::NeedsIo => Check::NeedsIo,
            },
        }
    }

    /// Decides with the answer of the store, and has the last use written down.
    pub(super) async fn verify(&self, text: &[u8], now: Timestamp) -> Result<Good, Verdict> {
        let id = self.registry.mint().parse(text)?;
        let store = self.registry.store();
        let stored = match store.check(id.as_str()) {
            Check::Done(stored) => Ok(stored),
            Check::NeedsIo => store.load(id.as_str()).await,
        };
        let stored = stored.map_err(|error| unavailable(&error))?;
        let good = self.judge(id, stored.as_ref(), text, now)?;
        self.note(good.id, now).await;
        Ok(good)
    }

    fn judge(
        &self,
        id: KeyId,
        stored: Option<&Arc<StoredKey>>,
        text: &[u8],
        now: Timestamp,
    ) -> Result<Good, Verdict> {
        let mint = self.registry.mint();
        // Whether or not the id is known.
        let presented = mint.hash(text);
        let kept = stored.map(|stored| &**stored);
        let matched = entry::judge(kept, &presented, mint.nobody(), now).map_err(reject)?;
        let stored = stored.ok_or_else(|| reject(entry::UNKNOWN))?;
        match self.known.entry(id, stored, mint.issuer()) {
            Ok(entry) => Ok(Good { id, entry, matched }),
            Err(error) => {
                tracing::error!(
                    target: "portcullis",
                    "a key in the store can never be used: {error}",
                );
                Err(reject(entry::UNUSABLE))
            }
        }
    }

    /// Notes a use at once, if one is to be noted.
    fn note_now(&self, id: KeyId, now: Timestamp) -> Check<()> {
        let turn = self
            .last_use
            .and_then(|interval| self.known.take_turn(id, now, interval));
        let Some(turn) = turn else {
            return Check::Done(());
        };
        let noted = self.registry.store().touch_now(id.as_str(), now);
        if matches!(noted, Check::NeedsIo) {
            self.known.give_back(&turn);
        }
        noted
    }

    /// A use that cannot be noted is logged, and lets in all the same.
    async fn note(&self, id: KeyId, now: Timestamp) {
        let turn = self
            .last_use
            .and_then(|interval| self.known.take_turn(id, now, interval));
        let Some(turn) = turn else {
            return;
        };
        let mut noting = Noting {
            known: &self.known,
            turn: Some(turn),
        };
        let store = self.registry.store();
        let noted = match store.touch_now(id.as_str(), now) {
            Check::Done(()) => Ok(()),
            Check::NeedsIo => store.touch(id.as_str(), now).await,
        };
        // Also where it could not be written: a store that is down is not asked by each request.
        noting.turn = None;
        if let Err(error) = noted {
            tracing::warn!(
                target: "portcullis",
                key = id.as_str(),
                "the last use of a key cannot be written down: {error}",
            );
        }
    }

    pub(super) fn issuer(&self) -> &str {
        self.registry.mint().issuer()
    }
}

/// A use that is being written down. Whoever goes away meanwhile leaves that to the next one: a thief
/// who does so each time would never be seen.
struct Noting<'a> {
    known: &'a Known,
    turn: Option<Turn>,
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        if let Some(turn) = &self.turn {
            self.known.give_back(turn);
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("registry", &self.registry)
            .field("last_use", &self.last_use)
            .finish_non_exhaustive()
    }
}

fn unavailable(error: &StoreError) -> Verdict {
    tracing::error!(
        target: "portcullis",
        "the store of keys cannot say whether a key is good: {error}",
    );
    Verdict::Unavailable(Unavailable::new(STORE_UNAVAILABLE))
}
