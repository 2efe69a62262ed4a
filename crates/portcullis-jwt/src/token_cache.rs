//! Tokens whose signature has been checked.
//!
//! No token is kept: an entry is found by a 128-bit hash with a key that only this process
//! knows. Whoever wants to be taken for somebody else has to guess 128 bits.

use std::{fmt, num::NonZeroUsize, sync::Arc};

use portcullis_core::{AlreadyHashed, Evidence};
use quick_cache::{UnitWeighter, sync::Cache};
use siphasher::sip128::SipHasher13;

use crate::token::Window;

/// What is known of a token. It skips the signature, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) window: Window,
    /// The position of the issuer in the configuration.
    pub(crate) issuer: usize,
    /// The serial of the key that checked the signature.
    pub(crate) key: u64,
}

pub(crate) struct TokenCache {
    hasher: SipHasher13,
    entries: Cache<u128, Known, UnitWeighter, AlreadyHashed>,
}

impl TokenCache {
    pub(crate) fn new(capacity: NonZeroUsize, key: &[u8; 16]) -> Self {
        let capacity = capacity.get();
        Self {
            hasher: SipHasher13::new_with_key(key),
            entries: Cache::with(
                capacity,
                capacity as u64,
                UnitWeighter,
                AlreadyHashed,
                quick_cache::sync::DefaultLifecycle::default(),
            ),
        }
    }

    pub(crate) fn key(&self, token: &str) -> u128 {
        self.hasher.hash(token.as_bytes()).as_u128()
    }

    pub(crate) fn get(&self, key: u128) -> Option<Known> {
        self.entries.get(&key)
    }

    pub(crate) fn insert(&self, key: u128, known: Known) {
        self.entries.insert(key, known);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("len", &self.entries.len())
            .field("capacity", &self.entries.capacity())
            .finish_non_exhaustive()
    }
}
