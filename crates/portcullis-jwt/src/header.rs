//! The header of a token (RFC 7515 §4).

use std::borrow::Cow;

use portcullis_core::sabotaged;

use crate::{
    Algorithm,
    algorithm::Allowed,
    fault::{Fault, Step},
    json::{Malformed, Raw, for_each_member},
    key::MAX_KEY_ID,
    reason,
};

/// The header. Members that point to keys (`jwk`, `jku`, `x5c`, `x5u`, `x5t`) are not even
/// kept: a token does not say which key it is to be checked with.
#[derive(Default)]
pub(crate) struct Header<'a> {
    pub(crate) typ: Option<Raw<'a>>,
    pub(crate) alg: Option<Raw<'a>>,
    pub(crate) kid: Option<Raw<'a>>,
    has_crit_or_b64: bool,
    has_zip: bool,
    has_cty: bool,
}

/// What kind of token the header says it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// An access token of RFC 9068.
    AccessToken,
    /// `JWT`, which says nothing.
    Unspecific,
}

impl<'a> Header<'a> {
    pub(crate) fn parse(json: &'a str) -> Result<Self, Fault> {
        let mut header = Self::default();
        for_each_member(json, |name, raw| match name {
            "typ" => header.typ = Some(raw),
            "alg" => header.alg = Some(raw),
            "kid" => header.kid = Some(raw),
            "crit" | "b64" => header.has_crit_or_b64 = true,
            "zip" => header.has_zip = true,
            "cty" => header.has_cty = true,
            _ => {}
        })
        .map_err(|problem| {
            let reason = match problem {
                Malformed::Syntax => reason::HEADER,
                Malformed::Duplicate => reason::DUPLICATE,
                Malformed::TooManyMembers => reason::MEMBERS,
            };
            Fault::new(Step::Header, reason)
        })?;
        Ok(header)
    }

    /// Refuses whatever changes what the signature or the payload means.
    pub(crate) fn check_extensions(&self) -> Result<(), Fault> {
        if sabotaged!("jwt.crit") {
            return Ok(());
        }
        let reason = if self.has_crit_or_b64 {
            reason::CRIT
        } else if self.has_zip {
            reason::ZIP
        } else if self.has_cty {
            reason::NESTED
        } else {
            return Ok(());
        };
        Err(Fault::new(Step::Extensions, reason))
    }

    /// The kind of the token (RFC 9068 §4): `at+jwt`, or `JWT` where the issuer may send
    /// that. A `typ` without a slash means the same with `application/` before it, and case
    /// does not matter (RFC 7515 §4.1.9).
    pub(crate) fn kind(&self, allows_legacy: bool) -> Result<Kind, Fault> {
        let text = self.typ.and_then(Raw::text).unwrap_or_default();
        let name = match text.split_at_checked("application/".len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case("application/") => name,
            _ => &*text,
        };
        if name.eq_ignore_ascii_case("at+jwt") {
            Ok(Kind::AccessToken)
        } else if allows_legacy && name.eq_ignore_ascii_case("jwt") {
            Ok(Kind::Unspecific)
        } else if sabotaged!("jwt.typ") {
            Ok(Kind::AccessToken)
        } else {
            Err(Fault::new(Step::Type, reason::TYP))
        }
    }

    /// The algorithm, if the issuer may use it.
    pub(crate) fn algorithm(&self, allowed: Allowed) -> Result<Algorithm, Fault> {
        self.alg
            .and_then(Raw::text)
            .and_then(|name| Algorithm::from_name(&name))
            .filter(|algorithm| allowed.contains(*algorithm))
            .ok_or(Fault::new(Step::Algorithm, reason::ALG))
    }

    /// The key id: an opaque text that is only ever compared.
    pub(crate) fn key_id(&self) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some(raw) = self.kid else {
            return Ok(None);
        };
        raw.text()
            .filter(|id| !id.is_empty() && id.len() <= MAX_KEY_ID)
            .map(Some)
            .ok_or(Fault::new(Step::KeyId, reason::KID))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::ReasonCode;

    use super::*;

    fn verdict(json: &str, allows_legacy: bool) -> Result<(Kind, Algorithm), ReasonCode> {
        let check = || {
            let header = Header::parse(json)?;
            header.check_extensions()?;
            let kind = header.kind(allows_legacy)?;
            let algorithm = header.algorithm(Allowed::ALL)?;
            header.key_id()?;
            Ok((kind, algorithm))
        };
        check().map_err(|fault: Fault| fault.reason)
    }

    #[test]
    fn takes_what_rfc_9068_says() {
        for typ in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "APPLICATION/At+Jwt",
        ] {
            let json = format!(r#"{{"typ":"{typ}","alg":"ES256","kid":"k"}}"#);
            let expected = Ok((Kind::AccessToken, Algorithm::Es256));
            assert_eq!(verdict(&json, false), expected, "{typ}");
        }
    }

    #[test]
    fn no_other_kind_is_an_access_token() {
        for typ in [
            "\"dpop+jwt\"",
            "\"logout+jwt\"",
            "\"secevent+jwt\"",
            "\"statuslist+jwt\"",
            "\"token-introspection+jwt\"",
            "\"txn-authz-challenge+jwt\"",
            "\"dbsc+jwt\"",
            "\"text/at+jwt\"",
            "\"application/application/at+jwt\"",
            "\"at+jwt \"",
            "\"application/\"",
            "\"\"",
            "null",
            "[\"at+jwt\"]",
        ] {
            let json = format!(r#"{{"typ":{typ},"alg":"ES256"}}"#);
            for allows_legacy in [false, true] {
                assert_eq!(verdict(&json, allows_legacy), Err(reason::TYP), "{typ}");
            }
        }
        let json = r#"{"typ":"JWT","alg":"ES256"}"#;
        assert_eq!(verdict(json, false), Err(reason::TYP));
        assert_eq!(
            verdict(json, true),
            Ok((Kind::Unspecific, Algorithm::Es256))
        );
        assert_eq!(verdict(r#"{"alg":"ES256"}"#, true), Err(reason::TYP));
    }

    #[test]
    fn an_algorithm_is_on_the_list_or_refused() {
        for alg in [
            "\"none\"",
            "\"None\"",
            "\"NONE\"",
            "\"nOnE\"",
            "\"none \"",
            "\"\"",
            "\"HS256\"",
            "\"es256\"",
            "\"ES512\"",
            "null",
            "7",
            "[\"ES256\"]",
            "{}",
            "true",
        ] {
            let json = format!(r#"{{"typ":"at+jwt","alg":{alg}}}"#);
            assert_eq!(verdict(&json, false), Err(reason::ALG), "{alg}");
        }
        assert_eq!(verdict(r#"{"typ":"at+jwt"}"#, false), Err(reason::ALG));
        let header = Header::parse(r#"{"alg":"RS256"}"#).unwrap();
        let only_ec = Allowed::only(&[Algorithm::Es256]);
        assert_eq!(header.algorithm(only_ec).unwrap_err().reason, reason::ALG);
    }

    #[test]
    fn no_extension_is_understood() {
        for (member, expected) in [
            (r#""crit":["exp"]"#, reason::CRIT),
            (r#""crit":[]"#, reason::CRIT),
            (r#""crit":null"#, reason::CRIT),
            (r#""b64":false"#, reason::CRIT),
            (r#""b64":true"#, reason::CRIT),
            (r#""crit":["b64"],"b64":false"#, reason::CRIT),
            (r#""\u0063rit":["x"]"#, reason::CRIT),
            (r#""zip":"DEF""#, reason::ZIP),
            (r#""cty":"JWT""#, reason::NESTED),
            (r#""crit":["a"],"crit":["b"]"#, reason::DUPLICATE),
        ] {
            let json = format!(r#"{{"typ":"at+jwt","alg":"ES256",{member}}}"#);
            assert_eq!(verdict(&json, false), Err(expected), "{member}");
        }
        let json = r#"{"typ":"at+jwt","alg":"ES256","jwk":{"kty":"EC"},"jku":"https://evil.example",
            "x5c":["AAAA"],"x5u":"https://evil.example","x5t":"AAAA","p2c":2147483648}"#;
        assert!(verdict(json, false).is_ok());
    }

    #[test]
    fn a_key_id_is_a_short_text() {
        let with = |kid: &str| {
            verdict(
                &format!(r#"{{"typ":"at+jwt","alg":"ES256","kid":{kid}}}"#),
                false,
            )
        };
        let long = format!("\"{}\"", "k".repeat(257));
        for kid in ["\"\"", "7", "null", "[\"k\"]", "{}", &long] {
            assert_eq!(with(kid), Err(reason::KID), "{kid}");
        }
        for kid in [
            "\"../../dev/null\"",
            "\"' OR 1=1 --\"",
            "\"\\u0000\"",
            "\"*)(uid=*\"",
        ] {
            assert!(with(kid).is_ok(), "{kid}");
        }
    }

    #[test]
    fn a_header_is_one_object() {
        for json in ["", "null", "[]", "\"\"", "{", "{}{}"] {
            assert_eq!(verdict(json, false), Err(reason::HEADER), "{json}");
        }
        let json = r#"{"typ":"at+jwt","alg":"ES256","al\u0067":"none"}"#;
        assert_eq!(verdict(json, false), Err(reason::DUPLICATE));
    }
}
