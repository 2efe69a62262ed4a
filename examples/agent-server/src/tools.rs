//! What the agent can do. A tool takes a permit, so there is no way to it around the question,
//! and sees of the caller what the permit shows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use portcullis::Permit;

/// Harmless.
pub(crate) const SEARCH: &str = "notes.search";
/// Of high impact.
pub(crate) const TRANSFER: &str = "payments.transfer";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) word: String,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Transfer {
    pub(crate) to: String,
    pub(crate) cents: u64,
}

/// The world outside: notes that are always the same, and a bank that keeps count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    calls: Arc<AtomicU64>,
}

impl Tools {
    pub(crate) fn search(&self, permit: Permit<Search>) -> String {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let Search { word } = permit.spend();
        format!("1 note about {word}")
    }

    pub(crate) fn transfer(&self, permit: Permit<Transfer>) -> String {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let for_whom = permit
            .actor()
            .map_or("nobody", |actor| actor.name())
            .to_owned();
        let Transfer { to, cents } = permit.spend();
        format!("sent {cents} cents to {to} for {for_whom}")
    }

    /// How often a tool was used.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}
