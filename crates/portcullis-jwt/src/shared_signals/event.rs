//! What an event means (CAEP 1.0, RISC 1.0, Shared Signals Framework 1.0 §8).

use std::borrow::Cow;

use portcullis_core::Timestamp;

use super::claims::Wrong;
use crate::{
    json::{Raw, for_each_member},
    reason,
};

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// What an event says has happened to its subject.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SecurityEvent {
    /// The account was disabled or purged (RISC 1.0).
    AccountDisabled,
    /// The assurance is lower than before, or it is not said that it is not.
    AssuranceDecreased,
    /// A credential of the user was created or updated.
    CredentialChanged,
    /// A credential of the user was revoked or deleted, or is known to others (RISC 1.0).
    CredentialRevoked,
    /// The device is no longer compliant.
    DeviceNotCompliant,
    /// The risk is high.
    RiskHigh,
    /// The risk is medium.
    RiskMedium,
    /// A session was revoked, or all of them.
    SessionRevoked,
    /// What a token says of its subject is no longer true.
    TokenClaimsChanged,
}

/// Whether a stream of events flows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StreamStatus {
    Disabled,
    Enabled,
    Paused,
}

/// What an event does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reaction {
    /// It is recorded and counted.
    Note,
    /// What was issued to its subject before is over: whoever is meant authenticates anew.
    Revoke,
}

/// The members of an event that are read.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) event_timestamp: Option<Timestamp>,
    change_type: Option<Cow<'a, str>>,
    change_direction: Option<Cow<'a, str>>,
    current_status: Option<Cow<'a, str>>,
    current_level: Option<Cow<'a, str>>,
    pub(super) principal: Option<Cow<'a, str>>,
    pub(super) state: Option<Cow<'a, str>>,
    status: Option<Cow<'a, str>>,
    /// Whether one of these is of another type than events that are known here have it.
    is_malformed: bool,
}

impl<'a> Members<'a> {
    pub(super) fn read(event: Raw<'a>) -> Result<Self, Wrong> {
        let mut members = Self::default();
        let mut is_sound = true;
        let read = for_each_member(event.as_str(), |name, raw| {
            let member = match name {
                "event_timestamp" => {
                    members.event_timestamp = raw.time();
                    is_sound &= members.event_timestamp.is_some();
                    return;
                }
                "change_type" => &mut members.change_type,
                "change_direction" => &mut members.change_direction,
                "current_status" => &mut members.current_status,
                "current_level" => &mut members.current_level,
                "principal" => &mut members.principal,
                "state" => &mut members.state,
                "status" => &mut members.status,
                _ => return,
            };
            *member = raw.text();
            is_sound &= member.is_some();
        });
        members.is_malformed = !is_sound;
        match read {
            Ok(()) => Ok(members),
            Err(_) => Err(Wrong::request(reason::SET_EVENTS)),
        }
    }
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Classified {
    Event(SecurityEvent),
    Malformed,
    Nothing,
    Stream(StreamStatus),
    Unknown,
    Verification,
}

/// What an event is. Whatever it does not say counts as the worse.
pub(super) fn classify(name: &str, members: &Members<'_>) -> Classified {
    match kind_of(name, members) {
        Classified::Unknown => Classified::Unknown,
        _ if members.is_malformed => Classified::Malformed,
        known => known,
    }
}

fn kind_of(name: &str, members: &Members<'_>) -> Classified {
    use Classified::{Event, Malformed, Nothing, Stream, Unknown, Verification};
    let is = |member: &Option<Cow<'_, str>>, value: &str| {
        member
            .as_deref()
            .is_some_and(|text| text.eq_ignore_ascii_case(value))
    };
    if let Some(name) = name.strip_prefix(SSF) {
        return match (name, members.status.as_deref()) {
            ("verification", _) => Verification,
            ("stream-updated", Some("enabled")) => Stream(StreamStatus::Enabled),
            ("stream-updated", Some("paused")) => Stream(StreamStatus::Paused),
            ("stream-updated", Some("disabled")) => Stream(StreamStatus::Disabled),
            ("stream-updated", _) => Malformed,
            _ => Unknown,
        };
    }
    if let Some(name) = name.strip_prefix(RISC) {
        return match name {
            "account-disabled" | "account-purged" => Event(SecurityEvent::AccountDisabled),
            "credential-compromise" => Event(SecurityEvent::CredentialRevoked),
            "sessions-revoked" => Event(SecurityEvent::SessionRevoked),
            _ => Unknown,
        };
    }
    let Some(name) = name.strip_prefix(CAEP) else {
        return Unknown;
    };
    match name {
        "session-revoked" => Event(SecurityEvent::SessionRevoked),
        "token-claims-change" => Event(SecurityEvent::TokenClaimsChanged),
        "credential-change" => match members.change_type.as_deref() {
            Some("create" | "update") => Event(SecurityEvent::CredentialChanged),
            _ => Event(SecurityEvent::CredentialRevoked),
        },
        "assurance-level-change" => match is(&members.change_direction, "increase") {
            true => Nothing,
            false => Event(SecurityEvent::AssuranceDecreased),
        },
        "device-compliance-change" => match is(&members.current_status, "compliant") {
            true => Nothing,
            false => Event(SecurityEvent::DeviceNotCompliant),
        },
        "risk-level-change" => match &members.current_level {
            level if is(level, "low") => Nothing,
            level if is(level, "medium") => Event(SecurityEvent::RiskMedium),
            _ => Event(SecurityEvent::RiskHigh),
        },
        "session-established" | "session-presented" => Nothing,
        _ => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_what_it_says_and_otherwise_the_worse() {
        use Classified::{Event, Malformed, Nothing, Unknown};
        use SecurityEvent::{
            AccountDisabled, AssuranceDecreased, CredentialChanged, CredentialRevoked,
            DeviceNotCompliant, RiskHigh, RiskMedium, SessionRevoked, TokenClaimsChanged,
        };
        let caep = |name: &str| format!("{CAEP}{name}");
        for (name, members, expected) in [
            (caep("session-revoked"), "{}", Event(SessionRevoked)),
            (
                caep("token-claims-change"),
                r#"{"claims":{"role":"x"}}"#,
                Event(TokenClaimsChanged),
            ),
            (
                caep("credential-change"),
                r#"{"change_type":"revoke"}"#,
                Event(CredentialRevoked),
            ),
            (
                caep("credential-change"),
                r#"{"change_type":"delete"}"#,
                Event(CredentialRevoked),
            ),
            (
                caep("credential-change"),
                r#"{"change_type":"create"}"#,
                Event(CredentialChanged),
            ),
            (
                caep("credential-change"),
                r#"{"change_type":"update"}"#,
                Event(CredentialChanged),
            ),
            (caep("credential-change"), "{}", Event(CredentialRevoked)),
            (
                caep("assurance-level-change"),
                r#"{"change_direction":"increase"}"#,
                Nothing,
            ),
            (
                caep("assurance-level-change"),
                r#"{"change_direction":"decrease"}"#,
                Event(AssuranceDecreased),
            ),
            (
                caep("assurance-level-change"),
                "{}",
                Event(AssuranceDecreased),
            ),
            (
                caep("device-compliance-change"),
                r#"{"current_status":"compliant"}"#,
                Nothing,
            ),
            (
                caep("device-compliance-change"),
                r#"{"current_status":"not-compliant"}"#,
                Event(DeviceNotCompliant),
            ),
            (
                caep("device-compliance-change"),
                "{}",
                Event(DeviceNotCompliant),
            ),
            (
                caep("risk-level-change"),
                r#"{"current_level":"LOW"}"#,
                Nothing,
            ),
            (
                caep("risk-level-change"),
                r#"{"current_level":"MEDIUM"}"#,
                Event(RiskMedium),
            ),
            (
                caep("risk-level-change"),
                r#"{"current_level":"HIGH"}"#,
                Event(RiskHigh),
            ),
            (
                caep("risk-level-change"),
                r#"{"current_level":"EXTREME"}"#,
                Event(RiskHigh),
            ),
            (caep("session-established"), "{}", Nothing),
            (
                caep("session-revoked"),
                r#"{"event_timestamp":"now"}"#,
                Malformed,
            ),
            (
                caep("risk-level-change"),
                r#"{"current_level":7}"#,
                Malformed,
            ),
            (caep("something-new"), "{}", Unknown),
            // What its members are is not ours to say.
            (caep("something-new"), r#"{"status":{"code":7}}"#, Unknown),
            (
                format!("{RISC}account-disabled"),
                r#"{"reason":"hijacking"}"#,
                Event(AccountDisabled),
            ),
            (
                format!("{RISC}account-purged"),
                "{}",
                Event(AccountDisabled),
            ),
            (
                format!("{RISC}sessions-revoked"),
                "{}",
                Event(SessionRevoked),
            ),
            (
                format!("{RISC}credential-compromise"),
                r#"{"credential_type":"password"}"#,
                Event(CredentialRevoked),
            ),
            (format!("{RISC}account-enabled"), "{}", Unknown),
            (
                "https://evil.example/session-revoked".to_owned(),
                "{}",
                Unknown,
            ),
        ] {
            let members = Members::read(Raw::parse(members).unwrap()).unwrap();
            assert_eq!(classify(&name, &members), expected, "{name}");
        }
    }
}
