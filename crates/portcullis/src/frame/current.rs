//! The steps that count now.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};

use super::steps::Steps;

/// The steps of a layer, in whose place others may come while it runs. Clones are the same: they
/// change together.
#[derive(Clone)]
pub(crate) struct CurrentSteps(Arc<ArcSwap<Steps>>);

impl CurrentSteps {
    pub(crate) fn new(steps: Arc<Steps>) -> Self {
        Self(Arc::new(ArcSwap::new(steps)))
    }

    /// Those for a request that arrives. It keeps them to its end.
    pub(crate) fn load(&self) -> Guard<Arc<Steps>> {
        self.0.load()
    }

    /// Has others in their place for whatever arrives from now on.
    pub(crate) fn replace(&self, steps: Arc<Steps>) {
        self.0.store(steps);
    }
}

impl fmt::Debug for CurrentSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}
