//! The one place that knows who computes.
//!
//! `jsonwebtoken` does, through a provider that is named here, never through its process
//! default: that one panics as soon as two crates of an application switch on different
//! backends. Where both are switched on, AWS-LC computes, so that another crate of the
//! application cannot change the backend by unification.
//!
//! One thing is not asked of it where AWS-LC computes: it would parse an RSA key anew for each
//! signature, which costs an eighth of the check. So those keys are parsed once, and AWS-LC is
//! asked with what came of that.

use std::fmt;

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER as PROVIDER;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER as PROVIDER;
use jsonwebtoken::{Algorithm as Name, DecodingKey, EncodingKey, crypto::JwtVerifier};
use portcullis_core::Secret;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};

use crate::Algorithm;

/// The numbers of a public key.
#[derive(Clone, Copy)]
pub(crate) enum Numbers<'a> {
    /// The two coordinates, each of the curve's full length.
    Ec {
        x: &'a [u8],
        y: &'a [u8],
    },
    Ed25519([u8; 32]),
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa {
        n: &'a [u8],
        e: &'a [u8],
    },
}

/// A public key that the backend could load, for one algorithm.
pub(crate) struct PublicKey(Key);

enum Key {
    /// Checks by `jsonwebtoken`.
    Plain(Name, DecodingKey),
    /// Checks by AWS-LC itself.
    #[cfg(feature = "aws-lc-rs")]
    ParsedRsa(aws_lc_rs::signature::ParsedPublicKey),
}

impl PublicKey {
    /// Loads a key, if its numbers are one: a point that does not lie on its curve is none.
    pub(crate) fn load(algorithm: Algorithm, numbers: Numbers<'_>) -> Option<Self> {
        let key = match numbers {
            Numbers::Ec { x, y } => {
                // An uncompressed point (SEC 1 §2.3.3).
                let point = [&[0x04], x, y].concat();
                is_point(algorithm, &point).then(|| DecodingKey::from_ec_der(&point))?
            }
            Numbers::Ed25519(x) => is_point(algorithm, &x).then(|| DecodingKey::from_ed_der(&x))?,
            Numbers::Rsa { n, e } => return Self::load_rsa(algorithm, n, e),
        };
        Self::plain(algorithm, key)
    }

    #[cfg(feature = "aws-lc-rs")]
    fn load_rsa(algorithm: Algorithm, n: &[u8], e: &[u8]) -> Option<Self> {
        use aws_lc_rs::signature::{
            RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
            RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
            RsaPublicKeyComponents,
        };

        let parameters = match algorithm {
            Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            _ => return None,
        };
        let components = RsaPublicKeyComponents { n, e };
        let key = components.to_parsed_public_key(parameters).ok()?;
        Some(Self(Key::ParsedRsa(key)))
    }

    #[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
    fn load_rsa(algorithm: Algorithm, n: &[u8], e: &[u8]) -> Option<Self> {
        Self::plain(algorithm, DecodingKey::from_rsa_raw_components(n, e))
    }

    fn plain(algorithm: Algorithm, key: DecodingKey) -> Option<Self> {
        let name = name(algorithm);
        // `RustCrypto` looks at points when a verifier is made.
        verifier(name, &key)?;
        Some(Self(Key::Plain(name, key)))
    }

    /// Whether the signature is this key's, over this message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Key::Plain(name, key) => verifier(*name, key)
                .is_some_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok()),
            #[cfg(feature = "aws-lc-rs")]
            Key::ParsedRsa(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

fn verifier(name: Name, key: &DecodingKey) -> Option<Box<dyn JwtVerifier>> {
    (PROVIDER.verifier_factory)(&name, key).ok()
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").finish_non_exhaustive()
    }
}

/// Whether these bytes are a point of the algorithm's curve. The provider of AWS-LC would say
/// so only when a signature is checked, and then of the signature.
#[cfg(feature = "aws-lc-rs")]
fn is_point(algorithm: Algorithm, bytes: &[u8]) -> bool {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
        VerificationAlgorithm,
    };

    let curve: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDsa => &ED25519,
        _ => return false,
    };
    ParsedPublicKey::new(curve, bytes).is_ok()
}

#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
const fn is_point(_: Algorithm, _: &[u8]) -> bool {
    true
}

const fn name(algorithm: Algorithm) -> Name {
    match algorithm {
        Algorithm::Es256 => Name::ES256,
        Algorithm::Es384 => Name::ES384,
        Algorithm::EdDsa => Name::EdDSA,
        Algorithm::Ps256 => Name::PS256,
        Algorithm::Ps384 => Name::PS384,
        Algorithm::Ps512 => Name::PS512,
        Algorithm::Rs256 => Name::RS256,
        Algorithm::Rs384 => Name::RS384,
        Algorithm::Rs512 => Name::RS512,
    }
}

/// A private key of ours.
pub(crate) struct PrivateKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl PrivateKey {
    /// Loads a PKCS#8 document as PEM, if it is a key for this algorithm.
    pub(crate) fn load(algorithm: Algorithm, pem: &Secret) -> Option<Self> {
        let document = PrivatePkcs8KeyDer::from_pem_slice(pem.expose()).ok()?;
        let document = document.secret_pkcs8_der();
        let key = match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => EncodingKey::from_ec_der(document),
            Algorithm::EdDsa => EncodingKey::from_ed_der(document),
            _ => return None,
        };
        let key = Self { algorithm, key };
        // Whether it is one shows only when it signs.
        key.sign(b"a text")?;
        Some(key)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signer = (PROVIDER.signer_factory)(&name(self.algorithm), &self.key).ok()?;
        signer.try_sign(message).ok()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
