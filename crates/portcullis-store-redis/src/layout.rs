//! How times and the like are written down.

use portcullis_core::{StoreError, Timestamp};

/// Of the sign: with it turned over, times sort as their bytes do.
const SIGN: u64 = 1 << 63;

/// A time as eight bytes that sort as times follow each other.
pub(crate) fn write_time(time: Timestamp) -> [u8; 8] {
    (time.unix_millis().cast_unsigned() ^ SIGN).to_be_bytes()
}

pub(crate) fn read_time(bytes: &[u8]) -> Result<Timestamp, StoreError> {
    let bytes = bytes.try_into().map_err(|_| damaged("a time"))?;
    let millis = (u64::from_be_bytes(bytes) ^ SIGN).cast_signed();
    Ok(Timestamp::from_unix_millis(millis))
}

/// A number as scripts read it.
pub(crate) fn text(number: &impl ToString) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// A time as scripts read it.
pub(crate) fn millis(time: Timestamp) -> Vec<u8> {
    text(&time.unix_millis())
}

pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::new(format!("{what} in redis is damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_their_bytes_do() {
        let times = [i64::MIN, -1, 0, 1, 1_767_225_600_000, i64::MAX];
        let times = times.map(Timestamp::from_unix_millis);
        for pair in times.windows(2) {
            assert!(write_time(pair[0]) < write_time(pair[1]), "{pair:?}");
        }
        for time in times {
            assert_eq!(read_time(&write_time(time)).unwrap(), time);
        }
        assert!(read_time(b"seven b").is_err());
    }
}
