//! The one place that knows who computes.
//!
//! AWS-LC is asked directly, with keys that were parsed when they were loaded: parsing an RSA
//! key for each token costs a sixth of the check. `RustCrypto` is asked through a provider of
//! `jsonwebtoken` that is named here, never through its process default: that one panics as
//! soon as two crates of an application switch on different backends.

use crate::Algorithm;

#[cfg(feature = "aws-lc-rs")]
pub(crate) use self::aws_lc::PublicKey;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
pub(crate) use self::rust_crypto::PublicKey;

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

/// An uncompressed point (SEC 1 §2.3.3).
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[0x04], x, y].concat()
}

#[cfg(feature = "aws-lc-rs")]
mod aws_lc {
    use std::fmt;

    use aws_lc_rs::signature::{
        self as aws, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
    };

    use super::{Algorithm, Numbers, point};

    /// A public key that the backend has parsed, for one algorithm.
    pub(crate) struct PublicKey(ParsedPublicKey);

    impl PublicKey {
        /// Loads a key, if its numbers are one: a point that does not lie on its curve is none.
        pub(crate) fn load(algorithm: Algorithm, numbers: Numbers<'_>) -> Option<Self> {
            let parsed = match (numbers, scheme(algorithm)) {
                (Numbers::Ec { x, y }, Scheme::Curve(curve)) => {
                    ParsedPublicKey::new(curve, point(x, y))
                }
                (Numbers::Ed25519(x), Scheme::Curve(curve)) => ParsedPublicKey::new(curve, x),
                (Numbers::Rsa { n, e }, Scheme::Rsa(parameters)) => {
                    RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
                }
                _ => return None,
            };
            parsed.ok().map(Self)
        }

        /// Whether the signature is this key's, over this message.
        pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
            self.0.verify_sig(message, signature).is_ok()
        }
    }

    impl fmt::Debug for PublicKey {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("PublicKey").finish_non_exhaustive()
        }
    }

    enum Scheme {
        Curve(&'static dyn VerificationAlgorithm),
        Rsa(&'static RsaParameters),
    }

    fn scheme(algorithm: Algorithm) -> Scheme {
        match algorithm {
            Algorithm::Es256 => Scheme::Curve(&aws::ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => Scheme::Curve(&aws::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDsa => Scheme::Curve(&aws::ED25519),
            Algorithm::Ps256 => Scheme::Rsa(&aws::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Scheme::Rsa(&aws::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Scheme::Rsa(&aws::RSA_PSS_2048_8192_SHA512),
            Algorithm::Rs256 => Scheme::Rsa(&aws::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Scheme::Rsa(&aws::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Scheme::Rsa(&aws::RSA_PKCS1_2048_8192_SHA512),
        }
    }
}

#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
mod rust_crypto {
    use std::fmt;

    use jsonwebtoken::{
        Algorithm as Name, DecodingKey, crypto::JwtVerifier,
        crypto::rust_crypto::DEFAULT_PROVIDER as PROVIDER,
    };

    use super::{Algorithm, Numbers, point};

    /// A public key that the backend could load, for one algorithm.
    pub(crate) struct PublicKey {
        name: Name,
        key: DecodingKey,
    }

    impl PublicKey {
        /// Loads a key, if its numbers are one: a point that does not lie on its curve is none.
        pub(crate) fn load(algorithm: Algorithm, numbers: Numbers<'_>) -> Option<Self> {
            let key = match numbers {
                Numbers::Ec { x, y } => DecodingKey::from_ec_der(&point(x, y)),
                Numbers::Ed25519(x) => DecodingKey::from_ed_der(&x),
                Numbers::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            };
            let name = name(algorithm);
            let public = Self { name, key };
            // Points are looked at when a verifier is made.
            public.verifier()?;
            Some(public)
        }

        /// Whether the signature is this key's, over this message.
        pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
            self.verifier()
                .is_some_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
        }

        fn verifier(&self) -> Option<Box<dyn JwtVerifier>> {
            (PROVIDER.verifier_factory)(&self.name, &self.key).ok()
        }
    }

    impl fmt::Debug for PublicKey {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("PublicKey").finish_non_exhaustive()
        }
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
}
