//! What an issuer signs that is no credential: logout tokens and security events.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use portcullis_core::{Clock, NotReady, sabotaged};

use crate::{
    fault::Step,
    header::Header,
    json::{Raw, for_each_member},
    judge::{Lacking, Moment, Stop, TrustedIssuer, check_signature, check_size},
    key_source::{KeySource, Obtained, RemoteKeys},
    token::Decoded,
};

/// How often one notice waits for keys, as a token does.
const MAX_WAITS: usize = 3;

/// The issuers whose notices are heard, and their keys.
#[derive(Debug)]
pub(crate) struct Signers {
    pub(crate) issuers: Vec<TrustedIssuer>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The name in messages.
    pub(crate) name: &'static str,
    pub(crate) signature_checks: std::sync::atomic::AtomicU64,
}

/// What a notice has to say it is (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// As in `typ`, without `application/`.
    pub(crate) typ: &'static str,
    /// Whether `JWT`, or nothing, is taken for it.
    pub(crate) may_be_unspecific: bool,
}

/// A notice with a good signature.
pub(crate) struct Opened {
    /// The claims: a text in which any might still be wrong.
    pub(crate) payload: String,
    /// Who has signed it.
    pub(crate) issuer: Box<str>,
}

/// Why a notice is not what it seems.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    Algorithm,
    Issuer,
    Key,
    Malformed,
    Signature,
    Typ,
    /// The keys of the issuer cannot be had.
    Unavailable(Duration),
}

impl Signers {
    /// The claims of a notice, once its signature is known to be that of its issuer.
    pub(crate) async fn open(&self, token: &str, kind: Kind) -> Result<Opened, Flaw> {
        for waits in 0..MAX_WAITS {
            let lacking = match self.open_now(token, kind, waits > 0) {
                Ok(opened) => return Ok(opened),
                Err(Trouble::Flaw(flaw)) => return Err(flaw),
                Err(Trouble::Keys(lacking)) => lacking,
            };
            let Some(remote) = self.remote(lacking.issuer) else {
                break;
            };
            let obtained = remote.obtain(lacking.lack, Some(&lacking.wanted)).await;
            if obtained == Obtained::Nothing {
                break;
            }
        }
        match self.open_now(token, kind, true) {
            Ok(opened) => Ok(opened),
            Err(Trouble::Flaw(flaw)) => Err(flaw),
            Err(Trouble::Keys(lacking)) => Err(self.without_keys(&lacking)),
        }
    }

    pub(crate) async fn ready(&self) -> Result<(), NotReady> {
        let remotes = self.remotes().map(async |(issuer, remote)| {
            remote.ready().await.map_err(|problem| {
                NotReady::new(
                    self.name,
                    format!("no keys of {:?}: {problem}", issuer.name),
                )
            })
        });
        join_all(remotes).await.into_iter().collect()
    }

    pub(crate) async fn shutdown(&self) {
        for (_, remote) in self.remotes() {
            remote.shutdown().await;
        }
    }

    fn open_now(&self, token: &str, kind: Kind, has_waited: bool) -> Result<Opened, Trouble> {
        let flaw = |flaw| Trouble::Flaw(flaw);
        let malformed = |_| Trouble::Flaw(Flaw::Malformed);
        check_size(token).map_err(malformed)?;
        let decoded = Decoded::from_token(token).map_err(malformed)?;
        let header = Header::parse(decoded.header().map_err(malformed)?).map_err(malformed)?;
        let payload = decoded.payload().map_err(malformed)?;
        let mut claimed = None;
        for_each_member(payload, |name, raw| {
            if name == "iss" {
                claimed = raw.text();
            }
        })
        .map_err(|_| flaw(Flaw::Malformed))?;
        header.check_extensions().map_err(malformed)?;
        if !kind.is_that_of(&header) && !sabotaged!("notice.typ") {
            return Err(flaw(Flaw::Typ));
        }
        let claimed = claimed.ok_or(flaw(Flaw::Issuer))?;
        let mut numbered = self.issuers.iter().enumerate();
        let found = if sabotaged!("notice.issuer") {
            numbered.next()
        } else {
            numbered.find(|(_, issuer)| *issuer.name == *claimed)
        };
        let (position, issuer) = found.ok_or(flaw(Flaw::Issuer))?;
        let algorithm = header
            .algorithm(issuer.allowed)
            .map_err(|_| flaw(Flaw::Algorithm))?;
        let key_id = header.key_id().map_err(|_| flaw(Flaw::Key))?;
        let moment = Moment {
            now: self.clock.now(),
            instant: self.clock.instant(),
            has_waited,
        };
        let checked = check_signature(
            &decoded,
            (position, issuer),
            (key_id, algorithm),
            moment,
            || {
                self.signature_checks.fetch_add(1, Ordering::Relaxed);
            },
        );
        match checked {
            Ok(_) => Ok(Opened {
                payload: payload.to_owned(),
                issuer: issuer.name.clone(),
            }),
            Err(Stop::Keys(lacking)) => Err(Trouble::Keys(lacking)),
            Err(Stop::Fault(fault)) if fault.step == Step::Signature => Err(flaw(Flaw::Signature)),
            Err(_) => Err(flaw(Flaw::Key)),
        }
    }

    /// The keys that are retrieved, each once, and an issuer that they are of.
    fn remotes(&self) -> impl Iterator<Item = (&TrustedIssuer, &RemoteKeys)> {
        let shares = |a: &TrustedIssuer, b: &TrustedIssuer| Arc::ptr_eq(&a.keys, &b.keys);
        let sharing = self.issuers.chunk_by(shares);
        sharing.filter_map(|issuers| {
            let issuer = issuers.first()?;
            match &*issuer.keys {
                KeySource::Fixed(_) => None,
                KeySource::Remote(remote) => Some((issuer, remote)),
            }
        })
    }

    fn remote(&self, issuer: usize) -> Option<&RemoteKeys> {
        match &*self.issuers.get(issuer)?.keys {
            KeySource::Fixed(_) => None,
            KeySource::Remote(remote) => Some(remote),
        }
    }

    fn without_keys(&self, lacking: &Lacking) -> Flaw {
        let now = self.clock.instant();
        self.remote(lacking.issuer)
            .and_then(|remote| remote.without_keys(lacking.lack.need, now))
            .map_or(Flaw::Key, |unavailable| {
                Flaw::Unavailable(unavailable.retry_after())
            })
    }
}

enum Trouble {
    Flaw(Flaw),
    Keys(Lacking),
}

impl Kind {
    /// As [`Header::kind`] does for access tokens (RFC 7515 §4.1.9).
    fn is_that_of(self, header: &Header<'_>) -> bool {
        let Some(typ) = header.typ else {
            return self.may_be_unspecific;
        };
        let text = typ.text().unwrap_or_default();
        let name = match text.split_at_checked("application/".len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case("application/") => name,
            _ => &*text,
        };
        name.eq_ignore_ascii_case(self.typ)
            || self.may_be_unspecific && name.eq_ignore_ascii_case("jwt")
    }
}

/// Whether one entry of `aud` is one of ours, byte for byte.
pub(crate) fn is_for(aud: Option<Raw<'_>>, ours: &[Box<str>]) -> bool {
    let is_ours = |text: &str| ours.iter().any(|our| **our == *text);
    aud.is_some_and(|raw| match raw.text() {
        Some(text) => is_ours(&text),
        None => raw
            .texts(crate::claims::MAX_AUDIENCES)
            .is_some_and(|texts| texts.iter().any(|text| is_ours(text))),
    })
}

/// A name that a revocation can have: not empty, of at most 2048 bytes, without control characters.
pub(crate) fn name_of(raw: Raw<'_>) -> Option<String> {
    let text = raw.text()?;
    let is_name = !text.is_empty() && text.len() <= 2048 && !text.chars().any(char::is_control);
    is_name.then(|| text.into_owned())
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_own_type_alone() {
        let kind = |may_be_unspecific| Kind {
            typ: "logout+jwt",
            may_be_unspecific,
        };
        for (header, strict, lenient) in [
            (r#"{"typ":"logout+jwt"}"#, true, true),
            (r#"{"typ":"application/Logout+JWT"}"#, true, true),
            (r#"{"typ":"JWT"}"#, false, true),
            (r#"{}"#, false, true),
            (r#"{"typ":"at+jwt"}"#, false, false),
            (r#"{"typ":"secevent+jwt"}"#, false, false),
            (r#"{"typ":7}"#, false, false),
            (r#"{"typ":""}"#, false, false),
        ] {
            let header = Header::parse(header).unwrap();
            assert_eq!(kind(false).is_that_of(&header), strict);
            assert_eq!(kind(true).is_that_of(&header), lenient);
        }
    }

    #[test]
    fn an_audience_is_compared_byte_for_byte() {
        let ours: [Box<str>; 2] = ["a".into(), "b".into()];
        for (aud, expected) in [
            (r#""a""#, true),
            (r#"["x","b"]"#, true),
            (r#""A""#, false),
            (r#"[]"#, false),
            (r#"["x"]"#, false),
            (r#"{"a":1}"#, false),
            (r#"["a",7]"#, false),
        ] {
            assert_eq!(is_for(Raw::parse(aud), &ours), expected, "{aud}");
        }
        assert!(!is_for(None, &ours));
    }
}
