//! The end of a request that was let in.

use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_core::ReasonCode;

use crate::{exchange::Exchange, reason};

/// Writes down how a request ended, when it is dropped: wherever that happens, by whomever.
pub(crate) struct Closing {
    exchange: Exchange,
    code: ReasonCode,
    /// Whether whoever reads has been told that there is nothing more. He then stops, without
    /// asking for the end: a body is looked at before it is polled.
    is_at_the_end: AtomicBool,
}

impl Closing {
    /// A request that has been let in. Until something better is known, whoever drops it has
    /// gone away.
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            code: reason::DROPPED,
            is_at_the_end: AtomicBool::new(false),
        }
    }

    /// Passes on whether the body is at its end.
    pub(crate) fn tell(&self, is_at_the_end: bool) {
        if is_at_the_end {
            self.is_at_the_end.store(true, Ordering::Release);
        }
    }

    /// The answer is complete.
    pub(crate) fn complete(&mut self) {
        self.code = reason::COMPLETED;
    }

    /// The answer failed on the way.
    pub(crate) fn fail(&mut self) {
        self.code = reason::FAILED;
    }

    /// The session ended it.
    pub(crate) fn cut(&mut self) {
        self.code = reason::CUT;
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let is_at_the_end = *self.is_at_the_end.get_mut();
        self.exchange.record_end(match self.code {
            reason::DROPPED if is_at_the_end => reason::COMPLETED,
            code => code,
        });
    }
}
