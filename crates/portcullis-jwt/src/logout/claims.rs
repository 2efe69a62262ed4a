//! The claims of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6).

use std::time::Duration;

use portcullis_core::{ReasonCode, RevocationKey, Timestamp, sabotaged};

use crate::{
    json::{Raw, for_each_member},
    reason,
    signed_notice::{is_for, name_of},
};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The longest `jti`, in bytes.
const MAX_ID: usize = 256;

/// What every logout token is held against.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) clients: Vec<Box<str>>,
    pub(super) leeway: Duration,
    pub(super) max_lifetime: Duration,
}

/// A logout.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Logout {
    pub(super) key: RevocationKey,
    /// When it happened.
    pub(super) at: Timestamp,
    pub(super) id: String,
    /// Until when its token could come again.
    pub(super) until: Timestamp,
}

#[derive(Default)]
struct Claims<'a> {
    aud: Option<Raw<'a>>,
    iat: Option<Raw<'a>>,
    exp: Option<Raw<'a>>,
    jti: Option<Raw<'a>>,
    sub: Option<Raw<'a>>,
    sid: Option<Raw<'a>>,
    events: Option<Raw<'a>>,
    has_nonce: bool,
}

/// The logout that the claims of a token tell of, whose signature is good.
pub(super) fn read(
    payload: &str,
    issuer: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<Logout, ReasonCode> {
    let mut claims = Claims::default();
    for_each_member(payload, |name, raw| {
        let claim = match name {
            "aud" => &mut claims.aud,
            "iat" => &mut claims.iat,
            "exp" => &mut claims.exp,
            "jti" => &mut claims.jti,
            "sub" => &mut claims.sub,
            "sid" => &mut claims.sid,
            "events" => &mut claims.events,
            "nonce" => {
                claims.has_nonce = true;
                return;
            }
            _ => return,
        };
        *claim = Some(raw);
    })
    .map_err(|_| reason::LOGOUT_MALFORMED)?;
    if !is_for(claims.aud, &rules.clients) && !sabotaged!("logout.audience") {
        return Err(reason::LOGOUT_AUDIENCE);
    }
    let time = |claim: Option<Raw<'_>>| claim.and_then(Raw::time).ok_or(reason::LOGOUT_CLAIMS);
    let (issued_at, expires_at) = (time(claims.iat)?, time(claims.exp)?);
    let until = expires_at + rules.leeway;
    let is_early = issued_at > now + rules.leeway;
    let is_long =
        expires_at < issued_at || expires_at.saturating_since(issued_at) > rules.max_lifetime;
    if (now >= until || is_early || is_long) && !sabotaged!("logout.times") {
        return Err(reason::LOGOUT_TIME);
    }
    if !claims.events.is_some_and(is_logout) && !sabotaged!("logout.events") {
        return Err(reason::LOGOUT_EVENTS);
    }
    if claims.has_nonce && !sabotaged!("logout.nonce") {
        return Err(reason::LOGOUT_NONCE);
    }
    let name = |claim: Option<Raw<'_>>| match claim {
        Some(raw) => name_of(raw).map(Some).ok_or(reason::LOGOUT_CLAIMS),
        None => Ok(None),
    };
    let id = name(claims.jti)?
        .filter(|id| id.len() <= MAX_ID)
        .ok_or(reason::LOGOUT_CLAIMS)?;
    let key = match (name(claims.sid)?, name(claims.sub)?) {
        (Some(session), _) => RevocationKey::Session(issuer.into(), session.into()),
        (None, Some(subject)) => RevocationKey::Subject(issuer.into(), subject.into()),
        (None, None) if sabotaged!("logout.subject") => RevocationKey::Issuer(issuer.into()),
        (None, None) => return Err(reason::LOGOUT_SUBJECT),
    };
    Ok(Logout {
        key,
        at: issued_at,
        id,
        until,
    })
}

/// Whether `events` tells of a logout and of nothing else.
fn is_logout(events: Raw<'_>) -> bool {
    let (mut is_logout, mut members) = (false, 0);
    let read = for_each_member(events.as_str(), |name, raw| {
        members += 1;
        is_logout = name == EVENT && for_each_member(raw.as_str(), |_, _| {}).is_ok();
    });
    read.is_ok() && members == 1 && is_logout
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
    const GOOD: [(&str, &str); 7] = [
        ("aud", r#""app""#),
        ("iat", "1767225600"),
        ("exp", "1767225720"),
        ("jti", r#""1""#),
        ("sub", r#""alice""#),
        ("sid", r#""s""#),
        (
            "events",
            r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#,
        ),
    ];

    fn verdict(changes: &[(&str, Option<&str>)]) -> Result<Logout, ReasonCode> {
        let rules = Rules {
            clients: vec!["app".into()],
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(300),
        };
        let mut members: Vec<(&str, &str)> = GOOD.to_vec();
        for (name, value) in changes {
            members.retain(|(known, _)| known != name);
            members.extend(value.map(|value| (*name, value)));
        }
        let members = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"));
        let payload = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        read(&payload, "i", &rules, NOW)
    }

    #[test]
    fn ends_the_session_that_it_names_or_all_of_the_subject() {
        let session = RevocationKey::Session("i".into(), "s".into());
        let subject = RevocationKey::Subject("i".into(), "alice".into());
        for (changes, key) in [
            (&[][..], &session),
            (&[("sub", None)], &session),
            (&[("sid", None)], &subject),
        ] {
            let logout = verdict(changes).unwrap();
            assert_eq!((&logout.key, logout.at), (key, NOW));
            assert_eq!(logout.until, NOW + Duration::from_secs(150));
        }
    }

    #[test]
    fn whatever_is_wrong_has_its_reason() {
        for (name, value, expected) in [
            ("aud", None, reason::LOGOUT_AUDIENCE),
            ("aud", Some(r#""other""#), reason::LOGOUT_AUDIENCE),
            ("iat", None, reason::LOGOUT_CLAIMS),
            ("iat", Some(r#""1767225600""#), reason::LOGOUT_CLAIMS),
            ("iat", Some("1767225631"), reason::LOGOUT_TIME),
            ("exp", None, reason::LOGOUT_CLAIMS),
            ("exp", Some("1767225901"), reason::LOGOUT_TIME),
            ("exp", Some("1767225599"), reason::LOGOUT_TIME),
            ("jti", None, reason::LOGOUT_CLAIMS),
            ("jti", Some(r#""""#), reason::LOGOUT_CLAIMS),
            ("jti", Some("7"), reason::LOGOUT_CLAIMS),
            ("sid", Some("7"), reason::LOGOUT_CLAIMS),
            ("sub", Some(r#""""#), reason::LOGOUT_CLAIMS),
            ("sub", Some(r#""a\nb""#), reason::LOGOUT_CLAIMS),
            ("nonce", Some(r#""n""#), reason::LOGOUT_NONCE),
            ("nonce", Some("null"), reason::LOGOUT_NONCE),
            ("events", None, reason::LOGOUT_EVENTS),
            ("events", Some("{}"), reason::LOGOUT_EVENTS),
            (
                "events",
                Some(r#"["http://schemas.openid.net/event/backchannel-logout"]"#),
                reason::LOGOUT_EVENTS,
            ),
            (
                "events",
                Some(r#"{"http://schemas.openid.net/event/backchannel-logout":true}"#),
                reason::LOGOUT_EVENTS,
            ),
            (
                "events",
                Some(r#"{"http://schemas.openid.net/event/backchannel-logout":{},"x":{}}"#),
                reason::LOGOUT_EVENTS,
            ),
            (
                "events",
                Some(r#"{"x":{},"http://schemas.openid.net/event/backchannel-logout":{}}"#),
                reason::LOGOUT_EVENTS,
            ),
            (
                "events",
                Some(r#"{"https://schemas.openid.net/event/backchannel-logout":{}}"#),
                reason::LOGOUT_EVENTS,
            ),
        ] {
            assert_eq!(verdict(&[(name, value)]), Err(expected), "{name} {value:?}");
        }
        let neither = verdict(&[("sub", None), ("sid", None)]);
        assert_eq!(neither, Err(reason::LOGOUT_SUBJECT));
        // Expired at the end of the leeway.
        let old = [("iat", Some("1767225540")), ("exp", Some("1767225570"))];
        assert_eq!(verdict(&old), Err(reason::LOGOUT_TIME));
    }
}
