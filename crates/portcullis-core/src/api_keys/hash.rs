//! What is kept of the secret of a key.

use std::fmt;

use crate::Secret;

/// What is kept of a key: its HMAC-SHA-256 under the server's pepper.
///
/// Who reads it can neither use it as a key nor, without the pepper, test a guess. It is not
/// shown by `Debug` all the same, and there is no `PartialEq`: [`matches`](Self::matches)
/// compares in constant time.
///
/// # Example
///
/// ```
/// use portcullis_core::api_keys::KeyHash;
///
/// let hash = KeyHash::from_bytes([0xab; 32]);
/// assert_eq!(format!("{hash:?}"), "KeyHash([redacted])");
/// assert_eq!(KeyHash::from_hex(&hash.to_hex())?.as_bytes(), hash.as_bytes());
/// # Ok::<(), portcullis_core::api_keys::InvalidKeyHash>(())
/// ```
#[derive(Clone)]
pub struct KeyHash(Secret);

impl KeyHash {
    /// From the 32 bytes that [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// From the 64 hexadecimal digits that [`to_hex`](Self::to_hex) gave, in any case.
    ///
    /// # Errors
    ///
    /// Another length, or a character that is no hexadecimal digit.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKeyHash> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(InvalidKeyHash(()));
        };
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?))
            .collect();
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self::from_bytes).ok_or(InvalidKeyHash(()))
    }

    /// The 32 bytes, to be kept in a database.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.expose()
    }

    /// The 32 bytes as 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.as_bytes()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 0xf])
            .filter_map(|nibble| char::from_digit(nibble.into(), 16))
            .collect()
    }

    /// Whether this is the hash of what was presented, in constant time.
    #[must_use]
    pub fn matches(&self, presented: &[u8; 32]) -> bool {
        self.0.matches(presented)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash([redacted])")
    }
}

/// A text that is no hash of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidKeyHash(());

impl fmt::Display for InvalidKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hash of a key is 64 hexadecimal digits")
    }
}

impl std::error::Error for InvalidKeyHash {}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_64_hexadecimal_digits() {
        let hash = KeyHash::from_hex(&"aB".repeat(32)).unwrap();
        assert_eq!(hash.as_bytes(), [0xab; 32]);
        assert_eq!(hash.to_hex(), "ab".repeat(32));
        for text in [
            "",
            "a",
            &"a".repeat(63),
            &"a".repeat(65),
            &"a".repeat(66),
            &"g0".repeat(32),
            &"\u{e4}".repeat(32),
            &"+f".repeat(32),
        ] {
            assert_eq!(KeyHash::from_hex(text).unwrap_err(), InvalidKeyHash(()));
        }
    }
}
