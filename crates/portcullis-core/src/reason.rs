//! Why a decision fell as it did.

use std::fmt;

/// A stable, machine-readable reason: lower-case words joined by `_`.
///
/// Reason codes appear in records, counters and logs, never in a response. A code that has
/// been released keeps its meaning.
///
/// # Example
///
/// ```
/// use portcullis_core::ReasonCode;
///
/// const EXPIRED: ReasonCode = ReasonCode::new("jwt_expired");
/// assert_eq!(EXPIRED.as_str(), "jwt_expired");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReasonCode(&'static str);

impl ReasonCode {
    /// A code of `[a-z0-9_]`, at most 64 bytes long.
    ///
    /// A text of any other form becomes `unnamed_reason`: a plug-in's slip must not reach a
    /// log as free text, and is no cause to panic.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        let bytes = code.as_bytes();
        let mut rest = bytes;
        while let [first, tail @ ..] = rest {
            if !matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'_') {
                return Self("unnamed_reason");
            }
            rest = tail;
        }
        if bytes.is_empty() || bytes.len() > 64 {
            return Self("unnamed_reason");
        }
        Self(code)
    }

    /// The code as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ReasonCode;

    #[test]
    fn free_text_is_no_code() {
        for text in ["", "Upper", "with space", "line\nbreak", "dash-ed"] {
            assert_eq!(ReasonCode::new(text).as_str(), "unnamed_reason", "{text:?}");
        }
        assert_eq!(ReasonCode::new("a_9").as_str(), "a_9");
    }
}
