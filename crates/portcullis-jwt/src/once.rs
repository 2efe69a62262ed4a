//! Notices that count once.

use std::{fmt, sync::Arc};

use portcullis_core::{
    Check, ConfigError, ConfigErrors, NoticeMark, ReplayKey, ReplayOwner, ReplayStore, Secret,
    StoreError, Taken, Timestamp, entropy,
};
use sha2::{Digest as _, Sha256};
use siphasher::sip128::SipHasher13;

use crate::dpop::store::{DynReplayStore, Use};

const MIN_KEY: usize = 16;

/// Where it is kept which notices have come.
pub(crate) struct Once {
    store: Arc<dyn DynReplayStore>,
    hash: SipHasher13,
}

/// The settings of [`Once`].
#[derive(Clone)]
pub(crate) struct OnceSettings {
    store: Arc<dyn DynReplayStore>,
    key: Option<Secret>,
}

impl OnceSettings {
    pub(crate) fn new(store: impl ReplayStore) -> Self {
        Self {
            store: Arc::new(store),
            key: None,
        }
    }

    pub(crate) fn with_key(&mut self, key: Secret) {
        self.key = Some(key);
    }

    pub(crate) fn build(self, errors: &mut ConfigErrors) -> Option<Once> {
        let mut complain = |problem: String| {
            errors.push(ConfigError::new("with_key", problem));
            None
        };
        let key = match &self.key {
            Some(key) if key.expose().len() < MIN_KEY => {
                return complain(
                    "is shorter than 16 bytes, so that it could be guessed; give random bytes"
                        .into(),
                );
            }
            Some(key) => half_of(&Sha256::digest(key.expose()).into()),
            None if !self.store.is_volatile() => {
                return complain(
                    "is not set, and the store of used tokens outlasts the process or is shared: \
                     what another has written into it would not be found; give all of them one \
                     key of at least 16 random bytes"
                        .into(),
                );
            }
            None => match entropy::bytes() {
                Ok(key) => key,
                Err(error) => {
                    return complain(format!("needs randomness, and there is none: {error}"));
                }
            },
        };
        Some(Once {
            store: self.store,
            hash: SipHasher13::new_with_key(&key),
        })
    }
}

fn half_of(key: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(key.split_at(16).0);
    half
}

impl Once {
    /// What a notice is known again by. An issuer stands for many owners, of which a store may give
    /// each a share: it is trusted with all of it.
    pub(crate) fn mark(&self, issuer: &str, id: &str, until: Timestamp) -> NoticeMark {
        let key = hash_of(&self.hash, b'k', issuer, id.as_bytes());
        let [part, ..] = key.to_be_bytes();
        NoticeMark {
            owner: ReplayOwner::from_u128(hash_of(&self.hash, b'o', issuer, &[part])),
            key: ReplayKey::from_u128(key),
            until,
        }
    }

    /// Takes a notice. Of all that take the same one, one is told that it is fresh.
    pub(crate) async fn take(&self, mark: NoticeMark, now: Timestamp) -> Result<Taken, StoreError> {
        let one = Use {
            owner: mark.owner,
            key: mark.key,
            until: mark.until,
            now,
        };
        match self.store.take_now(one) {
            Check::Done(taken) => Ok(taken),
            Check::NeedsIo => self.store.take(one).await,
        }
    }
}

/// With the length of the first, two pairs never make the same bytes.
pub(crate) fn hash_of(hasher: &SipHasher13, kind: u8, one: &str, other: &[u8]) -> u128 {
    let length = one.len().to_be_bytes();
    let bytes = [&[kind], length.as_slice(), one.as_bytes(), other].concat();
    hasher.hash(&bytes).as_u128()
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
