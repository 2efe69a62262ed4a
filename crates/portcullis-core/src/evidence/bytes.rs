//! Evidence as bytes, for whoever seals it.

use std::fmt;

use super::{Actor, Confirmation, Evidence, EvidenceKind, RevocationKey};
use crate::{
    Scopes,
    layout::{Problem, Rest, makes_no_sense, whole, write_counted, write_time_if},
};

/// The version that is written. Another layout of the bytes is another version; what was written
/// as an earlier one stays readable.
const VERSION: u8 = 1;
/// More of anything than this is in no evidence that anybody relies on.
const MANY: u64 = 64;

impl Evidence {
    /// What was found out, as bytes, from which [`from_bytes`](Self::from_bytes) makes it again.
    ///
    /// The first byte is the version of the layout. Nothing in them is encrypted, and nothing shows
    /// who has written them: whoever keeps them where others can write has to seal them. That an
    /// authenticator may [take it back](Self::with_withdrawal) is not in them.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis_core::{Evidence, EvidenceKind};
    ///
    /// let evidence = Evidence::new(EvidenceKind::User, "https://idp.example", "alice");
    /// assert_eq!(Evidence::from_bytes(&evidence.to_bytes())?, evidence);
    /// # Ok::<(), portcullis_core::InvalidEvidenceBytes>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.push(match self.kind {
            EvidenceKind::Client => 1,
            EvidenceKind::Standing => 2,
            EvidenceKind::User => 3,
        });
        write_counted(&mut bytes, self.issuer.as_bytes());
        write_counted(&mut bytes, self.subject.as_bytes());
        write_text_if(&mut bytes, self.client.as_deref());
        write_counted(&mut bytes, self.scopes.as_str().as_bytes());
        write_text_if(&mut bytes, self.acr.as_deref());
        write_number(&mut bytes, self.amr.len());
        for method in &self.amr {
            write_counted(&mut bytes, method.as_bytes());
        }
        for time in [self.auth_time, self.issued_at, self.not_after] {
            write_time_if(&mut bytes, time);
        }
        write_text_if(&mut bytes, self.token_id.as_deref());
        write_text_if(&mut bytes, self.session_id.as_deref());
        bytes.push(u8::from(self.confirmation.is_some()));
        if let Some(confirmation) = &self.confirmation {
            write_text_if(&mut bytes, confirmation.certificate_thumbprint());
            write_text_if(&mut bytes, confirmation.jwk_thumbprint());
            bytes.push(u8::from(confirmation.has_unsupported));
        }
        write_number(&mut bytes, self.actors.len());
        for actor in &self.actors {
            write_text_if(&mut bytes, actor.issuer());
            write_counted(&mut bytes, actor.subject().as_bytes());
        }
        write_number(&mut bytes, self.revocation_keys.len());
        for key in &self.revocation_keys {
            bytes.push(match key {
                RevocationKey::Client(..) => 1,
                RevocationKey::Credential(..) => 2,
                RevocationKey::Grant(..) => 3,
                RevocationKey::Session(..) => 4,
                RevocationKey::Subject(..) => 5,
                RevocationKey::Token(..) => 6,
                RevocationKey::Device(..) => 7,
                RevocationKey::Issuer(..) => 8,
                RevocationKey::Tenant(..) => 9,
            });
            for value in key.values() {
                write_counted(&mut bytes, value.as_bytes());
            }
        }
        bytes.push(u8::from(self.is_asserted_per_request));
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// The bytes are of another version, or are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidEvidenceBytes> {
        whole(bytes, VERSION, read).map_err(InvalidEvidenceBytes)
    }
}

/// Bytes that are no evidence: of another version, damaged, or something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidEvidenceBytes(Problem);

impl fmt::Display for InvalidEvidenceBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("piece of evidence", VERSION, f)
    }
}

impl std::error::Error for InvalidEvidenceBytes {}

fn write_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend((number as u64).to_be_bytes());
}

fn write_text_if(bytes: &mut Vec<u8>, text: Option<&str>) {
    bytes.push(u8::from(text.is_some()));
    if let Some(text) = text {
        write_counted(bytes, text.as_bytes());
    }
}

fn read(rest: &mut Rest<'_>) -> Result<Evidence, Problem> {
    let kind = match rest.u8()? {
        1 => EvidenceKind::Client,
        2 => EvidenceKind::Standing,
        3 => EvidenceKind::User,
        _ => return Err(makes_no_sense("kind")),
    };
    let mut evidence = Evidence::new(kind, rest.text("issuer")?, rest.text("subject")?);
    evidence.client = text_if(rest, "client")?;
    evidence.scopes =
        Scopes::parse(rest.text("scopes")?).map_err(|_| makes_no_sense("list of scopes"))?;
    evidence.acr = text_if(rest, "acr")?;
    for _ in 0..number(rest, "amr")? {
        evidence.amr.push(rest.text("amr")?.into());
    }
    evidence.auth_time = rest.time_if("time of authentication")?;
    evidence.issued_at = rest.time_if("time of issue")?;
    evidence.not_after = rest.time_if("end")?;
    evidence.token_id = text_if(rest, "token id")?;
    evidence.session_id = text_if(rest, "session id")?;
    if rest.flag("confirmation")? {
        evidence.confirmation = Some(Confirmation {
            certificate_thumbprint: text_if(rest, "confirmation")?,
            jwk_thumbprint: text_if(rest, "confirmation")?,
            has_unsupported: rest.flag("confirmation")?,
        });
    }
    for _ in 0..number(rest, "chain of actors")? {
        evidence.actors.push(Actor {
            issuer: text_if(rest, "actor")?,
            subject: rest.text("actor")?.into(),
        });
    }
    for _ in 0..number(rest, "list of revocation keys")? {
        evidence.revocation_keys.push(read_revocation_key(rest)?);
    }
    evidence.is_asserted_per_request = rest.flag("assertion")?;
    Ok(evidence)
}

fn read_revocation_key(rest: &mut Rest<'_>) -> Result<RevocationKey, Problem> {
    const FIELD: &str = "revocation key";
    let kind = rest.u8()?;
    let issuer = rest.text(FIELD)?.into();
    if kind == 8 {
        return Ok(RevocationKey::Issuer(issuer));
    }
    let value = rest.text(FIELD)?.into();
    Ok(match kind {
        1 => RevocationKey::Client(issuer, value),
        2 => RevocationKey::Credential(issuer, value),
        3 => RevocationKey::Grant(issuer, value, rest.text(FIELD)?.into()),
        4 => RevocationKey::Session(issuer, value),
        5 => RevocationKey::Subject(issuer, value),
        6 => RevocationKey::Token(issuer, value),
        7 => RevocationKey::Device(issuer, value),
        9 => RevocationKey::Tenant(issuer, value),
        _ => return Err(makes_no_sense(FIELD)),
    })
}

fn text_if(rest: &mut Rest<'_>, field: &'static str) -> Result<Option<Box<str>>, Problem> {
    let is_there = rest.flag(field)?;
    is_there
        .then(|| rest.text(field).map(Box::from))
        .transpose()
}

fn number(rest: &mut Rest<'_>, field: &'static str) -> Result<u64, Problem> {
    let number = rest.u64()?;
    if number > MANY {
        return Err(makes_no_sense(field));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    /// Everything that evidence can hold, as version 1 writes it.
    const GOLDEN: &str = include_str!("../../golden/evidence-v1.hex");

    fn full() -> Evidence {
        let at = Timestamp::from_unix_seconds(1_767_225_600);
        Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
            .with_client("notes-app")
            .with_scopes(Scopes::parse("notes.read notes.write").unwrap())
            .with_acr("phr")
            .add_amr("hwk")
            .add_amr("pin")
            .with_auth_time(at)
            .with_issued_at(at + std::time::Duration::from_secs(1))
            .with_not_after(at + std::time::Duration::from_secs(2))
            .with_token_id("t")
            .with_session_id("s")
            .with_confirmation(
                Confirmation::default()
                    .with_certificate_thumbprint("c")
                    .with_jwk_thumbprint("j")
                    .with_unsupported_member(),
            )
            .add_actor(Actor::new("agent"))
            .add_actor(Actor::new("other").with_issuer("https://other.example"))
            .add_revocation_key(RevocationKey::Client("i".into(), "c".into()))
            .add_revocation_key(RevocationKey::Credential("i".into(), "k".into()))
            .add_revocation_key(RevocationKey::Grant("i".into(), "s".into(), "c".into()))
            .add_revocation_key(RevocationKey::Session("i".into(), "n".into()))
            .add_revocation_key(RevocationKey::Subject("i".into(), "s".into()))
            .add_revocation_key(RevocationKey::Token("i".into(), "t".into()))
            .asserted_per_request()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn version_1_stays_what_it_is() {
        let golden: String = GOLDEN.split_whitespace().collect();
        assert_eq!(hex(&full().to_bytes()), golden);
        assert_eq!(Evidence::from_bytes(&full().to_bytes()), Ok(full()));
    }

    #[test]
    fn every_kind_and_nothing_at_all_is_read_again() {
        for kind in [
            EvidenceKind::Client,
            EvidenceKind::Standing,
            EvidenceKind::User,
        ] {
            let evidence = Evidence::new(kind, "i", "s")
                .add_revocation_key(RevocationKey::Device("i".into(), "d".into()))
                .add_revocation_key(RevocationKey::Issuer("i".into()))
                .add_revocation_key(RevocationKey::Tenant("i".into(), "t".into()));
            assert_eq!(Evidence::from_bytes(&evidence.to_bytes()), Ok(evidence));
        }
    }

    #[test]
    fn whatever_is_not_what_was_written_is_refused_or_is_something_else() {
        let bytes = full().to_bytes();
        for len in 0..bytes.len() {
            assert!(Evidence::from_bytes(&bytes[..len]).is_err(), "{len}");
            for flip in [1, 0x80, 0xff] {
                let mut other = bytes.clone();
                other[len] ^= flip;
                if let Ok(read) = Evidence::from_bytes(&other) {
                    assert_ne!(read, full(), "{len}");
                }
            }
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Evidence::from_bytes(&longer).is_err());
        assert_eq!(
            Evidence::from_bytes(&[2]).unwrap_err().to_string(),
            "a stored piece of evidence has version 2, and this program reads none after 1"
        );
    }
}
