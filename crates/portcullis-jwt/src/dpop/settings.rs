//! The configuration.

use std::{fmt, sync::Arc, time::Duration};

use hmac::Mac as _;
use portcullis_core::{
    ConfigError, ConfigErrors, IntoProofVerifier, ReplayStore, Secret, Site, entropy,
};
use sha2::{Digest as _, Sha256};

use super::{
    DpopVerifier,
    htu::Origin,
    nonce::{Nonces, mac},
    proof::Rules,
    store::DynReplayStore,
    verifier::{Inner, ReplayHashes},
};
use crate::{Algorithm, algorithm::Allowed, http::Shown};

const DEFAULT_WINDOW: Duration = Duration::from_mins(1);
const MAX_WINDOW: Duration = Duration::from_mins(5);
const MIN_SPAN: Duration = Duration::from_secs(10);
const MAX_SPAN: Duration = Duration::from_hours(1);
const MIN_KEY: usize = 16;

/// The configuration of what checks proofs of possession. See the [module docs](super).
///
/// Setters keep their mistakes; [`build`](Self::build), or the stack that this is given to,
/// reports all of them.
#[must_use]
pub struct Dpop {
    store: Arc<dyn DynReplayStore>,
    algorithms: Vec<Algorithm>,
    window: Duration,
    nonces: Option<Duration>,
    origin: Option<Box<str>>,
    key: Option<Secret>,
}

impl Dpop {
    /// Checks proofs, and keeps in this store which have been used: `MemoryReplays` of
    /// `portcullis` for one server, one that is shared for several.
    ///
    /// With a store of its own, each of several servers takes a proof once.
    pub fn new(store: impl ReplayStore) -> Self {
        Self {
            store: Arc::new(store),
            algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
            window: DEFAULT_WINDOW,
            nonces: None,
            origin: None,
            key: None,
        }
    }

    /// The algorithms that proofs may be signed with, the one to prefer first: `ES256` and
    /// `EdDSA` by default (also under its name `Ed25519`, RFC 9864).
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms.clear();
        for algorithm in algorithms {
            if !self.algorithms.contains(&algorithm) {
                self.algorithms.push(algorithm);
            }
        }
        self
    }

    /// How far the time of a proof (`iat`) may be from now, before or after: a minute by default,
    /// between ten seconds, which clocks may differ by, and five minutes.
    ///
    /// Whoever gets hold of a key for a moment can make proofs ahead for as long.
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Has every proof contain a nonce of this server (RFC 9449 §9), which is good for between one
    /// and two of these spans. Between ten seconds and an hour; five minutes do.
    ///
    /// A client that has none is told one, by a 401 with `DPoP-Nonce`. The next one comes with the
    /// answer to a request. `iat` does not count then: no clock of a client matters, and no proof
    /// can be made ahead for longer.
    ///
    /// Several servers need one [key](Self::with_key), or each refuses the nonces of the others.
    pub fn with_nonces(mut self, span: Duration) -> Self {
        self.nonces = Some(span);
        self
    }

    /// The origin under which clients know this server, such as `https://agent.example`: that of
    /// the stack's resource by default.
    pub fn with_origin(mut self, origin: impl Into<Box<str>>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// The key of nonces, and of the hashes in the store: at least 16 random bytes, kept where the
    /// server's other secrets are, and the same for all that share a store. Without it one is
    /// drawn when this is built, which does only for a store that ends with the process.
    pub fn with_key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }

    /// Builds the verifier, for the place where it will stand. A stack does this by itself.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work.
    pub fn build(self, site: &Site) -> Result<DpopVerifier, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        self.check_times(&mut errors);
        if self.algorithms.is_empty() {
            errors.push(ConfigError::new(
                "with_algorithms",
                "names no algorithm, so that every proof is refused; name one",
            ));
        }
        let origin = self.origin(site, &mut errors);
        let keys = self.keys(&mut errors);
        let (Some(origin), Some(keys), true) = (origin, keys, errors.is_empty()) else {
            return Err(errors);
        };
        Ok(DpopVerifier::new(Inner {
            rules: Rules {
                allowed: Allowed::only(&self.algorithms),
                window: self.window,
                origin,
                nonces: self
                    .nonces
                    .map(|span| Nonces::new(&keys.derive("nonces"), span)),
            },
            algorithms: self.algorithms,
            hashes: ReplayHashes::new(&keys.derive("replays")),
            store: self.store,
        }))
    }

    fn check_times(&self, errors: &mut ConfigErrors) {
        if !(MIN_SPAN..=MAX_WINDOW).contains(&self.window) {
            errors.push(ConfigError::new(
                "with_window",
                "is not between 10 s and 5 min; give a time between them",
            ));
        }
        if self
            .nonces
            .is_some_and(|span| !(MIN_SPAN..=MAX_SPAN).contains(&span))
        {
            errors.push(ConfigError::new(
                "with_nonces",
                "has a span that is not between 10 s and 1 h; give one between them",
            ));
        }
    }

    fn origin(&self, site: &Site, errors: &mut ConfigErrors) -> Option<Origin> {
        let Some(text) = self.origin.as_deref().or_else(|| site.resource()) else {
            errors.push(ConfigError::new(
                "with_origin",
                "is not set, and the stack has no resource to take it from; set it, or set the \
                 resource of the stack",
            ));
            return None;
        };
        let origin = Origin::parse(text);
        if origin.is_none() {
            let problem = format!(
                "is {}, which is no origin; give one like `https://agent.example`",
                Shown(text)
            );
            errors.push(ConfigError::new("with_origin", problem));
        }
        origin
    }

    fn keys(&self, errors: &mut ConfigErrors) -> Option<Keys> {
        if let Some(key) = &self.key {
            if key.expose().len() < MIN_KEY {
                errors.push(ConfigError::new(
                    "with_key",
                    "is shorter than 16 bytes, so that it could be guessed; give random bytes",
                ));
                return None;
            }
            return Some(Keys::new(key.expose()));
        }
        if !self.store.is_volatile() {
            errors.push(ConfigError::new(
                "with_key",
                "is not set, and the store of used proofs outlasts the process or is shared: what \
                 another has written into it would not be found, and a proof could be used again; \
                 give all of them one key of at least 16 random bytes",
            ));
            return None;
        }
        match entropy::bytes::<32>() {
            Ok(key) => Some(Keys::new(&key)),
            Err(error) => {
                let problem = format!("needs randomness, and there is none: {error}");
                errors.push(ConfigError::new("with_key", problem));
                None
            }
        }
    }
}

/// One key, from which there follows one for each purpose.
struct Keys([u8; 32]);

impl Keys {
    fn new(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(&self.0)
            .chain_update(purpose)
            .finalize()
            .into_bytes()
            .into()
    }
}

impl IntoProofVerifier for Dpop {
    type Verifier = DpopVerifier;

    fn into_proof_verifier(self, site: &Site) -> Result<DpopVerifier, ConfigErrors> {
        self.build(site)
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("algorithms", &self.algorithms)
            .field("window", &self.window)
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}
