//! Whose quota.

use std::{
    hash::{Hash, Hasher},
    io,
};

use portcullis_core::entropy;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// Makes keys with a secret that only this process knows.
///
/// No name is kept, however long it is. Whoever wants to spend the quota of somebody else has
/// to guess 128 bits.
pub(super) struct Keys([u8; 16]);

/// A principal or a client: 128 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Key {
    // Two halves rather than one whole: an entry of the table is then as large as what is
    // in it.
    low: u64,
    high: u64,
}

impl Keys {
    pub(super) fn new() -> io::Result<Self> {
        entropy::bytes().map(Self)
    }

    /// The key of a name within its issuer.
    pub(super) fn make(&self, issuer: &str, name: &str) -> Key {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        // Where the issuer ends must not be a matter of opinion.
        hasher.write_usize(issuer.len());
        hasher.write(issuer.as_bytes());
        hasher.write(name.as_bytes());
        let hash = hasher.finish128();
        Key {
            low: hash.h1,
            high: hash.h2,
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_an_issuer_and_a_name() {
        let keys = Keys::new().unwrap();
        let key = keys.make("https://idp.example", "alice");
        assert_eq!(key, keys.make("https://idp.example", "alice"));
        for (issuer, name) in [
            ("https://idp.example", "bob"),
            ("https://idq.example", "alice"),
            ("https://idp.examplea", "lice"),
            ("https://idp.exampl", "ealice"),
            ("", "https://idp.examplealice"),
        ] {
            assert_ne!(key, keys.make(issuer, name), "{issuer} {name}");
        }
        // Another process has other keys.
        let other = Keys::new().unwrap();
        assert_ne!(key, other.make("https://idp.example", "alice"));
    }

    #[test]
    fn an_entry_is_as_large_as_it_is_said_to_be() {
        assert_eq!(size_of::<(Key, u64)>(), 24);
    }
}
