//! One hasher for all tables whose keys are hashes already.

use std::hash::{BuildHasher, Hasher};

/// Takes half of a key for its hash. For keys that are hashes with a secret key already, and for
/// no others: whoever can choose his keys can have them all meet in one place.
///
/// It is here for the tables of this project, and no part of what the crate promises.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlreadyHashed;

/// Odd, and of no pattern: the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hasher of [`AlreadyHashed`].
#[derive(Debug)]
pub struct LowHalf(u64);

impl BuildHasher for AlreadyHashed {
    type Hasher = LowHalf;

    fn build_hasher(&self) -> LowHalf {
        LowHalf(0)
    }
}

impl Hasher for LowHalf {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, half: u64) {
        // The first is taken as it is; of several, each counts.
        self.0 = self.0.rotate_left(23).wrapping_mul(MIX) ^ half;
    }

    fn write_u128(&mut self, key: u128) {
        self.write_u64(key as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OwnerKey;

    #[test]
    fn a_key_is_its_own_hash() {
        let whole = (7 << 64) | 0x0123_4567_89ab_cdef_u128;
        let half = 0x0123_4567_89ab_cdef_u64;
        assert_eq!(AlreadyHashed.hash_one(OwnerKey::from_u128(whole)), half);
        assert_eq!(AlreadyHashed.hash_one(whole), half);
        assert_eq!(AlreadyHashed.hash_one(half), half);
    }

    #[test]
    fn of_several_keys_each_counts() {
        let of = |owner, key: u128| {
            let owner = OwnerKey::from_u128(owner);
            AlreadyHashed.hash_one((owner, key))
        };
        let mut hashes = std::collections::HashSet::new();
        for n in 0..1000 {
            assert!(hashes.insert(of(n, 7)), "owner {n}");
            assert!(hashes.insert(of(7, 1000 + n)), "key {n}");
        }
        assert_ne!(of(1, 2), of(2, 1));
    }
}
