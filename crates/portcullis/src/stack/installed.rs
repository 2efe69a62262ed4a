//! What a gate is made of: what stays while it runs, and what others may come in the place of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::{
    authn::AnyAuthenticator,
    exchange::Shared,
    frame::{CurrentSteps, Steps},
    resource::Metadata,
    revocation::Revocations,
    session::{AllSessions, Policy},
    time::Time,
};

/// What stays for as long as a gate runs: what it remembers, and those who are in.
pub(super) struct Ground {
    pub(super) shared: Arc<Shared>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) sessions: Option<AllSessions>,
    pub(super) time: Time,
    pub(super) resource: Option<Arc<str>>,
}

/// What comes of the settings.
pub(super) struct Layers {
    pub(super) steps: Arc<Steps>,
    pub(super) authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
    pub(super) metadata: Option<Metadata>,
    /// The rules of the sessions, where those are there already.
    pub(super) policy: Option<Policy>,
}

/// The layers that count now.
pub(super) struct Installed {
    steps: CurrentSteps,
    outside: Arc<ArcSwap<Option<Metadata>>>,
    authenticators: Mutex<Authenticators>,
}

/// Who decides now, and who did and has not ended.
struct Authenticators {
    now: Arc<[Arc<dyn AnyAuthenticator>]>,
    before: Vec<Arc<dyn AnyAuthenticator>>,
}

impl Installed {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            steps: CurrentSteps::new(layers.steps),
            outside: Arc::new(ArcSwap::from_pointee(layers.metadata)),
            authenticators: Mutex::new(Authenticators {
                now: layers.authenticators,
                before: Vec::new(),
            }),
        }
    }

    pub(super) fn steps(&self) -> &CurrentSteps {
        &self.steps
    }

    /// What is answered without a credential.
    pub(super) fn outside(&self) -> &Arc<ArcSwap<Option<Metadata>>> {
        &self.outside
    }

    /// Who decides now.
    pub(super) fn authenticators(&self) -> Arc<[Arc<dyn AnyAuthenticator>]> {
        Arc::clone(&self.lock().now)
    }

    /// Has other layers decide from now on. Says who did before.
    pub(super) fn replace(&self, layers: Layers) -> Arc<[Arc<dyn AnyAuthenticator>]> {
        let mut authenticators = self.lock();
        self.steps.replace(layers.steps);
        self.outside.store(Arc::new(layers.metadata));
        let before = std::mem::replace(&mut authenticators.now, layers.authenticators);
        authenticators.before.extend(before.iter().cloned());
        before
    }

    /// Those of these who have not been told to end.
    pub(super) fn take_before(
        &self,
        among: &[Arc<dyn AnyAuthenticator>],
    ) -> Vec<Arc<dyn AnyAuthenticator>> {
        let is_meant =
            |one: &mut Arc<dyn AnyAuthenticator>| among.iter().any(|other| Arc::ptr_eq(one, other));
        self.lock().before.extract_if(.., is_meant).collect()
    }

    /// All who have not been told to end.
    pub(super) fn all_authenticators(&self) -> Vec<Arc<dyn AnyAuthenticator>> {
        let authenticators = self.lock();
        let before = authenticators.before.iter();
        before.chain(authenticators.now.iter()).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Authenticators> {
        // Whole between any two statements.
        self.authenticators
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
