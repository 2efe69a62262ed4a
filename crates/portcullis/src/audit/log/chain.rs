//! The chain that runs through all lines.

use sha2::{Digest as _, Sha256};

/// What is hashed ahead of everything else, so that a hash of this chain is no hash of anything
/// else that somebody could be made to compute.
const TAG: &[u8] = b"portcullis.audit/1 line\0";

pub(super) type Hash = [u8; 32];

/// What chains are told apart by: drawn when one begins.
pub(super) type ChainId = [u8; 16];

/// What comes before the first line.
pub(super) const NOTHING: Hash = [0; 32];

/// The last line of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

impl Link {
    pub(super) const BEFORE_THE_FIRST: Self = Self {
        seq: 0,
        hash: NOTHING,
    };

    /// The hash of the line that follows: everything of it that stands ahead of its own hash.
    pub(super) fn hash_next(&self, line: &[u8]) -> Hash {
        let mut hash = Sha256::new();
        hash.update(TAG);
        hash.update(self.hash);
        hash.update(line);
        hash.finalize().into()
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
}

/// The bytes of as many lower-case hexadecimal digits.
pub(super) fn parse_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(half(*high)? << 4 | half(*low)?))
        .collect();
    bytes?.try_into().ok()
}

/// One reading only: a hash in capitals would be a second form of the same line.
const fn half(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_what_came_before() {
        let first = Link::BEFORE_THE_FIRST.hash_next(b"{\"seq\":1");
        let link = Link {
            seq: 1,
            hash: first,
        };
        assert_ne!(first, link.hash_next(b"{\"seq\":1"));
        let mut text = String::new();
        push_hex(&mut text, &first);
        // Fixed: logs that exist are verified by later versions.
        assert_eq!(
            text,
            "669e16ad5d8ed234a6857afc52639c0d8218f1b4851749c93fb8ee218e260f11"
        );
        assert_eq!(parse_hex(text.as_bytes()), Some(first));
        assert_eq!(parse_hex::<32>(text.to_uppercase().as_bytes()), None);
        assert_eq!(parse_hex::<32>(&text.as_bytes()[1..]), None);
    }
}
