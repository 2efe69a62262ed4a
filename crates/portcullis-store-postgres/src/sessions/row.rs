//! A session as a row: what touches change, and the record.
//!
//! The server reads the columns and knows nothing of the record, whose layout has versions of its
//! own.

use portcullis_core::{Change, EndReason, SessionRecord, SessionState, StoreError, Timestamp};
use tokio_postgres::Row;

use crate::{
    problem::damaged,
    stores::{column, time_of},
};

const LIVE: i16 = 0;
const PROVISIONAL: i16 = 1;

/// Changes by column, as the server takes them. What is removed has a key alone.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) ids: Vec<Option<Vec<u8>>>,
    pub(super) states: Vec<Option<i16>>,
    pub(super) state_ats: Vec<Option<i64>>,
    pub(super) active_ats: Vec<Option<i64>>,
    pub(super) ends_ats: Vec<Option<i64>>,
    pub(super) idles: Vec<Option<i64>>,
    pub(super) records: Vec<Option<Vec<u8>>>,
}

impl Rows {
    pub(super) fn new(changes: &[Change]) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for change in changes {
            let (key, record) = match change {
                Change::Put(record) => (record.key, Some(record)),
                Change::Remove(key) => (*key, None),
                _ => return Err(StoreError::new("does not know this change of sessions")),
            };
            let state = record.map(|record| write(record.state)).transpose()?;
            let millis = |time: Timestamp| time.unix_millis();
            rows.keys.push(key.as_u128().to_be_bytes().to_vec());
            rows.ids
                .push(record.map(|record| record.id.as_u128().to_be_bytes().to_vec()));
            rows.states.push(state.map(|(state, _)| state));
            rows.state_ats.push(state.map(|(_, at)| millis(at)));
            rows.active_ats
                .push(record.map(|record| millis(record.active_at)));
            rows.ends_ats
                .push(record.map(|record| millis(record.ends_at)));
            rows.idles.push(record.map(|record| {
                let seconds = record.idle().as_secs();
                i64::from(u32::try_from(seconds).unwrap_or(u32::MAX))
            }));
            rows.records.push(record.map(SessionRecord::to_bytes));
        }
        Ok(rows)
    }
}

pub(super) fn read(row: &Row) -> Result<SessionRecord, StoreError> {
    let mut record = SessionRecord::from_bytes(column(row, "record")?)?;
    let (key, id): (&[u8], &[u8]) = (column(row, "key")?, column(row, "id")?);
    if record.key.as_u128().to_be_bytes() != key || record.id.as_u128().to_be_bytes() != id {
        return Err(damaged("a session"));
    }
    let at = time_of(column(row, "state_at")?);
    record.state = match column(row, "state")? {
        LIVE => SessionState::Live,
        PROVISIONAL => SessionState::Provisional(at),
        code => SessionState::Ended(at, reason(code)?),
    };
    record.active_at = time_of(column(row, "active_at")?);
    Ok(record)
}

fn write(state: SessionState) -> Result<(i16, Timestamp), StoreError> {
    Ok(match state {
        SessionState::Live => (LIVE, Timestamp::UNIX_EPOCH),
        SessionState::Provisional(until) => (PROVISIONAL, until),
        SessionState::Ended(at, reason) => (code(reason), at),
        _ => return Err(StoreError::new("does not know this state of a session")),
    })
}

fn code(reason: EndReason) -> i16 {
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

fn reason(code: i16) -> Result<EndReason, StoreError> {
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
