//! A key that has just been cut.

use portcullis_core::Secret;

use super::StoredKey;

/// A key that has just been cut: the text for its holder, and what is kept of it.
///
/// The text exists nowhere else. Write [`stored`](Self::stored) to the database, then show the
/// text once and drop this.
#[derive(Debug)]
#[must_use = "the text of the key exists nowhere else"]
pub struct IssuedKey {
    text: Secret,
    stored: StoredKey,
}

impl IssuedKey {
    pub(super) fn new(text: Secret, stored: StoredKey) -> Self {
        Self { text, stored }
    }

    /// The text of the key, for its holder. Search for this name to see who reads secrets.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Keys are cut from ASCII, so the default is never taken.
        str::from_utf8(self.text.expose()).unwrap_or_default()
    }

    /// What is kept of the key.
    pub fn stored(&self) -> &StoredKey {
        &self.stored
    }

    /// What is kept of the key, where the text has been shown.
    pub fn into_stored(self) -> StoredKey {
        self.stored
    }
}
