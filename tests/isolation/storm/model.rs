//! What one login may find in its session.

use std::collections::BTreeSet;

use super::plan::Act;

/// The session of one login, as far as its client can know it.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// What the last act that was answered left behind.
    settled: Option<String>,
    /// What acts would leave behind that were not answered. They may have been done, or not, or
    /// be done at any later time.
    loose: BTreeSet<Option<String>>,
}

impl Model {
    pub(crate) fn may_find(&self, note: &Option<String>) -> bool {
        *note == self.settled || self.loose.contains(note)
    }

    /// It was done.
    pub(crate) fn acted(&mut self, act: Act, note: &str) {
        if let Some(left) = leaves(act, note) {
            self.settled = left;
        }
    }

    /// Nobody can know whether it was done.
    pub(crate) fn may_have_acted(&mut self, act: Act, note: &str) {
        self.loose.extend(leaves(act, note));
    }
}

/// What an act leaves behind; `None` if that is what was there.
fn leaves(act: Act, note: &str) -> Option<Option<String>> {
    match act {
        Act::Forget => Some(None),
        Act::Read => None,
        Act::Write => Some(Some(note.to_owned())),
    }
}
