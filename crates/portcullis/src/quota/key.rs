//! Whose quota.

use std::{
    hash::{Hash, Hasher},
    io,
};

use portcullis_core::{QuotaKey, Secret, entropy};
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

    /// Makes the keys within one issuer. The hash of the issuer is the key of their hashes, so that
    /// where the issuer ends is no matter of opinion.
    pub(super) fn within(&self, issuer: &str) -> Within {
        let hash = SipHasher13::new_with_key(&self.0).hash(issuer.as_bytes());
        Within(SipHasher13::new_with_keys(hash.h1, hash.h2))
    }
}

/// Makes the keys within one issuer.
pub(super) struct Within(SipHasher13);

impl Within {
    /// The key of a name.
    pub(super) fn key(&self, name: &str) -> Key {
        let hash = self.0.hash(name.as_bytes());
        Key {
            low: hash.h1,
            high: hash.h2,
        }
    }
}

/// Makes keys that others make as well.
#[derive(Clone)]
pub(super) struct SharedKeys([u8; 16]);

impl SharedKeys {
    pub(super) fn new() -> io::Result<Self> {
        entropy::bytes().map(Self)
    }

    /// With a key that outlasts the process. `None` if it is not 16 bytes.
    pub(super) fn with_key(key: &Secret) -> Option<Self> {
        key.expose().try_into().ok().map(Self)
    }

    pub(super) fn principal(&self, issuer: &str, subject: &str) -> QuotaKey {
        self.hash(["principal", issuer, subject])
    }

    pub(super) fn client(&self, issuer: &str, client: &str) -> QuotaKey {
        self.hash(["client", issuer, client])
    }

    fn hash(&self, texts: [&str; 3]) -> QuotaKey {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        for text in texts {
            // A length begins each, so that no two lists read alike.
            hasher.write_u64(text.len() as u64);
            hasher.write(text.as_bytes());
        }
        QuotaKey::from_u128(hasher.finish128().as_u128())
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
        let make = |issuer, name| keys.within(issuer).key(name);
        let key = make("https://idp.example", "alice");
        assert_eq!(key, make("https://idp.example", "alice"));
        for (issuer, name) in [
            ("https://idp.example", "bob"),
            ("https://idq.example", "alice"),
            ("https://idp.examplea", "lice"),
            ("https://idp.exampl", "ealice"),
            ("", "https://idp.examplealice"),
        ] {
            assert_ne!(key, make(issuer, name), "{issuer} {name}");
        }
        // Another process has other keys.
        let other = Keys::new().unwrap();
        assert_ne!(key, other.within("https://idp.example").key("alice"));
    }

    #[test]
    fn an_entry_is_as_large_as_it_is_said_to_be() {
        assert_eq!(size_of::<(Key, u64)>(), 24);
    }
    #[test]
    fn a_key_that_others_make_is_of_a_kind_an_issuer_and_a_name() {
        let secret = Secret::new([7; 16]);
        let keys = SharedKeys::with_key(&secret).unwrap();
        let key = keys.principal("https://idp.example", "alice");
        let again = SharedKeys::with_key(&secret).unwrap();
        assert_eq!(key, again.principal("https://idp.example", "alice"));
        for other in [
            keys.client("https://idp.example", "alice"),
            keys.principal("https://idp.example", "bob"),
            keys.principal("https://idp.examplea", "lice"),
            keys.principal("", "https://idp.examplealice"),
            SharedKeys::new()
                .unwrap()
                .principal("https://idp.example", "alice"),
        ] {
            assert_ne!(key, other);
        }
        assert!(SharedKeys::with_key(&Secret::new([7; 15])).is_none());
    }
}
