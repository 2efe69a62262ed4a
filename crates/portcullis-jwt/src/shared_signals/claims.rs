//! The claims of one security event token (RFC 8417; Shared Signals Framework 1.0 §4).

use std::{borrow::Cow, time::Duration};

use portcullis_core::{ReasonCode, Timestamp, sabotaged};

use super::event::{Classified, Members, SecurityEvent, StreamStatus, classify};
use crate::{
    json::{Raw, for_each_member},
    reason,
    signed_notice::{is_for, name_of},
};

/// The longest `jti`, in bytes.
const MAX_ID: usize = 256;

/// A security event token that is in order.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) id: String,
    pub(super) issued_at: Timestamp,
    pub(super) meaning: Meaning<'a>,
}

/// What an event means.
#[derive(Debug)]
pub(super) enum Meaning<'a> {
    /// Something has happened to the subject.
    Event {
        event: SecurityEvent,
        subject: Raw<'a>,
        /// The one member of the subject that it is about.
        principal: Option<Cow<'a, str>>,
        at: Timestamp,
    },
    /// It is known, and there is nothing to be done about it.
    Nothing,
    Stream(StreamStatus),
    Unknown,
    /// The stream flows. With the state that this server has sent, if it has.
    Verification(Option<Cow<'a, str>>),
}

/// What is wrong with a token: what its sender is told (RFC 8935 §2.4), and the reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Wrong {
    pub(super) error: &'static str,
    pub(super) reason: ReasonCode,
}

impl Wrong {
    pub(super) const fn request(reason: ReasonCode) -> Self {
        Self {
            error: "invalid_request",
            reason,
        }
    }
}

#[derive(Default)]
struct Claims<'a> {
    aud: Option<Raw<'a>>,
    iat: Option<Raw<'a>>,
    jti: Option<Raw<'a>>,
    toe: Option<Raw<'a>>,
    sub_id: Option<Raw<'a>>,
    events: Option<Raw<'a>>,
    has_exp: bool,
    has_sub: bool,
}

/// The event that the claims of a token tell of, whose signature is good.
pub(super) fn read<'a>(
    payload: &'a str,
    audiences: &[Box<str>],
    leeway: Duration,
    now: Timestamp,
) -> Result<Read<'a>, Wrong> {
    let wrong = |reason| Wrong::request(reason);
    let mut claims = Claims::default();
    for_each_member(payload, |name, raw| {
        let claim = match name {
            "aud" => &mut claims.aud,
            "iat" => &mut claims.iat,
            "jti" => &mut claims.jti,
            "toe" => &mut claims.toe,
            "sub_id" => &mut claims.sub_id,
            "events" => &mut claims.events,
            "exp" => {
                claims.has_exp = true;
                return;
            }
            "sub" => {
                claims.has_sub = true;
                return;
            }
            _ => return,
        };
        *claim = Some(raw);
    })
    .map_err(|_| wrong(reason::SET_MALFORMED))?;
    if !is_for(claims.aud, audiences) && !sabotaged!("set.audience") {
        return Err(Wrong {
            error: "invalid_audience",
            reason: reason::SET_AUDIENCE,
        });
    }
    // What expires, or is about its `sub`, may be a token of another kind (RFC 8417 §4).
    if claims.has_exp && !sabotaged!("set.exp") {
        return Err(wrong(reason::SET_EXP));
    }
    if claims.has_sub && !sabotaged!("set.sub") {
        return Err(wrong(reason::SET_SUB));
    }
    let id = claims.jti.and_then(name_of);
    let id = id
        .filter(|id| id.len() <= MAX_ID)
        .ok_or(wrong(reason::SET_CLAIMS))?;
    let time = |claim: Raw<'_>| claim.time().ok_or(wrong(reason::SET_CLAIMS));
    let issued_at = time(claims.iat.ok_or(wrong(reason::SET_CLAIMS))?)?;
    if issued_at > now + leeway && !sabotaged!("set.iat") {
        return Err(wrong(reason::SET_TIME));
    }
    let toe = claims.toe.map(time).transpose()?;
    let (name, event) = one_event(claims.events)?;
    let members = Members::read(event)?;
    let kind = classify(&name, &members);
    let meaning = match kind {
        Classified::Event(event) => Meaning::Event {
            event,
            subject: claims.sub_id.ok_or(wrong(reason::SET_SUBJECT))?,
            principal: members.principal,
            // Nothing can have happened after it was told, whatever the unit that it is told in.
            at: members
                .event_timestamp
                .or(toe)
                .map_or(issued_at, |at| at.min(issued_at)),
        },
        Classified::Nothing => Meaning::Nothing,
        Classified::Stream(status) => Meaning::Stream(status),
        Classified::Unknown => Meaning::Unknown,
        Classified::Verification => Meaning::Verification(members.state),
        Classified::Malformed => return Err(wrong(reason::SET_EVENTS)),
    };
    Ok(Read {
        id,
        issued_at,
        meaning,
    })
}

/// The one event of a token (interoperability profile of the framework: exactly one).
fn one_event<'a>(events: Option<Raw<'a>>) -> Result<(String, Raw<'a>), Wrong> {
    let mut found = None;
    let mut count = 0;
    let events = events.ok_or(Wrong::request(reason::SET_EVENTS))?;
    for_each_member(events.as_str(), |name, raw| {
        count += 1;
        if found.is_none() {
            found = Some((name.to_owned(), raw));
        }
    })
    .map_err(|_| Wrong::request(reason::SET_EVENTS))?;
    found
        .filter(|_| count == 1 || sabotaged!("set.one_event"))
        .ok_or(Wrong::request(reason::SET_EVENTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn payload(changes: &[(&str, Option<&str>)]) -> String {
        let mut members = vec![
            ("aud", r#"["x","us"]"#),
            ("iat", "1767225600"),
            ("jti", r#""1""#),
            ("sub_id", r#"{"format":"opaque","id":"alice"}"#),
            (
                "events",
                r#"{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}"#,
            ),
        ];
        for (name, value) in changes {
            members.retain(|(known, _)| known != name);
            members.extend(value.map(|value| (*name, value)));
        }
        let members = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    fn wrong(changes: &[(&str, Option<&str>)]) -> (&'static str, ReasonCode) {
        let payload = payload(changes);
        let wrong = read(&payload, &["us".into()], Duration::from_secs(30), NOW).unwrap_err();
        (wrong.error, wrong.reason)
    }

    #[test]
    fn whatever_is_wrong_has_its_error_and_its_reason() {
        let revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
        let two = format!(r#"{{"{revoked}":{{}},"x":{{}}}}"#);
        let no_object = format!(r#"{{"{revoked}":true}}"#);
        let no_time = format!(r#"{{"{revoked}":{{"event_timestamp":"now"}}}}"#);
        let paused = r#"{"https://schemas.openid.net/secevent/ssf/event-type/stream-updated":{"status":"asleep"}}"#;
        for (name, value, reason) in [
            ("exp", Some("1767229200"), reason::SET_EXP),
            ("exp", Some("null"), reason::SET_EXP),
            ("sub", Some(r#""alice""#), reason::SET_SUB),
            ("jti", None, reason::SET_CLAIMS),
            ("jti", Some(r#""""#), reason::SET_CLAIMS),
            ("iat", None, reason::SET_CLAIMS),
            ("iat", Some(r#""now""#), reason::SET_CLAIMS),
            ("iat", Some("1767225631"), reason::SET_TIME),
            ("toe", Some(r#""now""#), reason::SET_CLAIMS),
            ("sub_id", None, reason::SET_SUBJECT),
            ("events", None, reason::SET_EVENTS),
            ("events", Some("{}"), reason::SET_EVENTS),
            ("events", Some("[]"), reason::SET_EVENTS),
            ("events", Some(&two), reason::SET_EVENTS),
            ("events", Some(&no_object), reason::SET_EVENTS),
            ("events", Some(&no_time), reason::SET_EVENTS),
            ("events", Some(paused), reason::SET_EVENTS),
        ] {
            assert_eq!(
                wrong(&[(name, value)]),
                ("invalid_request", reason),
                "{name} {value:?}"
            );
        }
        for aud in [None, Some(r#""them""#), Some("7")] {
            assert_eq!(
                wrong(&[("aud", aud)]),
                ("invalid_audience", reason::SET_AUDIENCE)
            );
        }
    }

    #[test]
    fn what_happened_did_so_before_it_was_told() {
        for (event_timestamp, toe, expected) in [
            ("", None, 1_767_225_600),
            (r#""event_timestamp":1767225000"#, None, 1_767_225_000),
            ("", Some("1767224000"), 1_767_224_000),
            (
                r#""event_timestamp":1767225000"#,
                Some("1767224000"),
                1_767_225_000,
            ),
            // Milliseconds, as drafts had it.
            (r#""event_timestamp":1767225000000"#, None, 1_767_225_600),
            (r#""event_timestamp":1767229200"#, None, 1_767_225_600),
        ] {
            let events = format!(
                r#"{{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{{{event_timestamp}}}}}"#
            );
            let payload = payload(&[("events", Some(&events)), ("toe", toe)]);
            let read = read(&payload, &["us".into()], Duration::ZERO, NOW).unwrap();
            let Meaning::Event { at, event, .. } = read.meaning else {
                panic!("{:?}", read.meaning);
            };
            assert_eq!(at, Timestamp::from_unix_seconds(expected));
            assert_eq!(event, SecurityEvent::SessionRevoked);
        }
    }
}
