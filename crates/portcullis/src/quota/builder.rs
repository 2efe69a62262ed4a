//! The settings of the `quota` layer.

use std::{fmt, sync::Arc, sync::atomic::AtomicBool};

use portcullis_core::{AlreadyHashed, ConfigError, ConfigErrors, QuotaRate, QuotaStore, Secret};

use super::{
    Quota, QuotaLayer,
    decide::Count,
    key::{Keys, SharedKeys},
    store::AnyQuotaStore,
    together::{CountTogether, Fallback},
};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::keep,
    frame::{Step, Steps},
    gcra::{Elapsed, Meter},
    time::Time,
};

/// The settings of a [`QuotaLayer`]. Setters keep their mistakes; [`build`](Self::build)
/// reports them, all at once.
#[derive(Debug)]
#[must_use = "nothing is limited until `build` is called and the layer is added"]
pub struct QuotaBuilder {
    ambient: Ambient,
    settings: QuotaSettings,
}

/// What `quota` is made from, beside what every layer has.
pub(crate) struct QuotaSettings {
    per_principal: Option<Quota>,
    per_client: Option<Quota>,
    capacity: usize,
    store: Option<Arc<dyn AnyQuotaStore>>,
    key: Option<Secret>,
    falls_back: bool,
}

impl Default for QuotaSettings {
    fn default() -> Self {
        Self {
            per_principal: None,
            per_client: None,
            capacity: 100_000,
            store: None,
            key: None,
            falls_back: false,
        }
    }
}

impl QuotaBuilder {
    pub(super) fn new() -> Self {
        Self {
            ambient: Ambient::default(),
            settings: QuotaSettings::default(),
        }
    }

    ambient_setters!();

    /// What each principal may ask for: the pair of issuer and subject, whatever credential
    /// and whatever client it comes with. No limit by default.
    pub fn with_per_principal(mut self, quota: Quota) -> Self {
        self.settings.per_principal = Some(quota);
        self
    }

    /// What each client application may ask for, for all its users together: the pair of
    /// issuer and client id. No limit by default.
    ///
    /// A credential that names no client counts for none.
    pub fn with_per_client(mut self, quota: Quota) -> Self {
        self.settings.per_client = Some(quota);
        self
    }

    /// How many principals, and as many clients, are told apart while they owe something.
    /// 100 000 of each by default, which take at most 6 MB of memory each.
    ///
    /// Beyond that, newcomers share one quota among many until somebody owes nothing any more:
    /// nobody who owes is forgotten for a stranger's sake. Who asks rarely owes for no longer
    /// than one request takes to come back, so this is about how many ask in the same while.
    pub fn with_capacity(mut self, debtors: usize) -> Self {
        self.settings.capacity = debtors;
        self
    }

    /// Where what is spent is kept, for all servers together: each request then asks the store
    /// once. Without one each layer counts in its own memory, and asks nobody.
    ///
    /// While the store cannot say, the answer is 503, unless
    /// [`with_local_fallback`](Self::with_local_fallback) is called. One that is not
    /// [volatile](QuotaStore::is_volatile) needs [`with_key`](Self::with_key). A quota may be at most
    /// 10 000 requests a second then.
    pub fn with_store(mut self, store: impl QuotaStore) -> Self {
        self.settings.store = Some(Arc::new(store));
        self
    }

    /// The key of the hashes by which budgets are found in a store: 16 random bytes, kept where
    /// the server's other secrets are, and the same on all servers. Layers with the same store and
    /// the same key count together; one with another quota, such as that of one route, has another
    /// key.
    pub fn with_key(mut self, key: Secret) -> Self {
        self.settings.key = Some(key);
        self
    }

    /// Goes on without the store while that cannot say: each server then counts by itself, so that
    /// a caller may ask each of them for as much as otherwise all of them together. What a caller
    /// has spent here before counts. Without this nobody gets in then.
    ///
    /// It waits for the store as long as the store makes it wait before it is an error: keep that
    /// timeout short.
    pub fn with_local_fallback(mut self) -> Self {
        self.settings.falls_back = true;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix; also when there is no quota.
    pub fn build(self) -> Result<QuotaLayer, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let time = self.ambient.time();
        let step = keep(self.settings.assemble(&self.ambient, time), &mut errors);
        let shared = keep(self.ambient.build(), &mut errors);
        match (step, shared) {
            (Some(step), Some(shared)) => {
                Ok(QuotaLayer::new(Arc::new(Steps::new(vec![step], shared))))
            }
            _ => Err(errors),
        }
    }

    pub(crate) fn into_settings(self) -> QuotaSettings {
        self.settings
    }
}

impl QuotaSettings {
    /// Checks every setting against the place where the layer will stand. `time` is that of all
    /// layers beside it.
    pub(crate) fn assemble(
        mut self,
        ambient: &Ambient,
        time: Time,
    ) -> Result<Arc<dyn Step>, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let store = self.store.take();
        if self.falls_back && store.is_none() {
            errors.push(ConfigError::new(
                "with_local_fallback",
                "was called without `with_store`, so there is nothing to fall back from; call \
                 `with_store` as well, or leave it out",
            ));
        }
        let together = store.map(|store| {
            let keys = shared_keys(self.key.as_ref(), &*store, &mut errors);
            let mut rate = |setting, quota: Option<Quota>| {
                // What is wrong with it in any case is said below.
                let quota = quota.filter(|quota| quota.rate().is_ok())?;
                let rate = quota.shared_rate();
                rate.map_err(|problem| errors.push(ConfigError::new(setting, problem)))
                    .ok()
            };
            let rates: [Option<QuotaRate>; 2] = [
                rate("with_per_principal", self.per_principal),
                rate("with_per_client", self.per_client),
            ];
            (store, keys, rates)
        });
        let (count, problems) = self.count(ambient);
        errors.extend(problems);
        let (Some(count), true) = (count, errors.is_empty()) else {
            return Err(errors);
        };
        let Some((store, Some(keys), [per_principal, per_client])) = together else {
            return Ok(Arc::new(count));
        };
        let fallback = self.falls_back.then(|| Fallback {
            count,
            is_used: AtomicBool::new(false),
        });
        Ok(Arc::new(CountTogether {
            store,
            keys,
            per_principal,
            per_client,
            time,
            fallback,
        }))
    }

    /// What counts by itself.
    fn count(&self, ambient: &Ambient) -> (Option<Count>, ConfigErrors) {
        let mut errors = ConfigErrors::default();
        if self.per_principal.is_none() && self.per_client.is_none() {
            errors.push(ConfigError::new(
                "with_per_principal",
                "was not called, nor was `with_per_client`, so nothing would be limited; call \
                 one of them, or leave the layer out",
            ));
        }
        if self.capacity == 0 {
            errors.push(ConfigError::new(
                "with_capacity",
                "tells nobody apart, so all would share one quota; give at least one",
            ));
        }
        let mut meter = |setting, quota: Option<Quota>, full| {
            let rate = quota?
                .rate()
                .map_err(|problem| errors.push(ConfigError::new(setting, problem)));
            Some(Meter::new(rate.ok()?, self.capacity, AlreadyHashed, full))
        };
        let principals = meter(
            "with_per_principal",
            self.per_principal,
            "more principals ask in the same while than the quota tells apart, so newcomers \
             share one; raise `with_capacity`",
        );
        let clients = meter(
            "with_per_client",
            self.per_client,
            "more clients ask in the same while than the quota tells apart, so newcomers share \
             one; raise `with_capacity`",
        );
        let keys = Keys::new().map_err(|error| errors.push(no_randomness(&error)));
        let count = keys.ok().map(|keys| Count {
            keys,
            principals,
            clients,
            elapsed: Elapsed::new(Arc::clone(&ambient.clock)),
        });
        (count, errors)
    }
}

fn shared_keys(
    key: Option<&Secret>,
    store: &dyn AnyQuotaStore,
    errors: &mut ConfigErrors,
) -> Option<SharedKeys> {
    let problem = match key {
        Some(key) => match SharedKeys::with_key(key) {
            Some(keys) => return Some(keys),
            None => {
                "is not 16 bytes; draw 16 random bytes once, and keep them where the server's \
                 other secrets are"
            }
        },
        None if !store.is_volatile() => {
            "is not set, and the store of `with_store` outlasts the process or is shared: each \
             server would count by itself; give all of them one key of 16 random bytes"
        }
        None => {
            let keys = SharedKeys::new().map_err(|error| errors.push(no_randomness(&error)));
            return keys.ok();
        }
    };
    errors.push(ConfigError::new("with_key", problem));
    None
}

fn no_randomness(error: &std::io::Error) -> ConfigError {
    let problem = format!("the operating system gives no randomness: {error}");
    ConfigError::new("build", problem)
}

/// Without the key.
impl fmt::Debug for QuotaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaSettings")
            .field("per_principal", &self.per_principal)
            .field("per_client", &self.per_client)
            .field("capacity", &self.capacity)
            .field("has_store", &self.store.is_some())
            .field("falls_back", &self.falls_back)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(builder: QuotaBuilder) -> Vec<(String, String)> {
        let errors = builder.build().unwrap_err();
        errors
            .iter()
            .map(|error| (error.setting().to_owned(), error.problem().to_owned()))
            .collect()
    }

    #[test]
    fn a_layer_without_a_quota_names_the_fix() {
        let problems = problems(QuotaLayer::builder());
        let [(setting, problem)] = problems.as_slice() else {
            unreachable!("one problem, not {problems:?}");
        };
        assert_eq!(setting, "with_per_principal");
        assert!(problem.contains("`with_per_client`"), "{problem}");
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let builder = QuotaLayer::builder()
            .with_per_principal(Quota::per_minute(0))
            .with_per_client(Quota::per_minute(1).with_burst(0))
            .with_capacity(0)
            .with_base_path("nowhere");
        let problems = problems(builder);
        let settings: Vec<_> = problems.iter().map(|(setting, _)| setting).collect();
        assert_eq!(
            settings,
            [
                "with_capacity",
                "with_per_principal",
                "with_per_client",
                "with_base_path"
            ]
        );
    }

    #[test]
    fn either_quota_is_enough() {
        let quota = Quota::per_minute(600).with_burst(60);
        for builder in [
            QuotaLayer::builder().with_per_principal(quota),
            QuotaLayer::builder().with_per_client(quota),
            QuotaLayer::builder()
                .with_per_client(quota)
                .with_capacity(1),
        ] {
            assert!(builder.build().is_ok());
        }
    }
}
