//! Sessions as bytes, for stores that keep bytes.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use super::{
    BindingReference, EndReason, FamilyKey, Revision, SessionData, SessionId, SessionKey,
    SessionRecord, SessionState, Sessions, StoreError, StoredData,
};
use crate::{
    EvidenceKind, Timestamp,
    layout::{
        Problem, Rest, makes_no_sense, whole, whole_of, write_counted, write_time, write_time_if,
    },
};

/// The version that is written where nothing is sealed. Another layout of the bytes is another
/// version; what was written as an earlier one stays readable.
const VERSION: u8 = 1;
/// The version that is written where something is sealed. A program that does not know it refuses
/// the whole, and does not take it for a session in which nothing is kept.
const SEALED: u8 = 2;

impl SessionRecord {
    /// The record as bytes, from which [`from_bytes`](Self::from_bytes) makes it again.
    ///
    /// The first byte is the version of the layout: 2 where something in it is
    /// [sealed](StoredData::Sealed), otherwise 1. Nothing is encrypted by this.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use portcullis_core::{
    /// #     EvidenceKind, FamilyKey, SessionId, SessionKey, SessionRecord, Timestamp,
    /// # };
    /// # let at = Timestamp::UNIX_EPOCH;
    /// # let record = SessionRecord::new(
    /// #     SessionKey::from_u128(1), FamilyKey::from_u128(2), SessionId::from_u128(3),
    /// #     EvidenceKind::User, at, Duration::from_secs(60), at,
    /// # );
    /// let bytes = record.to_bytes();
    /// assert_eq!(SessionRecord::from_bytes(&bytes)?, record);
    /// # Ok::<(), portcullis_core::InvalidSessionBytes>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![version_of(is_sealed(self))];
        write_record(&mut bytes, self);
        bytes
    }

    /// The record that [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// The bytes are of another version, or are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSessionBytes> {
        let read = |rest: &mut Rest<'_>, version| {
            let record = read_record(rest, version)?;
            is_of(version, is_sealed(&record))?;
            Ok(record)
        };
        whole_of(bytes, VERSION..=SEALED, read).map_err(InvalidSessionBytes)
    }
}

impl Sessions {
    /// All sessions of an owner, and their revision, as bytes, from which
    /// [`from_bytes`](Self::from_bytes) makes them again: what a store of keys and values keeps
    /// under an owner's key.
    ///
    /// The first byte is the version of the layout: 2 where something in it is
    /// [sealed](StoredData::Sealed), otherwise 1. Nothing is encrypted by this.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![version_of(self.records.iter().any(is_sealed))];
        bytes.extend(self.revision.as_u64().to_be_bytes());
        bytes.extend((self.records.len() as u64).to_be_bytes());
        for record in &self.records {
            write_record(&mut bytes, record);
        }
        bytes
    }

    /// The sessions that [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// The bytes are of another version, or are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSessionBytes> {
        let read = |rest: &mut Rest<'_>, version| {
            let revision = Revision::from_u64(rest.u64()?);
            let count = rest.u64()?;
            // Not collected into a vector of that length: the number may be anything.
            let records = (0..count)
                .map(|_| read_record(rest, version))
                .collect::<Result<Vec<_>, _>>()?;
            is_of(version, records.iter().any(is_sealed))?;
            Ok(Self { revision, records })
        };
        whole_of(bytes, VERSION..=SEALED, read).map_err(InvalidSessionBytes)
    }
}

/// Bytes that are no session: of another version, damaged, or something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidSessionBytes(Problem);

impl fmt::Display for InvalidSessionBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("session", SEALED, f)
    }
}

impl std::error::Error for InvalidSessionBytes {}

impl From<InvalidSessionBytes> for StoreError {
    fn from(problem: InvalidSessionBytes) -> Self {
        Self::new(problem.to_string())
    }
}

impl SessionData {
    /// What is kept, as bytes, from which [`from_bytes`](Self::from_bytes) makes it again.
    ///
    /// The first byte is the version of the layout. Nothing in them is encrypted.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        write_data(&mut bytes, self);
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// The bytes are of another version, or are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSessionBytes> {
        whole(bytes, VERSION, read_data).map_err(InvalidSessionBytes)
    }
}

fn is_sealed(record: &SessionRecord) -> bool {
    matches!(record.data.as_deref(), Some(StoredData::Sealed(_)))
}

const fn version_of(is_sealed: bool) -> u8 {
    if is_sealed { SEALED } else { VERSION }
}

/// Whether it is written in this version, so that one session is written in one way only.
fn is_of(version: u8, is_sealed: bool) -> Result<(), Problem> {
    if version == version_of(is_sealed) {
        Ok(())
    } else {
        Err(makes_no_sense("version"))
    }
}

fn write_record(bytes: &mut Vec<u8>, record: &SessionRecord) {
    bytes.extend(record.key.as_u128().to_be_bytes());
    bytes.extend(record.family.as_u128().to_be_bytes());
    bytes.extend(record.id.as_u128().to_be_bytes());
    bytes.push(match record.kind {
        EvidenceKind::Client => 1,
        EvidenceKind::Standing => 2,
        EvidenceKind::User => 3,
    });
    let (state, state_at) = match record.state {
        SessionState::Live => (0, Timestamp::UNIX_EPOCH),
        SessionState::Provisional(until) => (1, until),
        SessionState::Ended(at, reason) => {
            let reason = match reason {
                EndReason::Abandoned => 2,
                EndReason::Absolute => 3,
                EndReason::CredentialExpired => 4,
                EndReason::Ended => 5,
                EndReason::Idle => 6,
                // No session is over by these others. One that is said to be must not be open.
                EndReason::Reauthentication
                | EndReason::Revoked
                | EndReason::Shutdown
                | EndReason::Unconfirmed => 7,
            };
            (reason, at)
        }
    };
    bytes.push(state);
    write_time(bytes, state_at);
    write_time(bytes, record.opened_at);
    write_time(bytes, record.active_at);
    write_time(bytes, record.ends_at);
    bytes.extend(record.idle().as_secs().to_be_bytes());
    for time in [record.authenticated_at, record.barred_until] {
        write_time_if(bytes, time);
    }
    let binding = &record.binding;
    // None of them can be zero, so zero says that there is none.
    for part in [binding.ipv4, binding.ipv6] {
        bytes.extend(part.map_or(0, |part| u64::from(part.get())).to_be_bytes());
    }
    for part in [binding.user_agent, binding.device] {
        bytes.extend(part.map_or(0, NonZeroU64::get).to_be_bytes());
    }
    write_time(bytes, binding.authenticated_at);
    match record.data.as_deref() {
        None => bytes.push(0),
        Some(StoredData::Plain(data)) => {
            bytes.push(1);
            write_data(bytes, data);
        }
        Some(StoredData::Sealed(sealed)) => {
            bytes.push(2);
            write_counted(bytes, sealed);
        }
    }
}

fn write_data(bytes: &mut Vec<u8>, data: &SessionData) {
    bytes.extend((data.iter().count() as u64).to_be_bytes());
    for (name, value) in data.iter() {
        for part in [name.as_bytes(), value] {
            write_counted(bytes, part);
        }
    }
}

fn read_record(rest: &mut Rest<'_>, version: u8) -> Result<SessionRecord, Problem> {
    let key = SessionKey::from_u128(rest.u128()?);
    let family = FamilyKey::from_u128(rest.u128()?);
    let id = SessionId::from_u128(rest.u128()?);
    let kind = match rest.u8()? {
        1 => EvidenceKind::Client,
        2 => EvidenceKind::Standing,
        3 => EvidenceKind::User,
        _ => return Err(makes_no_sense("kind")),
    };
    let (state, state_at) = (rest.u8()?, rest.time()?);
    let ended = |reason| SessionState::Ended(state_at, reason);
    let state = match state {
        0 if state_at == Timestamp::UNIX_EPOCH => SessionState::Live,
        1 => SessionState::Provisional(state_at),
        2 => ended(EndReason::Abandoned),
        3 => ended(EndReason::Absolute),
        4 => ended(EndReason::CredentialExpired),
        5 => ended(EndReason::Ended),
        6 => ended(EndReason::Idle),
        7 => ended(EndReason::Revoked),
        _ => return Err(makes_no_sense("state")),
    };
    let opened_at = rest.time()?;
    let active_at = rest.time()?;
    let ends_at = rest.time()?;
    let idle = Duration::from_secs(rest.u64()?);
    let mut record = SessionRecord::new(key, family, id, kind, opened_at, idle, ends_at);
    if record.idle() != idle {
        return Err(makes_no_sense("idle time"));
    }
    record.state = state;
    record.active_at = active_at;
    record.authenticated_at = rest.time_if("time of authentication")?;
    record.barred_until = rest.time_if("bar")?;
    record.binding = read_binding(rest)?;
    record.data = match rest.u8()? {
        0 => None,
        1 => Some(Arc::new(StoredData::Plain(read_data(rest)?))),
        2 if version == SEALED => Some(Arc::new(StoredData::Sealed(rest.counted()?.into()))),
        _ => return Err(makes_no_sense("data")),
    };
    Ok(record)
}

fn read_binding(rest: &mut Rest<'_>) -> Result<BindingReference, Problem> {
    let mut half = || {
        let part = u32::try_from(rest.u64()?).map_err(|_| makes_no_sense("network"))?;
        Ok(std::num::NonZeroU32::new(part))
    };
    let (ipv4, ipv6) = (half()?, half()?);
    Ok(BindingReference {
        ipv4,
        ipv6,
        user_agent: NonZeroU64::new(rest.u64()?),
        device: NonZeroU64::new(rest.u64()?),
        authenticated_at: rest.time()?,
    })
}

fn read_data(rest: &mut Rest<'_>) -> Result<SessionData, Problem> {
    let count = rest.u64()?;
    let mut data = SessionData::new();
    let mut last: Option<&str> = None;
    for _ in 0..count {
        let name = rest.text("data")?;
        // As they were written, so that one session is written in one way only.
        if last.is_some_and(|last| last >= name) {
            return Err(makes_no_sense("data"));
        }
        last = Some(name);
        data.insert(name, rest.counted()?);
    }
    Ok(data)
}

#[cfg(test)]
mod tests;
