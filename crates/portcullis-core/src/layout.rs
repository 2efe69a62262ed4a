//! Bytes of a layout with a version, read back.

use std::{fmt, ops::RangeInclusive};

use crate::Timestamp;

/// Why bytes are not what was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Problem {
    Field(&'static str),
    TooLong,
    TooShort,
    Version(u8),
}

impl Problem {
    /// Says it of what is stored, of which this program reads versions up to this one.
    pub(crate) fn describe(
        self,
        stored: &str,
        reads: u8,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "the {name} of a stored {stored} makes no sense"),
            Self::TooLong => write!(f, "a stored {stored} is longer than it says"),
            Self::TooShort => write!(f, "a stored {stored} is cut short"),
            Self::Version(found) => write!(
                f,
                "a stored {stored} has version {found}, and this program reads none after {reads}"
            ),
        }
    }
}

pub(crate) const fn makes_no_sense(field: &'static str) -> Problem {
    Problem::Field(field)
}

pub(crate) fn write_time(bytes: &mut Vec<u8>, time: Timestamp) {
    bytes.extend(time.unix_millis().to_be_bytes());
}

/// Whether there is one, and which: eight bytes in any case.
pub(crate) fn write_time_if(bytes: &mut Vec<u8>, time: Option<Timestamp>) {
    bytes.push(u8::from(time.is_some()));
    write_time(bytes, time.unwrap_or(Timestamp::UNIX_EPOCH));
}

/// Bytes behind their number.
pub(crate) fn write_counted(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_be_bytes());
    bytes.extend(part);
}

/// Reads all there is, after a version that has to be one of these, which may look at it.
pub(crate) fn whole_of<T>(
    bytes: &[u8],
    versions: RangeInclusive<u8>,
    read: impl FnOnce(&mut Rest<'_>, u8) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut rest = Rest(bytes);
    let found = rest.u8()?;
    if !versions.contains(&found) {
        return Err(Problem::Version(found));
    }
    let value = read(&mut rest, found)?;
    if rest.0.is_empty() {
        Ok(value)
    } else {
        Err(Problem::TooLong)
    }
}

/// The same, of one version.
pub(crate) fn whole<T>(
    bytes: &[u8],
    version: u8,
    read: impl FnOnce(&mut Rest<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    whole_of(bytes, version..=version, |rest, _| read(rest))
}

/// What has not been read yet.
pub(crate) struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Problem::TooShort)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Problem> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Problem> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Problem> {
        self.array().map(u128::from_be_bytes)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Problem> {
        let millis = self.array().map(i64::from_be_bytes)?;
        Ok(Timestamp::from_unix_millis(millis))
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Problem> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(makes_no_sense(field)),
        }
    }

    pub(crate) fn time_if(&mut self, field: &'static str) -> Result<Option<Timestamp>, Problem> {
        match (self.flag(field)?, self.time()?) {
            (true, time) => Ok(Some(time)),
            (false, Timestamp::UNIX_EPOCH) => Ok(None),
            (false, _) => Err(makes_no_sense(field)),
        }
    }

    /// Bytes behind their number.
    pub(crate) fn counted(&mut self) -> Result<&'a [u8], Problem> {
        let len = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
        let (head, rest) = self.0.split_at_checked(len).ok_or(Problem::TooShort)?;
        self.0 = rest;
        Ok(head)
    }

    /// Text behind its number.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, Problem> {
        str::from_utf8(self.counted()?).map_err(|_| makes_no_sense(field))
    }
}
