use std::time::Duration;

use portcullis_core::{FamilyKey, SessionData, SessionId, SessionKey, Timestamp};

use super::*;

/// What version 1 of the envelope has made of `PLAIN`, with this key, nonce and place.
const GOLDEN: &str = include_str!("../../../golden/sealed-v1.hex");
const PLAIN: &[u8] = b"two apples";
const OWNER: OwnerKey = OwnerKey::from_u128(7);

type Change = fn(&mut SessionRecord);

fn record() -> SessionRecord {
    let at = Timestamp::from_unix_seconds(1_767_225_600);
    SessionRecord::new(
        SessionKey::from_u128(1),
        FamilyKey::from_u128(2),
        SessionId::from_u128(3),
        EvidenceKind::User,
        at,
        Duration::from_secs(60),
        at + Duration::from_secs(600),
    )
}

fn sealing() -> Sealing {
    Sealing::new(&[7; 16], None, &[])
}

fn bytes(stored: &StoredData) -> Vec<u8> {
    match stored {
        StoredData::Sealed(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn version_1_stays_what_it_is() {
    let sealed = sealing().seal_with([9; NONCE], OWNER, &record(), PLAIN);
    let sealed = sealed.unwrap();
    let golden: String = GOLDEN.split_whitespace().collect();
    assert_eq!(hex(&bytes(&sealed)), golden);
    assert_eq!(sealing().open(OWNER, &record(), &sealed).unwrap(), PLAIN);
}

#[test]
fn opens_in_its_own_place_alone() {
    let sealed = sealing().seal(OWNER, &record(), PLAIN).unwrap();
    let moved: [(&str, OwnerKey, Change); 8] = [
        ("owner", OwnerKey::from_u128(8), |_| {}),
        ("key", OWNER, |r| r.key = SessionKey::from_u128(9)),
        ("family", OWNER, |r| r.family = FamilyKey::from_u128(9)),
        ("id", OWNER, |r| r.id = SessionId::from_u128(9)),
        ("kind", OWNER, |r| r.kind = EvidenceKind::Client),
        ("opened", OWNER, |r| r.opened_at = Timestamp::UNIX_EPOCH),
        ("ends", OWNER, |r| {
            r.ends_at = r.ends_at + Duration::from_secs(1);
        }),
        ("another kind", OWNER, |r| r.kind = EvidenceKind::Standing),
    ];
    for (what, owner, change) in moved {
        let mut record = record();
        change(&mut record);
        let opened = sealing().open(owner, &record, &sealed);
        assert_eq!(opened, Err(Unreadable::Damaged), "{what}");
    }
    // What a session does does not matter to what is kept in it.
    let mut record = record();
    record.active_at = record.active_at + Duration::from_secs(9);
    record.authenticated_at = Some(record.opened_at);
    assert_eq!(sealing().open(OWNER, &record, &sealed).unwrap(), PLAIN);
}

#[test]
fn whatever_was_changed_or_cut_short_does_not_open() {
    let sealed = bytes(&sealing().seal(OWNER, &record(), PLAIN).unwrap());
    let open = |bytes: Vec<u8>| {
        let stored = StoredData::Sealed(bytes.into());
        sealing().open(OWNER, &record(), &stored)
    };
    for len in 0..sealed.len() {
        assert!(open(sealed[..len].to_vec()).is_err(), "{len}");
        let mut flipped = sealed.clone();
        flipped[len] ^= 1;
        assert!(open(flipped).is_err(), "{len}");
    }
    let mut other = sealed.clone();
    other[0] = 2;
    assert_eq!(open(other), Err(Unreadable::Version(2)));
    let mut longer = sealed;
    longer.push(0);
    assert_eq!(open(longer), Err(Unreadable::Damaged));
    let plain = StoredData::Plain(SessionData::new());
    assert_eq!(
        sealing().open(OWNER, &record(), &plain),
        Err(Unreadable::NotSealed)
    );
}

#[test]
fn old_keys_open_and_the_new_one_seals() {
    let (new, old) = (Secret::new([1; 32]), Secret::new([2; 32]));
    let of_layer = sealing().seal(OWNER, &record(), PLAIN).unwrap();
    let by_old = Sealing::new(&[7; 16], Some(&old), &[]);
    let of_old = by_old.seal(OWNER, &record(), PLAIN).unwrap();
    let by_new = Sealing::new(&[7; 16], Some(&new), &[old]);
    for stored in [&of_layer, &of_old] {
        assert_eq!(by_new.open(OWNER, &record(), stored).unwrap(), PLAIN);
    }
    let of_new = by_new.seal(OWNER, &record(), PLAIN).unwrap();
    assert_eq!(by_old.open(OWNER, &record(), &of_new), Err(Unreadable::Key));
    assert_eq!(
        sealing().open(OWNER, &record(), &of_old),
        Err(Unreadable::Key)
    );
}

#[test]
fn seals_nothing_twice_alike_and_shows_nothing() {
    let seal = || bytes(&sealing().seal(OWNER, &record(), PLAIN).unwrap());
    let (one, other) = (seal(), seal());
    assert_ne!(one, other);
    assert!(!one.windows(5).any(|part| part == b"apple"));
    assert_eq!(format!("{:?}", sealing()), "Sealing { .. }");
}

#[test]
fn the_hash_of_an_id_is_of_one_session() {
    let hash = |record: &SessionRecord, id| sealing().hash_of_id(OWNER, record, &[id; 32]);
    let mut other = record();
    other.id = SessionId::from_u128(9);
    assert_eq!(hash(&record(), 1), hash(&record(), 1));
    assert_ne!(hash(&record(), 1), hash(&record(), 2));
    assert_ne!(hash(&record(), 1), hash(&other, 1));
}
