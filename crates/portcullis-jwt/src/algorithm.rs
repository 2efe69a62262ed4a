//! The signature algorithms.

use std::fmt;

/// A signature algorithm of JSON Web Tokens (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// Only asymmetric ones exist here: with a shared key, whoever can check a token could also
/// make one, and a public key that is mistaken for a shared one lets everybody.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519. Tokens call it `EdDSA`, or `Ed25519` (RFC 9864 §2.2); both are read.
    EdDsa,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// RSA-PSS with SHA-384.
    Ps384,
    /// RSA-PSS with SHA-512.
    Ps512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
}

impl Algorithm {
    const ALL: [Self; 9] = [
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The name in a token's `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// By the name in a token or a key: case-sensitive (RFC 7515 §4.1.1).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|alg| alg.as_str() == name)
    }

    pub(crate) const fn family(self) -> Family {
        match self {
            Self::Es256 | Self::Es384 => Family::Ec,
            Self::EdDsa => Family::Okp,
            Self::Ps256 | Self::Ps384 | Self::Ps512 | Self::Rs256 | Self::Rs384 | Self::Rs512 => {
                Family::Rsa
            }
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of key that an algorithm needs (`kty`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    Ec,
    Okp,
    Rsa,
}

/// The algorithms that one issuer may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Allowed(u16);

impl Allowed {
    pub(crate) const ALL: Self = Self(u16::MAX);

    pub(crate) fn only(algorithms: &[Algorithm]) -> Self {
        Self(
            algorithms
                .iter()
                .fold(0, |bits, alg| bits | Self::bit(*alg)),
        )
    }

    pub(crate) const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & Self::bit(algorithm) != 0
    }

    /// The algorithm of an RSA key that declares none: the only RSA one that is allowed, or
    /// RS256, which is what issuers that leave it out sign with.
    pub(crate) fn of_undeclared_rsa(self) -> Algorithm {
        let mut rsa = Algorithm::ALL
            .into_iter()
            .filter(|alg| alg.family() == Family::Rsa && self.contains(*alg));
        match (rsa.next(), rsa.next()) {
            (Some(only), None) => only,
            _ => Algorithm::Rs256,
        }
    }

    const fn bit(algorithm: Algorithm) -> u16 {
        1 << algorithm as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for alg in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(alg.as_str()), Some(alg));
            assert_eq!(Algorithm::from_name(&alg.as_str().to_lowercase()), None);
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        for name in [
            "none", "None", "", "HS256", "ES512", "ES256K", "RS256 ", "ed25519", "Ed448",
        ] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn an_undeclared_rsa_key_has_one_algorithm() {
        let of = |list: &[Algorithm]| Allowed::only(list).of_undeclared_rsa();
        assert_eq!(Allowed::ALL.of_undeclared_rsa(), Algorithm::Rs256);
        assert_eq!(of(&[Algorithm::Ps256]), Algorithm::Ps256);
        assert_eq!(of(&[Algorithm::Ps256, Algorithm::Rs512]), Algorithm::Rs256);
    }
}
