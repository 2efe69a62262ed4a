//! What a gate is made of: what stays while it runs, and what others may come in the place of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::{
    authn::AnyAuthenticator,
    endpoints::Outside,
    exchange::Shared,
    frame::{CurrentSteps, Steps},
    notices::Receivers,
    revocation::{Revocations, Revoker},
    session::{AllSessions, Policy},
    time::Time,
};

/// What stays for as long as a gate runs: what it remembers, and those who are in.
pub(super) struct Ground {
    pub(super) shared: Arc<Shared>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) revoker: Revoker,
    pub(super) sessions: Option<AllSessions>,
    pub(super) time: Time,
    pub(super) resource: Option<Arc<str>>,
}

/// What comes of the settings.
pub(super) struct Layers {
    pub(super) steps: Arc<Steps>,
    pub(super) deciders: Deciders,
    pub(super) outside: Outside,
    /// The rules of the sessions, where those are there already.
    pub(super) policy: Option<Policy>,
}

/// Who is asked, and what is heard.
#[derive(Clone)]
pub(super) struct Deciders {
    pub(super) authenticators: Arc<[Arc<dyn AnyAuthenticator>]>,
    pub(super) receivers: Arc<Receivers>,
}

/// The layers that count now.
pub(super) struct Installed {
    steps: CurrentSteps,
    outside: Arc<ArcSwap<Outside>>,
    deciders: Mutex<State>,
}

/// Who decides now, and who did and has not ended.
struct State {
    now: Deciders,
    before: Vec<Deciders>,
}

impl Installed {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            steps: CurrentSteps::new(layers.steps),
            outside: Arc::new(ArcSwap::from_pointee(layers.outside)),
            deciders: Mutex::new(State {
                now: layers.deciders,
                before: Vec::new(),
            }),
        }
    }

    pub(super) fn steps(&self) -> &CurrentSteps {
        &self.steps
    }

    /// What is answered without a credential.
    pub(super) fn outside(&self) -> &Arc<ArcSwap<Outside>> {
        &self.outside
    }

    /// Who decides now.
    pub(super) fn deciders(&self) -> Deciders {
        self.lock().now.clone()
    }

    /// Has other layers decide from now on. Says who did before.
    pub(super) fn replace(&self, layers: Layers) -> Deciders {
        let mut state = self.lock();
        self.steps.replace(layers.steps);
        self.outside.store(Arc::new(layers.outside));
        let before = std::mem::replace(&mut state.now, layers.deciders);
        state.before.push(before.clone());
        before
    }

    /// Whether these have not been told to end. It is for whoever asks to tell them.
    pub(super) fn take(&self, one: &Deciders) -> bool {
        let mut state = self.lock();
        let before = state.before.len();
        let is_other = |other: &Deciders| !Arc::ptr_eq(&other.receivers, &one.receivers);
        state.before.retain(is_other);
        state.before.len() < before
    }

    /// All who have not been told to end.
    pub(super) fn all(&self) -> Vec<Deciders> {
        let state = self.lock();
        let before = state.before.iter();
        before.chain([&state.now]).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole between any two statements.
        self.deciders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
