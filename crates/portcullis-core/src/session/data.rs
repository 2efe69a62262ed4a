//! What a handler keeps in a session.

use std::{collections::BTreeMap, fmt};

/// What a handler keeps in a session: bytes by name. The `session` layer seals it before a store
/// sees it, as [`StoredData::Sealed`].
///
/// `Debug` shows the names and lengths only.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct SessionData(BTreeMap<Box<str>, Box<[u8]>>);

impl SessionData {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// What is kept under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|value| &**value)
    }

    /// Keeps bytes under a name, in place of what was there.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<[u8]>>) {
        self.0.insert(name.into(), value.into());
    }

    /// Forgets what is kept under a name. Says whether there was something.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// The names and what is kept under them, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes names and values take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }
}

/// What a record holds beside itself. A store keeps it as it is.
///
/// `Debug` shows names and lengths only.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum StoredData {
    /// Values that anybody can read, and could have written. The `session` layer writes none, and
    /// believes none.
    Plain(SessionData),
    /// Bytes that the `session` layer alone can open, with a key that no store has.
    Sealed(Box<[u8]>),
}

impl StoredData {
    /// About how many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Plain(data) => data.size(),
            Self::Sealed(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for StoredData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(data) => f.debug_tuple("Plain").field(data).finish(),
            Self::Sealed(bytes) => f.debug_tuple("Sealed").field(&bytes.len()).finish(),
        }
    }
}

impl<N: Into<Box<str>>, V: Into<Box<[u8]>>> FromIterator<(N, V)> for SessionData {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        let values = values.into_iter();
        Self(values.map(|(n, v)| (n.into(), v.into())).collect())
    }
}

impl fmt::Debug for SessionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.iter().map(|(name, value)| (name, value.len()));
        f.debug_map().entries(lengths).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bytes_by_name_and_shows_none() {
        let mut data = SessionData::new();
        data.insert("basket", *b"canary");
        data.insert("basket", *b"canary!");
        assert_eq!(data.get("basket"), Some(&b"canary!"[..]));
        assert_eq!(data.size(), 13);
        assert_eq!(format!("{data:?}"), "{\"basket\": 7}");
        let stored = StoredData::Plain(data.clone());
        assert_eq!(format!("{stored:?}"), "Plain({\"basket\": 7})");
        assert_eq!(stored.size(), 13);
        let sealed = StoredData::Sealed(Box::new(*b"canary"));
        assert_eq!(format!("{sealed:?}"), "Sealed(6)");
        assert_eq!(sealed.size(), 6);
        assert!(data.remove("basket"));
        assert!(!data.remove("basket"));
        assert!(data.is_empty());
    }
}
