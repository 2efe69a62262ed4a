//! The pepper that hashes of keys are computed with.

use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_core::Secret;
use sha2::Sha256;

/// The shortest pepper, in bytes: as long as the hash (RFC 2104 §3).
const MIN_PEPPER: usize = 32;

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

#[cfg(test)]
thread_local! {
    /// How many keys this thread has hashed.
    pub(super) static HASHED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use portcullis_core::api_keys::KeyHash;

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
}
