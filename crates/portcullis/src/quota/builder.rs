//! The settings of the `quota` layer.

use std::sync::Arc;

use portcullis_core::{AlreadyHashed, ConfigError, ConfigErrors};

use super::{Quota, QuotaLayer, decide::Count, key::Keys};
use crate::{
    ambient::{Ambient, ambient_setters},
    authn::keep,
    frame::Steps,
    gcra::{Elapsed, Meter},
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
#[derive(Debug)]
pub(crate) struct QuotaSettings {
    per_principal: Option<Quota>,
    per_client: Option<Quota>,
    capacity: usize,
}

impl Default for QuotaSettings {
    fn default() -> Self {
        Self {
            per_principal: None,
            per_client: None,
            capacity: 100_000,
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

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix; also when there is no quota.
    pub fn build(self) -> Result<QuotaLayer, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let step = keep(self.settings.assemble(&self.ambient), &mut errors);
        let shared = keep(self.ambient.build(), &mut errors);
        match (step, shared) {
            (Some(step), Some(shared)) => Ok(QuotaLayer::new(Arc::new(Steps::new(
                vec![Arc::new(step)],
                shared,
            )))),
            _ => Err(errors),
        }
    }

    pub(crate) fn into_settings(self) -> QuotaSettings {
        self.settings
    }
}

impl QuotaSettings {
    /// Checks every setting against the place where the layer will stand.
    pub(crate) fn assemble(self, ambient: &Ambient) -> Result<Count, ConfigErrors> {
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
        match Keys::new() {
            Ok(keys) => errors.into_result(Count {
                keys,
                principals,
                clients,
                elapsed: Elapsed::new(Arc::clone(&ambient.clock)),
            }),
            Err(error) => {
                errors.push(ConfigError::new(
                    "build",
                    format!("the operating system gives no randomness: {error}"),
                ));
                Err(errors)
            }
        }
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
