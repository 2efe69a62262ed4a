//! Public keys.

mod jwk;
mod rsa;
mod set;
#[cfg(test)]
mod vectors;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use self::{
    jwk::Candidate,
    set::{Choice, KeySet, UnusableSet},
};
use crate::{Algorithm, backend::PublicKey};

/// The longest key id that is looked at, in a token or in a key.
pub(crate) const MAX_KEY_ID: usize = 256;

/// One public key, with the one algorithm that it may be used with (RFC 8725 §3.1).
#[derive(Debug)]
pub(crate) struct Key {
    serial: u64,
    id: Option<Box<str>>,
    algorithm: Algorithm,
    /// For whose tokens it is, where a key set that several issuers share says so.
    issuer: Option<Box<str>>,
    /// The numbers that make up the key: what tells two keys apart.
    material: Box<[u8]>,
    public: PublicKey,
}

impl Key {
    fn new(
        id: Option<Box<str>>,
        algorithm: Algorithm,
        material: Box<[u8]>,
        public: PublicKey,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            id,
            algorithm,
            issuer: None,
            material,
            public,
        }
    }

    fn with_issuer(mut self, issuer: Option<Box<str>>) -> Self {
        self.issuer = issuer;
        self
    }

    /// For whose tokens it is, if its set says so.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Which key this is, in this process. A key that is published again unchanged keeps it.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verifies(message, signature)
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id
            && self.algorithm == other.algorithm
            && self.issuer == other.issuer
            && self.material == other.material
    }
}
