//! Keys as bytes, for files and for stores that keep bytes.

use std::{fmt, time::Duration};

use super::{Grant, KeyHash, StoredKey, Superseded};
use crate::{
    Revision, Scopes, StoreError,
    layout::{Problem, Rest, makes_no_sense, whole, write_counted, write_time, write_time_if},
};

/// The version that is written. Another layout of the bytes is another version; what was
/// written as an earlier one stays readable.
const VERSION: u8 = 1;

impl StoredKey {
    /// The key as bytes, from which [`from_bytes`](Self::from_bytes) makes it again: for a file,
    /// or for one column of a database.
    ///
    /// The first byte is the version of the layout. Nothing in them is encrypted or sealed; the
    /// secret is not in them, only its keyed hash is.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis_core::api_keys::{Grant, KeyHash, StoredKey};
    ///
    /// let hash = KeyHash::from_bytes([0xab; 32]);
    /// let key = StoredKey::new("0123456789ABCde", hash, Grant::for_user("alice"));
    /// let read = StoredKey::from_bytes(&key.to_bytes())?;
    /// assert_eq!(read.grant(), key.grant());
    /// # Ok::<(), portcullis_core::api_keys::InvalidKeyBytes>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        write_counted(&mut bytes, self.id().as_bytes());
        bytes.extend(self.revision().as_u64().to_be_bytes());
        bytes.extend(self.hash().as_bytes());
        write_grant(&mut bytes, self.grant());
        write_time_if(&mut bytes, self.issued_at());
        bytes.push(u8::from(self.superseded().is_some()));
        if let Some(old) = self.superseded() {
            bytes.extend(old.hash().as_bytes());
            write_time_if(&mut bytes, old.issued_at());
            write_time(&mut bytes, old.until());
        }
        write_time_if(&mut bytes, self.revoked_at());
        write_time_if(&mut bytes, self.last_used_at());
        bytes
    }

    /// The key that [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// The bytes are of another version, or are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKeyBytes> {
        whole(bytes, VERSION, read_key).map_err(InvalidKeyBytes)
    }
}

/// Bytes that are no stored key: of another version, damaged, or something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidKeyBytes(Problem);

impl fmt::Display for InvalidKeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("api key", VERSION, f)
    }
}

impl std::error::Error for InvalidKeyBytes {}

impl From<InvalidKeyBytes> for StoreError {
    fn from(problem: InvalidKeyBytes) -> Self {
        Self::new(problem.to_string())
    }
}

fn read_key(rest: &mut Rest<'_>) -> Result<StoredKey, Problem> {
    let id = rest.text("id")?;
    let revision = Revision::from_u64(rest.u64()?);
    let hash = KeyHash::from_bytes(rest.array()?);
    let mut key = StoredKey::new(id, hash, read_grant(rest)?).with_revision(revision);
    if let Some(time) = rest.time_if("time of issue")? {
        key = key.with_issued_at(time);
    }
    if rest.flag("old secret")? {
        key = key.with_superseded(read_superseded(rest)?);
    }
    if let Some(time) = rest.time_if("revocation")? {
        key = key.with_revoked_at(time);
    }
    if let Some(time) = rest.time_if("last use")? {
        key = key.with_last_used_at(time);
    }
    Ok(key)
}

fn read_superseded(rest: &mut Rest<'_>) -> Result<Superseded, Problem> {
    let hash = KeyHash::from_bytes(rest.array()?);
    let issued_at = rest.time_if("time of issue")?;
    let old = Superseded::new(hash, rest.time()?);
    Ok(match issued_at {
        Some(time) => old.with_issued_at(time),
        None => old,
    })
}

fn write_grant(bytes: &mut Vec<u8>, grant: &Grant) {
    for name in [grant.user(), grant.application()] {
        bytes.push(u8::from(name.is_some()));
        write_counted(bytes, name.unwrap_or_default().as_bytes());
    }
    write_counted(bytes, grant.scopes().as_str().as_bytes());
    write_time_if(bytes, grant.not_before());
    write_time_if(bytes, grant.expires_at());
    bytes.push(u8::from(grant.limit().is_some()));
    if let Some(limit) = grant.limit() {
        let period = limit.period();
        for number in [
            limit.requests().into(),
            period.as_secs(),
            period.subsec_nanos().into(),
        ] {
            bytes.extend(u64::to_be_bytes(number));
        }
    }
}

fn read_grant(rest: &mut Rest<'_>) -> Result<Grant, Problem> {
    let user = read_name(rest)?;
    let application = read_name(rest)?;
    let mut grant = match (user, application) {
        (Some(user), None) => Grant::for_user(user),
        (None, Some(application)) => Grant::for_application(application),
        (Some(user), Some(application)) => Grant::for_user(user).with_application(application),
        (None, None) => return Err(makes_no_sense("owner")),
    };
    let list = rest.text("scopes")?;
    let scopes = Scopes::parse(list).map_err(|_| makes_no_sense("scopes"))?;
    // One key is written in one way only.
    if scopes.as_str() != list {
        return Err(makes_no_sense("scopes"));
    }
    grant = grant.with_scopes(scopes);
    if let Some(time) = rest.time_if("begin")? {
        grant = grant.with_not_before(time);
    }
    if let Some(time) = rest.time_if("end")? {
        grant = grant.with_expires_at(time);
    }
    if rest.flag("limit")? {
        let wrong = |_| makes_no_sense("limit");
        let requests = u32::try_from(rest.u64()?).map_err(wrong)?;
        let seconds = rest.u64()?;
        let nanos = u32::try_from(rest.u64()?).map_err(wrong)?;
        if nanos >= 1_000_000_000 {
            return Err(makes_no_sense("limit"));
        }
        grant = grant.with_limit(requests, Duration::new(seconds, nanos));
    }
    Ok(grant)
}

fn read_name<'a>(rest: &mut Rest<'a>) -> Result<Option<&'a str>, Problem> {
    match (rest.flag("owner")?, rest.text("owner")?) {
        (true, name) => Ok(Some(name)),
        (false, "") => Ok(None),
        (false, _) => Err(makes_no_sense("owner")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    /// Everything that a key can hold, as version 1 writes it.
    const GOLDEN: &str = include_str!("../../golden/api-key-v1.hex");

    const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
    const DAY: Duration = Duration::from_secs(86_400);
    const ID: &str = "0123456789ABCde";

    fn plain() -> StoredKey {
        let grant = Grant::for_application("reporting");
        StoredKey::new(ID, KeyHash::from_bytes([1; 32]), grant)
    }

    fn full() -> StoredKey {
        let grant = Grant::for_user("alice")
            .with_application("reporting")
            .with_scopes(Scopes::parse("notes.read notes.write").unwrap())
            .with_not_before(AT)
            .with_expires_at(AT + 9 * DAY)
            .with_limit(600, Duration::new(60, 999_999_999));
        let old = Superseded::new(KeyHash::from_bytes([2; 32]), AT + 2 * DAY).with_issued_at(AT);
        StoredKey::new(ID, KeyHash::from_bytes([1; 32]), grant)
            .with_issued_at(AT + DAY)
            .with_superseded(old)
            .with_revoked_at(AT + 3 * DAY)
            .with_last_used_at(Timestamp::from_unix_millis(i64::MIN))
            .with_revision(Revision::from_u64(7))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn version_1_stays_what_it_is() {
        let golden: String = GOLDEN.split_whitespace().collect();
        assert_eq!(hex(&full().to_bytes()), golden);
    }

    #[test]
    fn what_was_written_is_read() {
        for key in [plain(), full(), full().without_superseded()] {
            let bytes = key.to_bytes();
            let read = StoredKey::from_bytes(&bytes).unwrap();
            assert_eq!(format!("{read:?}"), format!("{key:?}"));
            assert!(read.hash().matches(&[1; 32]));
            assert_eq!(
                read.superseded().map(|old| old.hash().matches(&[2; 32])),
                key.superseded().map(|_| true)
            );
            assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn whatever_is_cut_short_or_longer_is_refused() {
        for bytes in [full().to_bytes(), plain().to_bytes()] {
            for len in 0..bytes.len() {
                let cut = StoredKey::from_bytes(&bytes[..len]).unwrap_err();
                assert_eq!(cut, InvalidKeyBytes(Problem::TooShort), "{len}");
            }
            let longer = [bytes, vec![0]].concat();
            let long = StoredKey::from_bytes(&longer).unwrap_err();
            assert_eq!(long, InvalidKeyBytes(Problem::TooLong));
        }
    }

    #[test]
    fn one_key_is_written_in_one_way_only() {
        let bytes = full().to_bytes();
        for position in 0..bytes.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut other = bytes.clone();
                other[position] ^= flip;
                if let Ok(key) = StoredKey::from_bytes(&other) {
                    assert_eq!(key.to_bytes(), other, "{position}");
                }
            }
        }
    }

    #[test]
    fn says_what_is_wrong_and_shows_nothing() {
        let says = |bytes: &[u8]| StoredKey::from_bytes(bytes).unwrap_err().to_string();
        assert_eq!(
            says(&[9]),
            "a stored api key has version 9, and this program reads none after 1"
        );
        assert_eq!(says(&[]), "a stored api key is cut short");
        // The first flag of the grant: whether there is a user.
        let mut bytes = plain().to_bytes();
        bytes[1 + 8 + ID.len() + 8 + 32] = 9;
        assert_eq!(says(&bytes), "the owner of a stored api key makes no sense");
        let error = StoreError::from(InvalidKeyBytes(Problem::TooLong));
        assert_eq!(error.to_string(), "a stored api key is longer than it says");
    }

    #[test]
    fn a_number_that_is_too_big_costs_no_memory() {
        let bytes = [&[VERSION][..], &[0xff; 16]].concat();
        assert!(StoredKey::from_bytes(&bytes).is_err());
    }
}
