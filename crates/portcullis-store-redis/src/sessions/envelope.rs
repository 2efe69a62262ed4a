//! A session as a field of its owner's hash: what touches change, and behind it the record.
//!
//! Scripts read the first 45 bytes and know nothing of the record, whose layout has versions of
//! its own.

use portcullis_core::{EndReason, SessionRecord, SessionState, StoreError, Timestamp};

use crate::layout::{damaged, read_time, write_time};

const LIVE: u8 = 0;
const PROVISIONAL: u8 = 1;

pub(super) fn write(record: &SessionRecord) -> Result<Vec<u8>, StoreError> {
    let (state, at) = match record.state {
        SessionState::Live => (LIVE, Timestamp::UNIX_EPOCH),
        SessionState::Provisional(until) => (PROVISIONAL, until),
        SessionState::Ended(at, reason) => (code(reason), at),
        _ => return Err(StoreError::new("does not know this state of a session")),
    };
    let idle = u32::try_from(record.idle().as_secs()).unwrap_or(u32::MAX);
    let mut bytes = record.id.as_u128().to_be_bytes().to_vec();
    bytes.push(state);
    bytes.extend(write_time(at));
    bytes.extend(write_time(record.active_at));
    bytes.extend(write_time(record.ends_at));
    bytes.extend(idle.to_be_bytes());
    bytes.extend(record.to_bytes());
    Ok(bytes)
}

pub(super) fn read(key: &[u8], bytes: &[u8]) -> Result<SessionRecord, StoreError> {
    let (Some((head, record)), Ok(key)) = (bytes.split_at_checked(45), key.try_into()) else {
        return Err(damaged("a session"));
    };
    let mut record = SessionRecord::from_bytes(record)?;
    let (Some(id), Some(&state), Some(at), Some(active_at)) = (
        head.get(..16),
        head.get(16),
        head.get(17..25),
        head.get(25..33),
    ) else {
        return Err(damaged("a session"));
    };
    if record.key.as_u128() != u128::from_be_bytes(key) || record.id.as_u128().to_be_bytes() != id {
        return Err(damaged("a session"));
    }
    let at = read_time(at)?;
    record.state = match state {
        LIVE => SessionState::Live,
        PROVISIONAL => SessionState::Provisional(at),
        code => SessionState::Ended(at, reason(code)?),
    };
    record.active_at = read_time(active_at)?;
    Ok(record)
}

fn code(reason: EndReason) -> u8 {
    match reason {
        EndReason::Abandoned => 2,
        EndReason::Absolute => 3,
        EndReason::CredentialExpired => 4,
        EndReason::Ended => 5,
        EndReason::Idle => 6,
        // Whatever else ends a session, it must not be open.
        _ => 7,
    }
}

fn reason(code: u8) -> Result<EndReason, StoreError> {
    Ok(match code {
        2 => EndReason::Abandoned,
        3 => EndReason::Absolute,
        4 => EndReason::CredentialExpired,
        5 => EndReason::Ended,
        6 => EndReason::Idle,
        7 => EndReason::Revoked,
        _ => return Err(damaged("the state of a session")),
    })
}
