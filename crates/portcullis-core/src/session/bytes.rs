//! Sessions as bytes, for stores that keep bytes.

use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use super::{
    BindingReference, EndReason, FamilyKey, Revision, SessionData, SessionId, SessionKey,
    SessionRecord, SessionState, Sessions, StoreError,
};
use crate::{EvidenceKind, Timestamp};

/// The version that is written. Another layout of the bytes is another version; what was
/// written as an earlier one stays readable.
const VERSION: u8 = 1;

impl SessionRecord {
    /// The record as bytes, from which [`from_bytes`](Self::from_bytes) makes it again.
    ///
    /// The first byte is the version of the layout. Nothing in them is encrypted: what a handler
    /// keeps in the session stands there as it is.
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
        let mut bytes = vec![VERSION];
        write_record(&mut bytes, self);
        bytes
    }

    /// The record that [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// The bytes are of another version, or are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSessionBytes> {
        whole(bytes, read_record)
    }
}

impl Sessions {
    /// All sessions of an owner, and their revision, as bytes, from which
    /// [`from_bytes`](Self::from_bytes) makes them again: what a store of keys and values keeps
    /// under an owner's key.
    ///
    /// The first byte is the version of the layout. Nothing in them is encrypted.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
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
        whole(bytes, |rest| {
            let revision = Revision::from_u64(rest.u64()?);
            let count = rest.u64()?;
            // Not collected into a vector of that length: the number may be anything.
            let records = (0..count)
                .map(|_| read_record(rest))
                .collect::<Result<_, _>>()?;
            Ok(Self { revision, records })
        })
    }
}

/// Bytes that are no session: of another version, damaged, or something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidSessionBytes(Problem);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Problem {
    Field(&'static str),
    TooLong,
    TooShort,
    Version(u8),
}

impl fmt::Display for InvalidSessionBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::Field(name) => write!(f, "the {name} of a stored session makes no sense"),
            Problem::TooLong => f.write_str("a stored session is longer than it says"),
            Problem::TooShort => f.write_str("a stored session is cut short"),
            Problem::Version(found) => write!(
                f,
                "a stored session has version {found}, and this program reads version {VERSION}"
            ),
        }
    }
}

impl std::error::Error for InvalidSessionBytes {}

impl From<InvalidSessionBytes> for StoreError {
    fn from(problem: InvalidSessionBytes) -> Self {
        Self::new(problem.to_string())
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
                // No session is over by a shutdown. One that is said to be must not be open.
                EndReason::Revoked | EndReason::Shutdown => 7,
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
        bytes.push(u8::from(time.is_some()));
        write_time(bytes, time.unwrap_or(Timestamp::UNIX_EPOCH));
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
    bytes.push(u8::from(record.data.is_some()));
    if let Some(data) = &record.data {
        bytes.extend((data.iter().count() as u64).to_be_bytes());
        for (name, value) in data.iter() {
            for part in [name.as_bytes(), value] {
                bytes.extend((part.len() as u64).to_be_bytes());
                bytes.extend(part);
            }
        }
    }
}

fn read_record(rest: &mut Rest<'_>) -> Result<SessionRecord, InvalidSessionBytes> {
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
    record.data = rest.flag("data")?.then(|| read_data(rest)).transpose()?;
    Ok(record)
}

fn read_binding(rest: &mut Rest<'_>) -> Result<BindingReference, InvalidSessionBytes> {
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

fn read_data(rest: &mut Rest<'_>) -> Result<Arc<SessionData>, InvalidSessionBytes> {
    let count = rest.u64()?;
    let mut data = SessionData::new();
    let mut last: Option<&str> = None;
    for _ in 0..count {
        let name = std::str::from_utf8(rest.counted()?).map_err(|_| makes_no_sense("data"))?;
        // As they were written, so that one session is written in one way only.
        if last.is_some_and(|last| last >= name) {
            return Err(makes_no_sense("data"));
        }
        last = Some(name);
        data.insert(name, rest.counted()?);
    }
    Ok(Arc::new(data))
}

fn write_time(bytes: &mut Vec<u8>, time: Timestamp) {
    bytes.extend(time.unix_millis().to_be_bytes());
}

/// Reads all there is, after the version.
fn whole<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Rest<'_>) -> Result<T, InvalidSessionBytes>,
) -> Result<T, InvalidSessionBytes> {
    let mut rest = Rest(bytes);
    match rest.u8()? {
        VERSION => {}
        found => return Err(InvalidSessionBytes(Problem::Version(found))),
    }
    let value = read(&mut rest)?;
    if rest.0.is_empty() {
        Ok(value)
    } else {
        Err(InvalidSessionBytes(Problem::TooLong))
    }
}

const fn makes_no_sense(field: &'static str) -> InvalidSessionBytes {
    InvalidSessionBytes(Problem::Field(field))
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidSessionBytes> {
        let (head, rest) = self
            .0
            .split_first_chunk()
            .ok_or(InvalidSessionBytes(Problem::TooShort))?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, InvalidSessionBytes> {
        self.array().map(u8::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, InvalidSessionBytes> {
        self.array().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Result<u128, InvalidSessionBytes> {
        self.array().map(u128::from_be_bytes)
    }

    fn time(&mut self) -> Result<Timestamp, InvalidSessionBytes> {
        let millis = self.array().map(i64::from_be_bytes)?;
        Ok(Timestamp::from_unix_millis(millis))
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, InvalidSessionBytes> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(makes_no_sense(field)),
        }
    }

    fn time_if(&mut self, field: &'static str) -> Result<Option<Timestamp>, InvalidSessionBytes> {
        match (self.flag(field)?, self.time()?) {
            (true, time) => Ok(Some(time)),
            (false, Timestamp::UNIX_EPOCH) => Ok(None),
            (false, _) => Err(makes_no_sense(field)),
        }
    }

    /// Bytes behind their number.
    fn counted(&mut self) -> Result<&'a [u8], InvalidSessionBytes> {
        let len = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
        let (head, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(InvalidSessionBytes(Problem::TooShort))?;
        self.0 = rest;
        Ok(head)
    }
}

#[cfg(test)]
mod tests;
