//! The tables of the file, and how what stands in them is written.

use portcullis_core::{StoreError, Timestamp};
use redb::{ReadableTable, ReadableTableMetadata as _, Table, TableDefinition, WriteTransaction};

use crate::problem::Failure;

/// The version of all that is written here. Another layout is another version.
pub(crate) const SCHEMA: u64 = 1;

/// All tables are of bytes, so that their order is what is written below and nothing else.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(crate) type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// Numbers, by their names below.
pub(crate) const META: Definition = TableDefinition::new("meta");
/// `owner` to `time, sessions`: the time is when the last of them is over.
pub(crate) const SESSIONS: Definition = TableDefinition::new("sessions");
/// `key` to `time, cut-off`: the time is until when it is kept.
pub(crate) const REVOCATIONS: Definition = TableDefinition::new("revocations");
/// `owner, key` to `time`: until when it is remembered.
pub(crate) const REPLAYS: Definition = TableDefinition::new("replays");
/// `id` to `key`.
pub(crate) const API_KEYS: Definition = TableDefinition::new("api_keys");
/// `time, key` of each row of the table of that name, in the order in which they need not be kept
/// any longer. What is kept for ever does not stand here.
pub(crate) const SESSIONS_BY_TIME: Definition = TableDefinition::new("sessions_by_time");
pub(crate) const REVOCATIONS_BY_TIME: Definition = TableDefinition::new("revocations_by_time");
pub(crate) const REPLAYS_BY_TIME: Definition = TableDefinition::new("replays_by_time");

pub(crate) const ALL: [Definition; 8] = [
    API_KEYS,
    META,
    REPLAYS,
    REPLAYS_BY_TIME,
    REVOCATIONS,
    REVOCATIONS_BY_TIME,
    SESSIONS,
    SESSIONS_BY_TIME,
];

/// The version of the layout.
pub(crate) const VERSION: &[u8] = b"schema";
/// The revision of owners who are not known.
pub(crate) const NOBODY: &[u8] = b"nobody";
/// The latest time of a session that was forgotten, as [`write_time`] has it.
pub(crate) const FORGOTTEN: &[u8] = b"forgotten";
/// How many sessions there are, those that are over included.
pub(crate) const COUNT: &[u8] = b"sessions";

/// Stands for a row that is kept for ever.
pub(crate) const EVER: Timestamp = Timestamp::MAX;

const SIGN: u64 = 1 << 63;

/// Eight bytes that sort as times follow each other.
pub(crate) fn write_time(time: Timestamp) -> [u8; 8] {
    (time.unix_millis().cast_unsigned() ^ SIGN).to_be_bytes()
}

pub(crate) fn read_time(bytes: [u8; 8]) -> Timestamp {
    Timestamp::from_unix_millis((u64::from_be_bytes(bytes) ^ SIGN).cast_signed())
}

/// What a row begins with, and the rest of it.
pub(crate) fn split_time(row: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (time, rest) = row.split_first_chunk()?;
    Some((read_time(*time), rest))
}

pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::new(format!("in the file, {what} is damaged"))
}

/// A number of the table [`META`]; one that was never written is 0.
pub(crate) fn number(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &[u8],
) -> Result<u64, Failure> {
    let Some(found) = meta.get(name)? else {
        return Ok(0);
    };
    let bytes = <[u8; 8]>::try_from(found.value());
    Ok(u64::from_be_bytes(bytes.map_err(|_| damaged("a number"))?))
}

/// Rows that begin with a time, and their keys in the order of these times.
pub(crate) struct Dated<'t> {
    rows: Rows<'t>,
    times: Rows<'t>,
    what: &'static str,
}

impl<'t> Dated<'t> {
    pub(crate) fn open(
        transaction: &'t WriteTransaction,
        rows: Definition,
        times: Definition,
        what: &'static str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            rows: transaction.open_table(rows)?,
            times: transaction.open_table(times)?,
            what,
        })
    }

    /// The time of a row, and the rest of it.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<(Timestamp, Vec<u8>)>, Failure> {
        let Some(row) = self.rows.get(key)? else {
            return Ok(None);
        };
        let (time, rest) = split_time(row.value()).ok_or_else(|| damaged(self.what))?;
        Ok(Some((time, rest.to_vec())))
    }

    /// Puts a row in place of the one that is there.
    pub(crate) fn put(&mut self, key: &[u8], time: Timestamp, rest: &[u8]) -> Result<(), Failure> {
        let before = self.find(key)?.map(|(time, _)| time);
        if before != Some(time) {
            if let Some(before) = before {
                self.times.remove(&*by_time(before, key))?;
            }
            if time != EVER {
                self.times.insert(&*by_time(time, key), &[][..])?;
            }
        }
        self.rows
            .insert(key, &*[&write_time(time)[..], rest].concat())?;
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<(), Failure> {
        if let Some((time, _)) = self.find(key)? {
            self.times.remove(&*by_time(time, key))?;
            self.rows.remove(key)?;
        }
        Ok(())
    }

    /// The first keys whose time is no later than that.
    pub(crate) fn until(&self, time: Timestamp, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let end = write_time(time + std::time::Duration::from_millis(1));
        let mut keys = Vec::new();
        for entry in self.times.range::<&[u8]>(..&end[..])?.take(limit) {
            let (entry, _) = entry?;
            let (_, key) = split_time(entry.value()).ok_or_else(|| damaged(self.what))?;
            keys.push(key.to_vec());
        }
        Ok(keys)
    }

    /// The rows whose keys begin so: their keys and times.
    pub(crate) fn of(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Timestamp)>, Failure> {
        let mut found = Vec::new();
        for row in self.rows.range::<&[u8]>(prefix..)? {
            let (key, row) = row?;
            if !key.value().starts_with(prefix) {
                break;
            }
            let (time, _) = split_time(row.value()).ok_or_else(|| damaged(self.what))?;
            found.push((key.value().to_vec(), time));
        }
        Ok(found)
    }

    pub(crate) fn len(&self) -> Result<u64, Failure> {
        Ok(self.rows.len()?)
    }
}

fn by_time(time: Timestamp, key: &[u8]) -> Vec<u8> {
    [&write_time(time)[..], key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_they_follow_each_other() {
        let millis = [i64::MIN, -1, 0, 1, 1_767_225_600_000, i64::MAX];
        let times = millis.map(Timestamp::from_unix_millis);
        let written = times.map(write_time);
        assert!(written.is_sorted());
        assert_eq!(written.map(read_time), times);
    }
}
