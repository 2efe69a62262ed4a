//! Bytes that nothing prints.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

/// Bytes that nothing prints and that are overwritten when dropped.
///
/// There is no `PartialEq`: compare with [`matches`](Self::matches), whose time does not
/// depend on where the two differ (it does depend on the lengths).
///
/// # Example
///
/// ```
/// use portcullis_core::Secret;
///
/// let secret = Secret::from("correct horse");
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// assert!(secret.matches(b"correct horse"));
/// assert!(!secret.matches(b"battery staple"));
/// ```
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes bytes into keeping.
    #[must_use]
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. Search for this name to see who reads secrets.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `other` is the same, in constant time for equal lengths.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        // `into_bytes` keeps the allocation; shrinking it could leave a copy behind, so the
        // bytes are copied exactly and the original is overwritten.
        let mut bytes = text.into_bytes();
        let secret = Self::new(bytes.as_slice());
        bytes.zeroize();
        secret
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
