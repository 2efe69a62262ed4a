//! What a credential was granted.

use std::{fmt, sync::Arc};

/// A list of scopes (RFC 6749 §3.3), without repetition, in the order they were granted.
///
/// Cheap to clone. Scopes are compared byte for byte; nothing here knows a hierarchy.
///
/// # Example
///
/// ```
/// use portcullis_core::Scopes;
///
/// let scopes = Scopes::parse("notes.read notes.write notes.read")?;
/// assert_eq!(scopes.iter().collect::<Vec<_>>(), ["notes.read", "notes.write"]);
/// assert!(scopes.contains("notes.read"));
/// assert!(!scopes.contains("notes"));
/// assert!(!Scopes::default().contains(""));
/// # Ok::<(), portcullis_core::InvalidScope>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Scopes(Arc<str>);

impl Scopes {
    /// Parses the space-separated form that tokens and challenges carry.
    ///
    /// # Errors
    ///
    /// A byte outside `%x21 / %x23-5B / %x5D-7E` in a scope. Two spaces in a row are no
    /// error: some issuers send them.
    pub fn parse(list: &str) -> Result<Self, InvalidScope> {
        Self::collect(list.split(' ').filter(|scope| !scope.is_empty()))
    }

    /// Collects single scopes.
    ///
    /// # Errors
    ///
    /// An empty scope, or a byte that RFC 6749 §3.3 does not allow in one: also a space.
    pub fn collect<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScope> {
        let mut joined = String::new();
        for scope in scopes {
            if scope.is_empty() || !scope.bytes().all(is_scope_byte) {
                return Err(InvalidScope(()));
            }
            if joined.split(' ').any(|known| known == scope) {
                continue;
            }
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(scope);
        }
        Ok(Self(joined.into()))
    }

    /// Whether `scope` was granted, byte for byte.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        !scope.is_empty() && self.iter().any(|granted| granted == scope)
    }

    /// The scopes, in the order they were granted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether nothing was granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The space-separated form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Scopes {
    fn default() -> Self {
        Self("".into())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no scope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidScope(());

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a scope is one or more printable ASCII characters other than space, `\"` and `\\`",
        )
    }
}

impl std::error::Error for InvalidScope {}

const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::Scopes;

    #[test]
    fn refuses_what_could_break_out_of_a_challenge() {
        for list in ["a\"b", "a\\b", "a\rb", "a\tb", "ä", "a\u{7f}"] {
            assert!(Scopes::parse(list).is_err(), "{list:?}");
        }
        assert!(Scopes::collect(["a b"]).is_err());
        assert!(Scopes::collect([""]).is_err());
        assert_eq!(Scopes::parse("  a   b ").unwrap().as_str(), "a b");
    }
}
