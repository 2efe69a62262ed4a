use std::num::NonZeroU32;

use super::*;

/// Everything that a record can hold, as version 1 writes it.
const GOLDEN: &str = include_str!("../../../golden/sessions-v1.hex");
/// The same with something sealed, as version 2 writes it; and what a handler keeps, by itself.
const GOLDEN_SEALED: &str = include_str!("../../../golden/sessions-v2.hex");
const GOLDEN_DATA: &str = include_str!("../../../golden/session-data-v1.hex");

const SECOND: Duration = Duration::from_secs(1);
const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

fn plain() -> SessionRecord {
    SessionRecord::new(
        SessionKey::from_u128(1),
        FamilyKey::from_u128(u128::MAX),
        SessionId::from_u128(3),
        EvidenceKind::User,
        AT,
        60 * SECOND,
        AT + 600 * SECOND,
    )
}

fn full() -> SessionRecord {
    let mut record = plain();
    record.state = SessionState::Ended(AT + 9 * SECOND, EndReason::Revoked);
    record.active_at = AT + 5 * SECOND;
    record.authenticated_at = Some(AT - SECOND);
    record.barred_until = Some(Timestamp::from_unix_millis(i64::MIN));
    record.binding = BindingReference {
        ipv4: NonZeroU32::new(4),
        ipv6: NonZeroU32::new(u32::MAX),
        user_agent: NonZeroU64::new(7),
        device: NonZeroU64::new(u64::MAX),
        authenticated_at: AT,
    };
    let mut data = SessionData::new();
    data.insert("basket", *b"two apples");
    data.insert("", *b"");
    record.data = Some(Arc::new(StoredData::Plain(data)));
    record
}

/// Every kind and state, beside the record that holds everything.
fn all() -> Sessions {
    let mut records = vec![plain(), full()];
    let reasons = [
        EndReason::Abandoned,
        EndReason::Absolute,
        EndReason::CredentialExpired,
        EndReason::Ended,
        EndReason::Idle,
    ];
    let states = reasons.map(|reason| SessionState::Ended(AT, reason));
    for state in [SessionState::Provisional(AT)].into_iter().chain(states) {
        let mut record = plain();
        record.state = state;
        records.push(record);
    }
    for kind in [EvidenceKind::Client, EvidenceKind::Standing] {
        let mut record = plain();
        record.kind = kind;
        records.push(record);
    }
    Sessions {
        revision: Revision::from_u64(41),
        records,
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn what_was_written_is_read() {
    let sessions = all();
    for record in &sessions.records {
        let read = SessionRecord::from_bytes(&record.to_bytes());
        assert_eq!(read.as_ref(), Ok(record));
    }
    assert_eq!(Sessions::from_bytes(&sessions.to_bytes()), Ok(sessions));
    let none = Sessions::default();
    assert_eq!(Sessions::from_bytes(&none.to_bytes()), Ok(none));
}

#[test]
fn version_1_stays_what_it_is() {
    let bytes = from_hex(GOLDEN);
    assert_eq!(Sessions::from_bytes(&bytes), Ok(all()));
    assert_eq!(all().to_bytes(), bytes);
}

fn sealed() -> SessionRecord {
    let mut record = full();
    record.data = Some(Arc::new(StoredData::Sealed(Box::new([0, 1, 0xfe, 0xff]))));
    record
}

fn all_sealed() -> Sessions {
    let mut sessions = all();
    sessions.records.push(sealed());
    sessions
}

#[test]
fn version_2_is_written_where_something_is_sealed() {
    let bytes = from_hex(GOLDEN_SEALED);
    assert_eq!(all_sealed().to_bytes(), bytes);
    assert_eq!(Sessions::from_bytes(&bytes), Ok(all_sealed()));
    let bytes = sealed().to_bytes();
    assert_eq!(bytes.first(), Some(&2));
    assert_eq!(SessionRecord::from_bytes(&bytes), Ok(sealed()));
    // One that reads nothing after version 1 refuses it, and so does one that is told it was one.
    let with = |version: u8, mut bytes: Vec<u8>| {
        bytes[0] = version;
        bytes
    };
    assert!(SessionRecord::from_bytes(&with(1, bytes)).is_err());
    assert!(Sessions::from_bytes(&with(1, all_sealed().to_bytes())).is_err());
    // And the other way round.
    assert!(SessionRecord::from_bytes(&with(2, full().to_bytes())).is_err());
    assert!(Sessions::from_bytes(&with(2, all().to_bytes())).is_err());
}

#[test]
fn what_a_handler_keeps_is_written_by_itself_as_well() {
    let Some(StoredData::Plain(data)) = full().data.as_deref().cloned() else {
        unreachable!("it was put there");
    };
    let bytes = from_hex(GOLDEN_DATA);
    assert_eq!(data.to_bytes(), bytes);
    assert_eq!(SessionData::from_bytes(&bytes), Ok(data));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(SessionData::from_bytes(&longer).is_err());
    assert!(SessionData::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(SessionData::from_bytes(&[9]).is_err());
}

#[test]
fn whatever_is_cut_short_or_longer_is_refused() {
    for bytes in [full().to_bytes(), plain().to_bytes(), sealed().to_bytes()] {
        for len in 0..bytes.len() {
            let cut = bytes.get(..len).unwrap();
            let short = InvalidSessionBytes(Problem::TooShort);
            assert_eq!(SessionRecord::from_bytes(cut), Err(short), "{len}");
        }
        let mut longer = bytes;
        longer.push(0);
        let long = InvalidSessionBytes(Problem::TooLong);
        assert_eq!(SessionRecord::from_bytes(&longer), Err(long));
    }
}

#[test]
fn one_session_is_written_in_one_way_only() {
    let bytes = full().to_bytes();
    for position in 0..bytes.len() {
        for flip in [1, 0x10, 0x80, 0xff] {
            let mut other = bytes.clone();
            if let Some(byte) = other.get_mut(position) {
                *byte ^= flip;
            }
            if let Ok(record) = SessionRecord::from_bytes(&other) {
                assert_ne!(record, full(), "{position}");
                assert_eq!(record.to_bytes(), other, "{position}");
            }
        }
    }
}

#[test]
fn a_number_that_is_too_big_costs_no_memory() {
    let mut bytes = vec![VERSION];
    bytes.extend([0xff; 16]);
    assert!(Sessions::from_bytes(&bytes).is_err());
    let mut bytes = plain().to_bytes();
    bytes.pop();
    bytes.push(1);
    bytes.extend([0xff; 8]);
    assert!(SessionRecord::from_bytes(&bytes).is_err());
}

#[test]
fn says_what_is_wrong() {
    let says = |bytes: &[u8]| SessionRecord::from_bytes(bytes).unwrap_err().to_string();
    assert_eq!(
        says(&[9]),
        "a stored session has version 9, and this program reads none after 2"
    );
    assert_eq!(says(&[]), "a stored session is cut short");
    let mut bytes = plain().to_bytes();
    if let Some(kind) = bytes.get_mut(1 + 48) {
        *kind = 9;
    }
    assert_eq!(says(&bytes), "the kind of a stored session makes no sense");
    let error = StoreError::from(InvalidSessionBytes(Problem::TooLong));
    assert_eq!(error.to_string(), "a stored session is longer than it says");
}
