//! One key of a JSON Web Key set (RFC 7517).

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{Key, MAX_KEY_ID, rsa};
use crate::{
    Algorithm,
    algorithm::{Allowed, Family},
    backend::{Numbers, PublicKey},
    json::{Malformed, Raw, for_each_member},
};

/// Points of small order on Ed25519, in every encoding, without the sign bit: with one of
/// them as public key, anybody can make signatures that verify.
const SMALL_ORDER: [[u8; 32]; 7] = {
    const fn near_the_prime(last: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        bytes[0] = last;
        bytes[31] = 0x7f;
        bytes
    }
    let zero = [0; 32];
    let mut one = [0; 32];
    one[0] = 1;
    [
        zero,
        one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
        near_the_prime(0xec),
        near_the_prime(0xed),
        near_the_prime(0xee),
    ]
};

/// Reads a key, or says why it is not used.
pub(super) fn parse(jwk: Raw<'_>, allowed: Allowed) -> Result<Key, &'static str> {
    Candidate::read(jwk)?.load(allowed)
}

/// A key of which nothing has been computed yet.
pub(crate) struct Candidate<'a>(Fields<'a>);

impl<'a> Candidate<'a> {
    pub(crate) fn read(jwk: Raw<'a>) -> Result<Self, &'static str> {
        let fields = Fields::read(jwk)?;
        fields.check_purpose()?;
        Ok(Self(fields))
    }

    /// The thumbprint with SHA-256 (RFC 7638), if it is a key of a known kind.
    pub(crate) fn thumbprint(&self) -> Option<String> {
        let fields = &self.0;
        let kind = fields.kty.and_then(Raw::text)?;
        let json = match &*kind {
            "EC" => {
                let curve = fields.curve().ok().filter(|curve| is_curve(curve))?;
                let (x, y) = (number_text(fields.x)?, number_text(fields.y)?);
                format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            "OKP" => {
                let curve = fields.curve().ok().filter(|curve| is_curve(curve))?;
                let x = number_text(fields.x)?;
                format!(r#"{{"crv":"{curve}","kty":"OKP","x":"{x}"}}"#)
            }
            "RSA" => {
                let (e, n) = (number_text(fields.e)?, number_text(fields.n)?);
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            _ => return None,
        };
        Some(URL_SAFE_NO_PAD.encode(Sha256::digest(json.as_bytes())))
    }

    /// The key, for the one algorithm that it is for.
    pub(crate) fn load(&self, allowed: Allowed) -> Result<Key, &'static str> {
        let fields = &self.0;
        let id = fields.id()?;
        let declared = match fields.alg {
            None => None,
            Some(raw) => Some(
                raw.text()
                    .and_then(|name| Algorithm::from_name(&name))
                    .ok_or("its `alg` is not a supported signature algorithm")?,
            ),
        };
        let kind = fields.kty.and_then(Raw::text).ok_or("it has no `kty`")?;
        let (algorithm, material, public) = match &*kind {
            "RSA" => fields.rsa(declared, allowed)?,
            "EC" => fields.ec(declared)?,
            "OKP" => fields.okp(declared)?,
            "oct" => return Err("it is a symmetric key, which is no public key"),
            _ => return Err("its `kty` is not supported"),
        };
        if !allowed.contains(algorithm) {
            return Err("its algorithm is not one of `with_algorithms`");
        }
        let public = public.ok_or("it is no valid public key of its kind")?;
        let issuer = match fields.issuer {
            None => None,
            Some(raw) => Some(raw.text().ok_or("its `issuer` is no string")?.into()),
        };
        Ok(Key::new(id, algorithm, material.into(), public).with_issuer(issuer))
    }
}

/// A number as it is written, if it is in base64url.
fn number_text(raw: Option<Raw<'_>>) -> Option<Cow<'_, str>> {
    let text = raw.and_then(Raw::text)?;
    text.bytes().all(is_base64url).then_some(text)
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_curve(name: &str) -> bool {
    matches!(name, "P-256" | "P-384" | "Ed25519")
}

/// An algorithm, the numbers of the key, and the key where the backend could load it.
type Loaded = (Algorithm, Vec<u8>, Option<PublicKey>);

#[derive(Default)]
struct Fields<'a> {
    kty: Option<Raw<'a>>,
    crv: Option<Raw<'a>>,
    x: Option<Raw<'a>>,
    y: Option<Raw<'a>>,
    n: Option<Raw<'a>>,
    e: Option<Raw<'a>>,
    alg: Option<Raw<'a>>,
    r#use: Option<Raw<'a>>,
    key_ops: Option<Raw<'a>>,
    kid: Option<Raw<'a>>,
    issuer: Option<Raw<'a>>,
    has_private_member: bool,
}

impl<'a> Fields<'a> {
    fn read(jwk: Raw<'a>) -> Result<Self, &'static str> {
        let mut fields = Self::default();
        for_each_member(jwk.as_str(), |name, raw| match name {
            "kty" => fields.kty = Some(raw),
            "crv" => fields.crv = Some(raw),
            "x" => fields.x = Some(raw),
            "y" => fields.y = Some(raw),
            "n" => fields.n = Some(raw),
            "e" => fields.e = Some(raw),
            "alg" => fields.alg = Some(raw),
            "use" => fields.r#use = Some(raw),
            "key_ops" => fields.key_ops = Some(raw),
            "kid" => fields.kid = Some(raw),
            "issuer" => fields.issuer = Some(raw),
            "d" | "p" | "q" | "dp" | "dq" | "qi" | "oth" | "k" => fields.has_private_member = true,
            _ => {}
        })
        .map_err(|problem| match problem {
            Malformed::Duplicate => "a member comes twice in it",
            Malformed::Syntax | Malformed::TooManyMembers => "it is no JSON object of a key",
        })?;
        Ok(fields)
    }

    /// A key that is published with its private half is anybody's, and one that is meant for
    /// another purpose proves nothing here.
    fn check_purpose(&self) -> Result<(), &'static str> {
        if self.has_private_member && !portcullis_core::sabotaged!("jwk.private") {
            return Err("it holds private or symmetric members");
        }
        let is_for_signatures = self
            .r#use
            .is_none_or(|raw| raw.text().is_some_and(|purpose| purpose == "sig"));
        let may_verify = self.key_ops.is_none_or(|raw| {
            raw.texts(16)
                .is_some_and(|operations| operations.iter().any(|name| name == "verify"))
        });
        let is_fit = is_for_signatures && may_verify;
        if !is_fit && !portcullis_core::sabotaged!("jwk.use") {
            return Err("its `use` or `key_ops` is not for checking signatures");
        }
        Ok(())
    }

    fn id(&self) -> Result<Option<Box<str>>, &'static str> {
        let Some(raw) = self.kid else {
            return Ok(None);
        };
        raw.text()
            .filter(|id| !id.is_empty() && id.len() <= MAX_KEY_ID)
            .map(|id| Some(id.into()))
            .ok_or("its `kid` is no string, empty or too long")
    }

    fn rsa(&self, declared: Option<Algorithm>, allowed: Allowed) -> Result<Loaded, &'static str> {
        let algorithm = declared.unwrap_or_else(|| allowed.of_undeclared_rsa());
        if algorithm.family() != Family::Rsa {
            return Err("its `alg` does not agree with its `kty`");
        }
        let (n, e) = (number(self.n)?, number(self.e)?);
        let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
        if let Some(problem) = rsa::weakness(n, e) {
            return Err(problem);
        }
        // With the length of the first, two pairs never make the same text.
        let material = [&e.len().to_be_bytes(), e, n].concat();
        Ok((
            algorithm,
            material,
            PublicKey::load(algorithm, Numbers::Rsa { n, e }),
        ))
    }

    fn ec(&self, declared: Option<Algorithm>) -> Result<Loaded, &'static str> {
        let (algorithm, length) = match self.curve()?.as_ref() {
            "P-256" => (Algorithm::Es256, 32),
            "P-384" => (Algorithm::Es384, 48),
            _ => return Err("its `crv` is not supported"),
        };
        if declared.is_some_and(|alg| alg != algorithm) {
            return Err("its `alg` does not agree with its `kty` and `crv`");
        }
        let (x, y) = (number(self.x)?, number(self.y)?);
        if x.len() != length || y.len() != length {
            return Err("its coordinates do not have the length of its `crv`");
        }
        let public = PublicKey::load(algorithm, Numbers::Ec { x: &x, y: &y });
        Ok((algorithm, [x, y].concat(), public))
    }

    fn okp(&self, declared: Option<Algorithm>) -> Result<Loaded, &'static str> {
        if self.curve()? != "Ed25519" {
            return Err("its `crv` is not supported");
        }
        if declared.is_some_and(|alg| alg != Algorithm::EdDsa) {
            return Err("its `alg` does not agree with its `kty` and `crv`");
        }
        let point: [u8; 32] = number(self.x)?
            .try_into()
            .map_err(|_| "its coordinate does not have the length of its `crv`")?;
        let mut unsigned = point;
        unsigned[31] &= 0x7f;
        if SMALL_ORDER.contains(&unsigned) && !portcullis_core::sabotaged!("jwk.small_order") {
            return Err("its point is of small order, so that anybody can sign for it");
        }
        let public = PublicKey::load(Algorithm::EdDsa, Numbers::Ed25519(point));
        Ok((Algorithm::EdDsa, point.to_vec(), public))
    }

    fn curve(&self) -> Result<Cow<'a, str>, &'static str> {
        self.crv.and_then(Raw::text).ok_or("it has no `crv`")
    }
}

/// A number in base64url (RFC 7518 §6).
fn number(raw: Option<Raw<'_>>) -> Result<Vec<u8>, &'static str> {
    raw.and_then(Raw::text)
        .and_then(|text| URL_SAFE_NO_PAD.decode(&*text).ok())
        .ok_or("one of its numbers is missing or not base64url")
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
    const EC: &str = r#""kty":"EC","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;
    const OKP: &str = r#""kty":"OKP","crv":"Ed25519",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    const RSA: &str = r#""kty":"RSA","e":"AQAB",
        "n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw""#;

    fn load(members: &str) -> Result<Algorithm, &'static str> {
        load_for(members, Allowed::ALL)
    }

    fn load_for(members: &str, allowed: Allowed) -> Result<Algorithm, &'static str> {
        let json = format!("{{{members}}}");
        parse(Raw::parse(&json).unwrap(), allowed).map(|key| key.algorithm)
    }

    #[test]
    fn each_key_has_one_algorithm() {
        assert_eq!(load(EC), Ok(Algorithm::Es256));
        assert_eq!(load(OKP), Ok(Algorithm::EdDsa));
        assert_eq!(load(RSA), Ok(Algorithm::Rs256));
        let with = |members: &str, alg: &str| load(&format!("{members},\"alg\":{alg}"));
        assert_eq!(with(RSA, "\"PS384\""), Ok(Algorithm::Ps384));
        assert_eq!(with(OKP, "\"Ed25519\""), Ok(Algorithm::EdDsa));
        for (members, alg) in [
            (RSA, "\"ES256\""),
            (RSA, "\"HS256\""),
            (RSA, "\"RSA-OAEP\""),
            (RSA, "\"none\""),
            (RSA, "null"),
            (EC, "\"ES384\""),
            (EC, "\"RS256\""),
            (OKP, "\"ES256\""),
        ] {
            assert!(with(members, alg).is_err(), "{alg}");
        }
    }

    #[test]
    fn a_thumbprint_is_of_the_members_that_make_up_the_key() {
        let thumbprint = |members: &str| {
            let json = format!("{{{members}}}");
            let candidate = Candidate::read(Raw::parse(&json).unwrap()).ok()?;
            candidate.thumbprint()
        };
        // RFC 7638 §3.1, and RFC 8037, appendix A.3.
        let rsa = Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".to_owned());
        let okp = Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".to_owned());
        assert_eq!(thumbprint(RSA), rsa);
        assert_eq!(thumbprint(OKP), okp);
        let more = r#""kid":"a","alg":"RS256","use":"sig""#;
        assert_eq!(thumbprint(&format!("{more},{RSA}")), rsa);
        for none in [
            r#""kty":"oct""#,
            r#""kty":"EC","crv":"P-256","x":"AA""#,
            r#""kty":"OKP","crv":"Ed448","x":"AA""#,
            r#""kty":"OKP","crv":"Ed25519","x":"A\"A""#,
        ] {
            assert_eq!(thumbprint(none), None, "{none}");
        }
    }

    #[test]
    fn an_allow_list_narrows_what_is_loaded() {
        let only = Allowed::only(&[Algorithm::Ps256]);
        assert_eq!(load_for(RSA, only), Ok(Algorithm::Ps256));
        assert!(load_for(EC, only).is_err());
        assert!(load_for(&format!("{RSA},\"alg\":\"RS256\""), only).is_err());
    }

    #[test]
    fn refuses_other_purposes_and_private_halves() {
        for extra in [
            r#""use":"enc""#,
            r#""use":1"#,
            r#""key_ops":["sign"]"#,
            r#""key_ops":"verify""#,
            r#""key_ops":[]"#,
            r#""d":"AAAA""#,
            r#""k":"AAAA""#,
            r#""kid":"""#,
            r#""kid":7"#,
            r#""kty":"EC""#,
        ] {
            assert!(load(&format!("{EC},{extra}")).is_err(), "{extra}");
        }
        for extra in [
            r#""use":"sig""#,
            r#""key_ops":["sign","verify"]"#,
            r#""x5c":["AAAA"],"x5u":"https://evil.example","nbf":1"#,
        ] {
            assert!(load(&format!("{EC},{extra}")).is_ok(), "{extra}");
        }
        assert!(load(r#""kty":"oct","k":"AAAA""#).is_err());
        assert!(load(r#""kty":"oct""#).is_err());
    }

    #[test]
    fn refuses_points_that_are_none() {
        let off_curve = EC.replace("FyM", "FyI");
        assert_ne!(off_curve, EC);
        assert_eq!(
            load(&off_curve),
            Err("it is no valid public key of its kind")
        );
        assert!(load(&EC.replace("P-256", "P-384")).is_err());
        assert!(load(&EC.replace("P-256", "secp256k1")).is_err());
        assert!(load(&EC.replace("\"MKBC", "\"AAMKBC")).is_err());
        assert!(load(&OKP.replace("Ed25519", "Ed448")).is_err());
        assert!(load(&OKP.replace("\"11qY", "\"AA11qY")).is_err());
    }

    #[test]
    fn refuses_points_of_small_order() {
        for point in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut bytes = point;
                bytes[31] |= sign;
                let x = URL_SAFE_NO_PAD.encode(bytes);
                let jwk = format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#);
                assert!(load(&jwk).is_err(), "{x}");
            }
        }
    }

    #[test]
    fn reads_a_modulus_with_a_leading_zero_as_the_same_key() {
        let padded = RSA.replace("\"e\":\"AQAB\"", "\"e\":\"AAEAAQ\"");
        assert_ne!(padded, RSA);
        let material = |members: &str| {
            let json = format!("{{{members}}}");
            parse(Raw::parse(&json).unwrap(), Allowed::ALL)
                .unwrap()
                .material
        };
        assert_eq!(material(&padded), material(RSA));
    }
}
