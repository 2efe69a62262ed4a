//! What a layer is told about revocations, and what it makes of it.

use std::{fmt, sync::Arc};

use portcullis_core::{ConfigError, ConfigErrors, RevocationStore, Secret, Signal, Timestamp};

use super::{
    MemoryRevocations, Revocation, RevokeError, cache::RevocationCache, decide::Revocations,
    keys::Keying, store::AnyRevocationStore,
};
use crate::{
    cache::Bounds,
    signal::{AnySignalBus, Signals, publish},
    tasks::Tasks,
    time::Time,
};

/// The settings of [`Revocations`].
#[derive(Default)]
pub(crate) struct RevocationSettings {
    store: Option<Arc<dyn AnyRevocationStore>>,
    key: Option<Secret>,
    bus: Option<Arc<dyn AnySignalBus>>,
    cache: Option<(Bounds, Arc<Signals>, Tasks)>,
}

impl RevocationSettings {
    /// What the store says is kept within these bounds, by what is heard.
    pub(crate) fn with_cache(&mut self, bounds: Bounds, signals: Arc<Signals>, tasks: Tasks) {
        self.cache = Some((bounds, signals, tasks));
    }

    pub(crate) fn with_signals(&mut self, bus: Arc<dyn AnySignalBus>) {
        self.bus = Some(bus);
    }

    pub(crate) fn with_store(&mut self, store: impl RevocationStore) {
        self.store = Some(Arc::new(store));
    }

    pub(crate) fn with_key(&mut self, key: Secret) {
        self.key = Some(key);
    }

    /// The setters that were called.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &'static str> {
        let called = [
            self.store.as_ref().map(|_| "with_revocations"),
            self.key.as_ref().map(|_| "with_revocation_key"),
            self.bus.as_ref().map(|_| "with_signals"),
        ];
        called.into_iter().flatten()
    }

    pub(crate) fn assemble(self, time: Time) -> Result<Revocations, ConfigErrors> {
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryRevocations::default()));
        let error =
            |setting, problem: String| ConfigErrors::from(ConfigError::new(setting, problem));
        let keying = match &self.key {
            Some(key) => Keying::with_key(key).ok_or_else(|| {
                let problem = "is not 16 bytes; draw 16 random bytes once, and keep them where \
                               the server's other secrets are";
                error("with_revocation_key", problem.to_owned())
            }),
            None if !store.is_volatile() => {
                let problem = "is not set, and the store of `with_revocations` outlasts the \
                               process or is shared: what others write into it would not be \
                               found; give all of them one key of 16 random bytes";
                Err(error("with_revocation_key", problem.to_owned()))
            }
            None => Keying::new().map_err(|problem| {
                let problem = format!("the operating system gives no randomness: {problem}");
                error("build", problem)
            }),
        };
        let cache = self.cache.map(|(bounds, signals, tasks)| {
            RevocationCache::new(&bounds, &signals, time.clone(), tasks)
        });
        Ok(Revocations {
            store,
            keying: keying?,
            time,
            bus: self.bus,
            cache,
        })
    }
}

impl Revocations {
    /// Up to when a revocation counts that is made now. By the later of two clocks: one that
    /// has been set back must not have it miss who is in.
    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Writes a revocation into the store.
    pub(crate) async fn revoke(
        &self,
        revocation: &Revocation,
        now: Timestamp,
    ) -> Result<(), RevokeError> {
        revocation.validate()?;
        let key = self.keying.key(revocation.key());
        let (cut_off, until) = (revocation.cut_off(now), revocation.kept_until(now));
        // What need not be kept is told by the other clock: one that runs ahead for a while must
        // not take away what is still needed.
        let steady = self.time.steady();
        let revoked = self.store.revoke(key, cut_off, until, steady).await;
        // Also where it cannot say whether it has it.
        if let Some(cache) = &self.cache {
            cache.forget(key);
        }
        revoked?;
        tracing::info!(
            target: "portcullis",
            kind = revocation.key().kind(),
            "a revocation is in effect{}",
            if self.store.is_volatile() { ", until this process is started anew" } else { "" },
        );
        Ok(())
    }
}

impl Revocations {
    /// Tells other servers where to look for a revocation that is written.
    pub(crate) async fn tell_others(&self, revocation: &Revocation) {
        if let Some(bus) = &self.bus {
            let key = self.keying.key(revocation.key());
            publish(&**bus, &[Signal::Revoked(key)]).await;
        }
    }
}

/// Without the key.
impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").finish_non_exhaustive()
    }
}
