//! The keys of the issuer.
#![expect(
    clippy::expect_used,
    reason = "a key that cannot be made or used is a fault of the test's machine"
)]

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};

/// What tokens are signed with (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// Ed25519, as `EdDSA`.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// RSASSA-PSS with SHA-256 and a modulus of 2048 bits.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and a modulus of 2048 bits.
    Rs256,
}

impl SigningAlgorithm {
    /// The name in `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

/// A key pair with its id.
pub(super) struct SigningKey {
    id: Box<str>,
    algorithm: SigningAlgorithm,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

impl SigningKey {
    pub(super) fn generate(algorithm: SigningAlgorithm, id: impl Into<Box<str>>) -> Self {
        use SigningAlgorithm::{EdDsa, Es256, Es384, Ps256, Rs256};
        let ec = |curve| Pair::Ec(EcdsaKeyPair::generate(curve).expect("an EC key is made"));
        Self {
            id: id.into(),
            algorithm,
            pair: match algorithm {
                EdDsa => Pair::Ed(Ed25519KeyPair::generate().expect("an Ed25519 key is made")),
                Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
                Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
                Ps256 | Rs256 => Pair::Rsa(
                    rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("an RSA key is made"),
                ),
            },
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair
                .sign(&random, message)
                .expect("an EC key signs")
                .as_ref()
                .to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                if self.algorithm == SigningAlgorithm::Ps256 {
                    pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature)
                } else {
                    pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                }
                .expect("an RSA key signs");
                signature
            }
        }
    }

    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Ec(pair) => {
                // 0x04, then both coordinates (SEC 1 §2.3.3).
                let point = pair.public_key().as_ref().split_at(1).1;
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match self.algorithm {
                    SigningAlgorithm::Es384 => "P-384",
                    _ => "P-256",
                };
                json!({ "kty": "EC", "crv": curve, "x": BASE64URL.encode(x), "y": BASE64URL.encode(y) })
            }
            Pair::Ed(pair) => json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "x": BASE64URL.encode(pair.public_key().as_ref()),
            }),
            Pair::Rsa(pair) => json!({
                "kty": "RSA",
                "n": BASE64URL.encode(pair.public_key().modulus().big_endian_without_leading_zero()),
                "e": BASE64URL.encode(pair.public_key().exponent().big_endian_without_leading_zero()),
            }),
        };
        if let Value::Object(members) = &mut jwk {
            for (name, value) in [
                ("kid", self.id()),
                ("alg", self.algorithm.name()),
                ("use", "sig"),
            ] {
                members.insert(name.to_owned(), value.into());
            }
        }
        jwk
    }

    pub(super) fn public_key_der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_der(),
            Pair::Ed(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair) => pair.public_key().as_der(),
        }
        .expect("a public key has a DER form");
        der.as_ref().to_vec()
    }
}

/// All keys that the issuer ever had.
pub(super) struct KeyRing {
    initial: Vec<SigningAlgorithm>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    // Oldest first. Empty until a key is first needed: some tests need none.
    keys: Vec<(Arc<SigningKey>, bool)>,
    extra: Vec<Value>,
}

impl KeyRing {
    pub(super) fn new(initial: Vec<SigningAlgorithm>) -> Self {
        assert!(!initial.is_empty(), "an issuer needs an algorithm");
        Self {
            initial,
            state: Mutex::default(),
        }
    }

    pub(super) fn default_algorithm(&self) -> SigningAlgorithm {
        *self.initial.first().expect("`new` checks it")
    }

    pub(super) fn algorithms(&self) -> impl Iterator<Item = SigningAlgorithm> {
        let mut algorithms = Vec::new();
        for (key, is_published) in &self.state().keys {
            if *is_published && !algorithms.contains(&key.algorithm) {
                algorithms.push(key.algorithm);
            }
        }
        algorithms.into_iter()
    }

    /// The entries of the key set.
    pub(super) fn published(&self) -> Vec<Value> {
        let state = self.state();
        let keys = state.keys.iter().filter(|(_, is_published)| *is_published);
        keys.map(|(key, _)| key.jwk())
            .chain(state.extra.iter().cloned())
            .collect()
    }

    /// The newest key for an algorithm.
    pub(super) fn active(&self, algorithm: SigningAlgorithm) -> Arc<SigningKey> {
        let state = self.state();
        let mut newest_first = state.keys.iter().rev();
        let found = newest_first.find(|(key, _)| key.algorithm == algorithm);
        assert!(
            found.is_some(),
            "this issuer has no key for {}; give it one with `with_algorithms` or `rotate`",
            algorithm.name()
        );
        Arc::clone(&found.expect("just checked").0)
    }

    pub(super) fn by_id(&self, id: &str) -> Arc<SigningKey> {
        let state = self.state();
        let found = state.keys.iter().find(|(key, _)| key.id() == id);
        assert!(found.is_some(), "this issuer never had a key `{id}`");
        Arc::clone(&found.expect("just checked").0)
    }

    pub(super) fn add(&self, algorithm: SigningAlgorithm) -> Arc<SigningKey> {
        Self::add_to(&mut self.state(), algorithm)
    }

    fn add_to(state: &mut State, algorithm: SigningAlgorithm) -> Arc<SigningKey> {
        let number = state
            .keys
            .iter()
            .filter(|(key, _)| key.algorithm == algorithm);
        // Two issuers use the same ids: whoever confuses their keys is found out.
        let id = format!(
            "{}-{}",
            algorithm.name().to_ascii_lowercase(),
            number.count() + 1
        );
        let key = Arc::new(SigningKey::generate(algorithm, id));
        state.keys.push((Arc::clone(&key), true));
        key
    }

    pub(super) fn withdraw(&self, id: &str) {
        let mut state = self.state();
        let found = state.keys.iter_mut().find(|(key, _)| key.id() == id);
        assert!(found.is_some(), "this issuer never had a key `{id}`");
        found.expect("just checked").1 = false;
    }

    pub(super) fn publish_extra(&self, jwk: Value) {
        self.state().extra.push(jwk);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.keys.is_empty() {
            for algorithm in &self.initial {
                Self::add_to(&mut state, *algorithm);
            }
        }
        state
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_list()
            .entries(state.keys.iter().map(|(key, _)| key.id()))
            .finish()
    }
}
