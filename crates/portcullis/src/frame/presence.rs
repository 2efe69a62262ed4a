//! That a request is in.

use std::sync::Arc;

use super::{doors::End, steps::Steps};

/// A request that is in: from when it arrives at a layer, over its handler, to the end of its
/// body. Dropped when it is out.
pub(super) struct Presence {
    steps: Arc<Steps>,
    is_outermost: bool,
    /// How it ended, once it has been let in and has ended.
    end: Option<End>,
}

impl Presence {
    /// A request that arrives, unless nothing is taken any more. It is counted by the outermost
    /// layer.
    pub(super) fn enter(steps: &Arc<Steps>, is_outermost: bool) -> Option<Self> {
        if is_outermost && !steps.doors().enter() {
            return None;
        }
        Some(Self {
            steps: Arc::clone(steps),
            is_outermost,
            end: None,
        })
    }

    pub(super) fn steps(&self) -> &Arc<Steps> {
        &self.steps
    }

    /// Whether this layer made the exchange, and so writes its records.
    pub(super) fn is_outermost(&self) -> bool {
        self.is_outermost
    }

    /// It had been let in, and has ended in this way.
    pub(super) fn set_end(&mut self, end: End) {
        self.end = Some(end);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.is_outermost {
            match self.end {
                Some(end) => self.steps.doors().leave(end),
                None => self.steps.doors().withdraw(),
            }
        }
    }
}
