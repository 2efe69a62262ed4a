//! One proof, and whether it is of one request: decisions on plain text.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderName;
use portcullis_core::{ReasonCode, RequestView, Timestamp, sabotaged};
use sha2::{Digest as _, Sha256};

use super::{
    htu::Origin,
    nonce::{Given, Nonces},
};
use crate::{
    Algorithm,
    algorithm::Allowed,
    json::{Raw, for_each_member},
    key::Candidate,
    reason,
    token::Decoded,
};

const HEADER: HeaderName = HeaderName::from_static("dpop");
/// The longest proof: four times one with an RSA key of 4096 bits.
const MAX_SIZE: usize = 8 * 1024;
/// The longest `jti`.
const MAX_ID: usize = 256;

/// What every proof is held against.
pub(super) struct Rules {
    pub(super) allowed: Allowed,
    /// How far `iat` may be from now.
    pub(super) window: Duration,
    pub(super) origin: Origin,
    pub(super) nonces: Option<Nonces>,
}

/// A proof of this request, of which it is left to ask whether it has been used before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proven {
    /// The digest of its id.
    pub(super) id: [u8; 32],
    /// After that it would be refused in any case.
    pub(super) until: Timestamp,
    /// Whether the client is to have another nonce.
    pub(super) wants_nonce: bool,
}

/// Why a proof is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    Proof(ReasonCode),
    /// It is of another key.
    Key(ReasonCode),
    /// A nonce of ours has to be in it.
    Nonce(ReasonCode),
}

/// The members of a proof, each as it came.
#[derive(Default)]
struct Parts<'a> {
    typ: Option<Raw<'a>>,
    alg: Option<Raw<'a>>,
    jwk: Option<Raw<'a>>,
    changes_meaning: bool,
    jti: Option<Raw<'a>>,
    htm: Option<Raw<'a>>,
    htu: Option<Raw<'a>>,
    iat: Option<Raw<'a>>,
    ath: Option<Raw<'a>>,
    nonce: Option<Raw<'a>>,
}

/// Makes every check of RFC 9449 §4.3 but the last: the cheap ones first, then the signature.
pub(super) fn check(
    request: &RequestView<'_>,
    thumbprint: &str,
    rules: &Rules,
) -> Result<Proven, Fault> {
    let text = the_one(request)?;
    let malformed = Fault::Proof(reason::DPOP_MALFORMED);
    let decoded = Decoded::from_token(text).map_err(|_| malformed)?;
    let header = decoded.header().map_err(|_| malformed)?;
    let payload = decoded.payload().map_err(|_| malformed)?;
    let parts = Parts::read(header, payload).ok_or(malformed)?;
    let algorithm = parts.check_header(rules.allowed)?;
    let id = parts.id()?;
    parts.check_request(request, &rules.origin)?;
    let (until, wants_nonce) = parts.check_time(request.now(), rules)?;
    parts.check_token(request)?;

    let jwk = parts.jwk.ok_or(Fault::Proof(reason::DPOP_JWK))?;
    let candidate = Candidate::read(jwk).map_err(|_| Fault::Proof(reason::DPOP_JWK))?;
    let own = candidate
        .thumbprint()
        .ok_or(Fault::Proof(reason::DPOP_JWK))?;
    if own != thumbprint && !sabotaged!("dpop.key") {
        return Err(Fault::Key(reason::DPOP_KEY));
    }
    // An RSA key of a proof is for the algorithm that the proof names.
    let key = candidate
        .load(Allowed::only(&[algorithm]))
        .map_err(|_| Fault::Proof(reason::DPOP_JWK))?;
    if !key.verifies(decoded.signed, decoded.signature()) && !sabotaged!("dpop.signature") {
        return Err(Fault::Proof(reason::DPOP_SIGNATURE));
    }
    Ok(Proven {
        id,
        until,
        wants_nonce,
    })
}

/// The text of the one proof that there is.
fn the_one<'a>(request: &RequestView<'a>) -> Result<&'a str, Fault> {
    let mut values = request.headers().get_all(HEADER).iter();
    let value = values.next().ok_or(Fault::Proof(reason::DPOP_MISSING))?;
    if values.next().is_some() && !sabotaged!("dpop.single") {
        return Err(Fault::Proof(reason::DPOP_TWICE));
    }
    value
        .to_str()
        .ok()
        .filter(|text| text.len() <= MAX_SIZE)
        .ok_or(Fault::Proof(reason::DPOP_MALFORMED))
}

impl<'a> Parts<'a> {
    fn read(header: &'a str, payload: &'a str) -> Option<Self> {
        let mut parts = Self::default();
        for_each_member(header, |name, raw| match name {
            "typ" => parts.typ = Some(raw),
            "alg" => parts.alg = Some(raw),
            "jwk" => parts.jwk = Some(raw),
            "b64" | "crit" | "cty" | "zip" => parts.changes_meaning = true,
            _ => {}
        })
        .ok()?;
        for_each_member(payload, |name, raw| match name {
            "jti" => parts.jti = Some(raw),
            "htm" => parts.htm = Some(raw),
            "htu" => parts.htu = Some(raw),
            "iat" => parts.iat = Some(raw),
            "ath" => parts.ath = Some(raw),
            "nonce" => parts.nonce = Some(raw),
            _ => {}
        })
        .ok()?;
        Some(parts)
    }

    fn check_header(&self, allowed: Allowed) -> Result<Algorithm, Fault> {
        let is_proof = self.typ.and_then(Raw::text).is_some_and(|typ| {
            typ.eq_ignore_ascii_case("dpop+jwt") || typ.eq_ignore_ascii_case("application/dpop+jwt")
        });
        if !is_proof && !sabotaged!("dpop.typ") {
            return Err(Fault::Proof(reason::DPOP_TYP));
        }
        if self.changes_meaning && !sabotaged!("dpop.crit") {
            return Err(Fault::Proof(reason::DPOP_MALFORMED));
        }
        self.alg
            .and_then(Raw::text)
            .and_then(|name| Algorithm::from_name(&name))
            .filter(|algorithm| allowed.contains(*algorithm))
            .ok_or(Fault::Proof(reason::DPOP_ALG))
    }

    fn id(&self) -> Result<[u8; 32], Fault> {
        let id = self.jti.and_then(Raw::text);
        let id = id.filter(|id| !id.is_empty() && id.len() <= MAX_ID);
        let id = id.ok_or(Fault::Proof(reason::DPOP_CLAIMS))?;
        Ok(Sha256::digest(id.as_bytes()).into())
    }

    fn check_request(&self, request: &RequestView<'_>, origin: &Origin) -> Result<(), Fault> {
        let claims = Fault::Proof(reason::DPOP_CLAIMS);
        let method = self.htm.and_then(Raw::text).ok_or(claims)?;
        if method != request.method().as_str() && !sabotaged!("dpop.htm") {
            return Err(Fault::Proof(reason::DPOP_HTM));
        }
        let url = self.htu.and_then(Raw::text).ok_or(claims)?;
        if !origin.matches(&url, request.path()) && !sabotaged!("dpop.htu") {
            return Err(Fault::Proof(reason::DPOP_HTU));
        }
        Ok(())
    }

    /// Until when the proof could be used, and whether its nonce is not the newest.
    fn check_time(&self, now: Timestamp, rules: &Rules) -> Result<(Timestamp, bool), Fault> {
        let claims = Fault::Proof(reason::DPOP_CLAIMS);
        let made_at = self.iat.and_then(Raw::time).ok_or(claims)?;
        if let Some(nonces) = &rules.nonces {
            let missing = Fault::Nonce(reason::DPOP_NONCE_MISSING);
            let nonce = self.nonce.ok_or(missing)?;
            let nonce = nonce.text().ok_or(claims)?;
            let given = nonces.check(&nonce, now);
            let given = given.ok_or(Fault::Nonce(reason::DPOP_NONCE))?;
            // By the nonce it is known when the proof was made, whatever the client's clock says.
            return Ok((nonces.end(now, given), given == Given::Before));
        }
        let distance = now
            .saturating_since(made_at)
            .max(made_at.saturating_since(now));
        if distance > rules.window && !sabotaged!("dpop.iat") {
            return Err(Fault::Proof(reason::DPOP_IAT));
        }
        Ok((made_at + rules.window, false))
    }

    /// Whether the proof is of the credential that it comes with.
    fn check_token(&self, request: &RequestView<'_>) -> Result<(), Fault> {
        let claims = Fault::Proof(reason::DPOP_CLAIMS);
        let hash = self.ath.and_then(Raw::text).ok_or(claims)?;
        let token = request.access_token().ok_or(claims)?;
        let own = URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()));
        if *hash != *own && !sabotaged!("dpop.ath") {
            return Err(Fault::Proof(reason::DPOP_ATH));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
