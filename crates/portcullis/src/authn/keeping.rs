//! What is kept of the answers of the store of revocations, and who says for how long.

use std::{sync::Arc, time::Duration};

use portcullis_core::ConfigErrors;

use super::AuthnSettings;
use crate::{signal::Signals, tasks::Tasks};

impl AuthnSettings {
    /// What others are told by, and heard.
    pub(crate) fn signals(&self) -> Option<Arc<Signals>> {
        let bus = self.bus.clone();
        bus.map(|bus| Arc::new(Signals::new(bus)))
    }

    /// Has what the store of revocations says kept, if that was asked for.
    pub(crate) fn keep_answers(
        &mut self,
        signals: Option<&Arc<Signals>>,
        tasks: &Tasks,
        max_unconfirmed: Option<Duration>,
        errors: &mut ConfigErrors,
    ) {
        let has_bus = signals.is_some();
        let bounds = self.cache.bounds(has_bus, max_unconfirmed, errors);
        if let Some((bounds, signals)) = bounds.zip(signals) {
            let (signals, tasks) = (Arc::clone(signals), tasks.clone());
            self.revocations.with_cache(bounds, signals, tasks);
        }
    }
}
