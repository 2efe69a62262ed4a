//! What a credential was granted.

use std::{fmt, sync::Arc};

/// The most scopes of one list. Comparing each with all before it stays cheap.
const MAX_SCOPES: usize = 512;

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
    /// A byte outside `%x21 / %x23-5B / %x5D-7E` in a scope, or more than 512 scopes. Two
    /// spaces in a row are no error: some issuers send them.
    pub fn parse(list: &str) -> Result<Self, InvalidScope> {
        Self::collect(list.split(' ').filter(|scope| !scope.is_empty()))
    }

    /// Collects single scopes.
    ///
    /// # Errors
    ///
    /// An empty scope, a byte that RFC 6749 §3.3 does not allow in one (also a space), or more
    /// than 512 scopes.
    pub fn collect<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScope> {
        let mut known: Vec<&str> = Vec::with_capacity(16);
        for scope in scopes {
            if scope.is_empty() || !scope.bytes().all(is_scope_byte) {
                return Err(InvalidScope(
                    "a scope is one or more printable ASCII characters other than space, `\"` and `\\`",
                ));
            }
            if known.contains(&scope) {
                continue;
            }
            if known.len() == MAX_SCOPES {
                return Err(InvalidScope("a list holds at most 512 scopes"));
            }
            known.push(scope);
        }
        Ok(Self(known.join(" ").into()))
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

/// A text that is no scope, or too many of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidScope(&'static str);

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
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

    #[test]
    fn a_list_has_an_end() {
        let names: Vec<_> = (0..513).map(|n| format!("s{n}")).collect();
        let some = names.get(..512).unwrap().join(" ");
        assert_eq!(Scopes::parse(&some).unwrap().as_str(), some);
        assert!(Scopes::parse(&format!("{some} s0")).is_ok(), "a repetition");
        let error = Scopes::parse(&names.join(" ")).unwrap_err();
        assert_eq!(error.to_string(), "a list holds at most 512 scopes");
    }
}
