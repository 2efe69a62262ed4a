//! What the load balancer writes: decisions on plain text.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use portcullis_core::{Evidence, EvidenceKind, ReasonCode, Timestamp, sabotaged};

use crate::{
    json::{Raw, for_each_member},
    reason,
    token::{MAX_SIZE, Window},
};

/// With padding or without, and in one form of each.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What everything is held against.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) signer: Box<str>,
    pub(super) issuer: Box<str>,
    pub(super) clients: Option<Box<[Box<str>]>>,
    pub(super) leeway: std::time::Duration,
}

/// All that can be known without a key.
#[derive(Debug)]
pub(super) struct Data<'t> {
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
    pub(super) key_id: Box<str>,
    pub(super) evidence: Evidence,
    pub(super) window: Window,
}

#[derive(Default)]
struct Header<'a> {
    alg: Option<Raw<'a>>,
    kid: Option<Raw<'a>>,
    signer: Option<Raw<'a>>,
    iss: Option<Raw<'a>>,
    client: Option<Raw<'a>>,
    exp: Option<Raw<'a>>,
    changes_meaning: bool,
}

impl<'t> Data<'t> {
    /// Makes every check but that of the signature.
    pub(super) fn read(text: &'t str, rules: &Rules, now: Timestamp) -> Result<Self, ReasonCode> {
        if text.len() > MAX_SIZE {
            return Err(reason::ALB_MALFORMED);
        }
        let malformed = || reason::ALB_MALFORMED;
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let decode = |text: &str| BASE64.decode(text).map_err(|_| reason::ALB_MALFORMED);
        let header = String::from_utf8(decode(header)?).map_err(|_| reason::ALB_MALFORMED)?;
        let payload = String::from_utf8(decode(payload)?).map_err(|_| reason::ALB_MALFORMED)?;
        let signature = decode(signature)?;

        let parts = Header::read(&header).ok_or_else(malformed)?;
        let (key_id, client) = parts.check(rules)?;
        let (mut subject, mut ends) = (None, None);
        for_each_member(&payload, |name, raw| match name {
            "sub" => subject = Some(raw),
            "exp" => ends = Some(raw),
            _ => {}
        })
        .map_err(|_| reason::ALB_MALFORMED)?;
        let window = window(parts.exp, ends, rules, now)?;
        let subject = subject.and_then(Raw::text).unwrap_or_default();
        let mut evidence = Evidence::new(EvidenceKind::User, rules.issuer.clone(), &*subject)
            .with_not_after(window.end())
            .asserted_per_request();
        if let Some(client) = client {
            evidence = evidence.with_client(client);
        }
        evidence.validate().map_err(|_| reason::ALB_SUBJECT)?;
        Ok(Self {
            signed: signed.as_bytes(),
            signature,
            key_id,
            evidence,
            window,
        })
    }
}

impl<'a> Header<'a> {
    fn read(json: &'a str) -> Option<Self> {
        let mut header = Self::default();
        for_each_member(json, |name, raw| match name {
            "alg" => header.alg = Some(raw),
            "kid" => header.kid = Some(raw),
            "signer" => header.signer = Some(raw),
            "iss" => header.iss = Some(raw),
            "client" => header.client = Some(raw),
            "exp" => header.exp = Some(raw),
            "b64" | "crit" | "cty" | "zip" => header.changes_meaning = true,
            _ => {}
        })
        .ok()?;
        (!header.changes_meaning).then_some(header)
    }

    /// The key id and the client.
    fn check(&self, rules: &Rules) -> Result<(Box<str>, Option<Box<str>>), ReasonCode> {
        let is = |raw: Option<Raw<'_>>, expected: &str| {
            raw.and_then(Raw::text).is_some_and(|text| text == expected)
        };
        if !is(self.alg, "ES256") {
            return Err(reason::ALB_ALG);
        }
        if !is(self.signer, &rules.signer) && !sabotaged!("alb.signer") {
            return Err(reason::ALB_SIGNER);
        }
        if !is(self.iss, &rules.issuer) && !sabotaged!("alb.issuer") {
            return Err(reason::ALB_ISSUER);
        }
        let client = self.client.and_then(Raw::text);
        let client = client.filter(|client| !client.is_empty());
        let takes = |ours: &[Box<str>]| {
            client
                .as_deref()
                .is_some_and(|client| ours.iter().any(|our| **our == *client))
        };
        if !rules.clients.as_deref().is_none_or(takes) && !sabotaged!("alb.client") {
            return Err(reason::ALB_CLIENT);
        }
        let key_id = self.kid.and_then(Raw::text).filter(|kid| is_key_id(kid));
        let key_id = key_id.ok_or(reason::ALB_KEY_ID)?;
        Ok((key_id.into(), client.map(Into::into)))
    }
}

/// Until when both say that it is good. The header always says; claims that say something else than
/// a time say nothing good.
fn window(
    header: Option<Raw<'_>>,
    claims: Option<Raw<'_>>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Window, ReasonCode> {
    let time = |raw: Raw<'_>| raw.time().ok_or(reason::ALB_EXPIRED);
    let end = time(header.ok_or(reason::ALB_EXPIRED)?)?;
    let end = match claims {
        Some(raw) => end.min(time(raw)?),
        None => end,
    };
    let window = Window::new(None, now, end, rules.leeway);
    window.check(now).map_err(|_| reason::ALB_EXPIRED)?;
    Ok(window)
}

/// Whether a text is a key id as the load balancer has them: a UUID. It becomes a part of a URL.
fn is_key_id(text: &str) -> bool {
    if sabotaged!("alb.key_id") {
        return true;
    }
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_a_uuid_and_nothing_else() {
        assert!(is_key_id("12345678-90ab-cdef-0123-456789abcdef"));
        for text in [
            "",
            "12345678-90ab-cdef-0123-456789abcde",
            "12345678-90ab-cdef-0123-456789abcdef0",
            "12345678-90AB-cdef-0123-456789abcdef",
            "../45678-90ab-cdef-0123-456789abcdef",
            "12345678/90ab-cdef-0123-456789abcdef",
            "12345678-90ab-cdef-0123-456789abcde?",
            "12345678-90ab-cdef-0123-456789abcd\u{e4}",
        ] {
            assert!(!is_key_id(text), "{text}");
        }
    }
}
