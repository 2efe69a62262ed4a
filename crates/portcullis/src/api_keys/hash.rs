//! What is kept of a key, and the pepper that it is computed with.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_core::Secret;
use sha2::Sha256;

/// The shortest pepper, in bytes: as long as the hash (RFC 2104 §3).
const MIN_PEPPER: usize = 32;

/// What is kept of a key: its HMAC-SHA-256 under the server's pepper.
///
/// Who reads it can neither use it as a key nor, without the pepper, test a guess. It is not
/// shown by `Debug` all the same, and there is no `PartialEq`: only the ring compares hashes,
/// in constant time.
///
/// # Example
///
/// ```
/// use portcullis::api_keys::KeyHash;
///
/// let hash = KeyHash::from_bytes([0xab; 32]);
/// assert_eq!(format!("{hash:?}"), "KeyHash([redacted])");
/// assert_eq!(KeyHash::from_hex(&hash.to_hex())?.as_bytes(), hash.as_bytes());
/// # Ok::<(), portcullis::api_keys::InvalidKeyHash>(())
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
    pub(super) fn matches(&self, presented: &[u8; 32]) -> bool {
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

/// The keyed hash, with the pepper already taken in: hashing a key starts from a copy of it.
#[derive(Clone)]
pub(super) struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// Takes a pepper in, or says how to mend it.
    pub(super) fn new(pepper: &Secret) -> Result<Self, &'static str> {
        const SHORT: &str = "the pepper is shorter than 32 bytes; \
             draw 32 random bytes once and keep them where the server's other secrets are";
        if pepper.expose().len() < MIN_PEPPER {
            return Err(SHORT);
        }
        // HMAC takes keys of any length, so the error does not occur.
        Hmac::new_from_slice(pepper.expose())
            .map(Self)
            .map_err(|_| SHORT)
    }

    /// Stands where no pepper could be taken in. Nothing may be issued or judged with it.
    pub(super) fn missing() -> Self {
        Self(Hmac::new(&Default::default()))
    }

    pub(super) fn hash(&self, text: &[u8]) -> [u8; 32] {
        #[cfg(test)]
        HASHED.with(|count| count.set(count.get() + 1));
        self.0
            .clone()
            .chain_update(text)
            .finalize()
            .into_bytes()
            .into()
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
thread_local! {
    /// How many keys this thread has hashed.
    pub(super) static HASHED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_hmac_sha_256_does() {
        // RFC 4231 §4.7 (test case 6): a key longer than a block.
        let pepper = Pepper::new(&Secret::new([0xaa; 131])).unwrap();
        let hash = pepper.hash(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(
            KeyHash::from_bytes(hash).to_hex(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn wants_a_pepper_of_32_bytes() {
        for length in [0, 1, 31] {
            assert!(Pepper::new(&Secret::new(vec![7; length])).is_err());
        }
        assert!(Pepper::new(&Secret::new([7; 32])).is_ok());
    }

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
