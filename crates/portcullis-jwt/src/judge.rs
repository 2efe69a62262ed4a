//! The way of a token from text to evidence.
//!
//! Each check stands once, in the order of [`Step`]. What can be known without a signature is
//! found out first, so that a forged token costs little; what the claims say of the caller is
//! read only after the signature has been checked.

use std::{borrow::Cow, sync::Arc, time::Instant};

use portcullis_core::{Evidence, Timestamp, Unavailable, sabotaged};

use crate::{
    Algorithm,
    algorithm::Allowed,
    claims::{Claims, Rules, Terms},
    fault::{Fault, Step},
    header::{Header, Kind},
    json::Raw,
    key::Choice,
    key_source::{KeySource, Lack, Wanted},
    profile::{Profile, Provided},
    reason,
    token::{self, Decoded, Window},
};

/// An issuer whose tokens are accepted.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) name: Box<str>,
    pub(crate) allowed: Allowed,
    /// The clients whose tokens are accepted, if not those of all.
    pub(crate) clients: Option<Arc<[Box<str>]>>,
    pub(crate) allows_legacy_typ: bool,
    /// Whose tokens they are, if that is known.
    pub(crate) profile: Option<Profile>,
    /// What roles are told from scopes by, if they are taken.
    pub(crate) role_prefix: Option<Box<str>>,
    /// Issuers of one setting share them.
    pub(crate) keys: Arc<KeySource>,
}

impl TrustedIssuer {
    fn terms<'t, 'a>(&'t self, provided: Option<&'t Provided<'a>>) -> Terms<'t, 'a> {
        Terms {
            issuer: &self.name,
            clients: self.clients.as_deref(),
            provided,
            role_prefix: self.role_prefix.as_deref(),
        }
    }
}

/// The moment of a decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What the times in tokens are compared with.
    pub(crate) now: Timestamp,
    /// What the age of keys is measured with.
    pub(crate) instant: Instant,
    /// Whether keys have been waited for: those at hand have to do.
    pub(crate) has_waited: bool,
}

/// A token whose every check passed.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) window: Window,
    pub(crate) issuer: usize,
    pub(crate) key: u64,
}

/// Why there is no evidence yet.
#[derive(Debug)]
pub(crate) enum Stop {
    NotMine(Step),
    Fault(Fault),
    Keys(Lacking),
}

/// Keys that are lacking.
#[derive(Debug)]
pub(crate) struct Lacking {
    /// The position of their issuer.
    pub(crate) issuer: usize,
    pub(crate) lack: Lack,
    pub(crate) wanted: Wanted,
}

/// What became of a token.
#[derive(Debug)]
pub(crate) enum Outcome {
    Accepted(Accepted),
    /// The token is of another issuer, or no such token at all.
    NotMine(Step),
    Faulty(Fault),
    Unavailable(Unavailable),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Makes every check of a token.
pub(crate) fn judge(
    token: &str,
    issuers: &[TrustedIssuer],
    rules: &Rules,
    moment: Moment,
    count_signature: impl FnOnce(),
) -> Result<Accepted, Stop> {
    if !token::is_jwt_shaped(token) {
        return Err(Stop::NotMine(Step::Form));
    }
    check_size(token)?;
    let decoded = Decoded::from_token(token)?;
    let header = Header::parse(decoded.header()?)?;
    let claims = Claims::parse(decoded.payload()?)?;

    // The issuer comes before the rules of the header: some are settings of the issuer, and
    // a token of somebody else's issuer is for another authenticator to judge.
    let (position, issuer) = choose_issuer(&claims, issuers)?;

    header.check_extensions()?;
    let omits_typ = issuer.profile.as_ref().is_some_and(Profile::omits_typ);
    let kind = match header.typ {
        None if omits_typ => Kind::Unspecific,
        _ => header.kind(issuer.allows_legacy_typ)?,
    };
    let provided = match &issuer.profile {
        Some(profile) => Some(profile.read(decoded.payload()?)?),
        None => None,
    };
    let terms = issuer.terms(provided.as_ref());
    match &provided {
        Some(provided) => provided.check_kind(&claims, &terms, kind)?,
        None => claims.check_kind(kind)?,
    }
    let algorithm = header.algorithm(issuer.allowed)?;
    let key_id = header.key_id()?;

    let window = claims.window(rules)?;
    window.check(moment.now)?;
    window.check_lifetime(rules.max_lifetime)?;
    let window = window.cut(rules.max_age);
    window.check(moment.now)?;
    let omits_audience = issuer.profile.as_ref().is_some_and(Profile::omits_audience);
    if claims.aud.is_some() || !omits_audience {
        claims.check_audience(rules)?;
    }

    let key = check_signature(
        &decoded,
        (position, issuer),
        (key_id, algorithm),
        moment,
        count_signature,
    )?;
    let evidence = claims.evidence(&terms, kind, &window)?;
    Ok(Accepted {
        evidence: Arc::new(evidence),
        window,
        issuer: position,
        key,
    })
}

/// The position of the issuer that a token names, whatever else is true of it.
pub(crate) fn find_issuer(token: &str, issuers: &[TrustedIssuer]) -> Result<usize, Stop> {
    let decoded = Decoded::from_token(token)?;
    let claims = Claims::parse(decoded.payload()?)?;
    choose_issuer(&claims, issuers).map(|(position, _)| position)
}

pub(crate) fn check_size(token: &str) -> Result<(), Fault> {
    if token.len() > token::MAX_SIZE && !sabotaged!("jwt.size") {
        return Err(Fault::new(Step::Size, reason::SIZE));
    }
    Ok(())
}

/// The configured issuer that `iss` names, byte for byte.
fn choose_issuer<'i>(
    claims: &Claims<'_>,
    issuers: &'i [TrustedIssuer],
) -> Result<(usize, &'i TrustedIssuer), Stop> {
    let name = claims
        .iss
        .and_then(Raw::text)
        .ok_or(Fault::new(Step::Issuer, reason::ISSUER))?;
    let mut numbered = issuers.iter().enumerate();
    let found = if sabotaged!("jwt.issuer") {
        numbered.next()
    } else {
        numbered.find(|(_, issuer)| *issuer.name == *name)
    };
    found.ok_or(Stop::NotMine(Step::Issuer))
}

/// Checks the signature with the one key of the issuer that the header names. Says which.
pub(crate) fn check_signature(
    decoded: &Decoded<'_>,
    (position, issuer): (usize, &TrustedIssuer),
    (key_id, algorithm): (Option<Cow<'_, str>>, Algorithm),
    moment: Moment,
    count: impl FnOnce(),
) -> Result<u64, Stop> {
    let lacking = |lack| {
        let id = key_id.as_deref().map(Into::into);
        Stop::Keys(Lacking {
            issuer: position,
            lack,
            wanted: Wanted { id, algorithm },
        })
    };
    let held = issuer
        .keys
        .keys(moment.instant, moment.has_waited)
        .map_err(lacking)?;
    let fault = |reason| Stop::Fault(Fault::new(Step::Key, reason));
    let choice = held.set().map_or(Choice::Unknown, |keys| {
        keys.choose(key_id.as_deref(), algorithm)
    });
    let key = match choice {
        Choice::Key(key) => key,
        Choice::OtherAlgorithm => return Err(fault(reason::KEY_ALG)),
        Choice::Ambiguous => return Err(fault(reason::KID_MISSING)),
        Choice::Unknown => {
            return Err(match &*issuer.keys {
                KeySource::Fixed(_) => fault(reason::KID_UNKNOWN),
                KeySource::Remote(_) => lacking(held.lack_of_key()),
            });
        }
    };
    let takes_key = issuer
        .profile
        .as_ref()
        .is_none_or(|profile| profile.takes_key(key.issuer(), &issuer.name));
    if !takes_key && !sabotaged!("jwt.key_issuer") {
        return Err(fault(reason::KEY_ISSUER));
    }
    count();
    let verifies = key.verifies(decoded.signed, decoded.signature());
    if !verifies && !sabotaged!("jwt.signature") {
        return Err(Fault::new(Step::Signature, reason::SIGNATURE).into());
    }
    Ok(key.serial())
}
