//! Where request ids come from.

use std::hash::Hasher as _;

use portcullis_core::{RequestId, Timestamp, entropy};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::flight::Flight;

/// Makes request ids: UUIDs of version 7 whose random part is a keyed hash of the flight's
/// serial, so that an id costs no system call and tells nobody how many requests there were.
#[derive(Clone)]
pub(crate) struct RequestIds([u8; 16]);

impl RequestIds {
    pub(crate) fn new() -> std::io::Result<Self> {
        entropy::bytes().map(Self)
    }

    /// The id of something that is no request.
    pub(crate) fn next(&self, at: Timestamp) -> RequestId {
        self.make(at, Flight::next())
    }

    pub(super) fn make(&self, at: Timestamp, flight: Flight) -> RequestId {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u64(flight.serial());
        let random = hasher.finish128().as_u128().to_be_bytes();
        let mut tail = [0; 10];
        tail.iter_mut()
            .zip(random)
            .for_each(|(to, from)| *to = from);
        // A clock before 1970 counts as 1970.
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid();
        RequestId::from_u128(id.as_u128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_differ() {
        let ids = RequestIds::new().unwrap();
        let at = Timestamp::from_unix_millis(0x0192_a5c0_1234);
        let (a, b) = (ids.make(at, Flight::next()), ids.make(at, Flight::next()));
        assert_ne!(a, b);
        let id = uuid::Uuid::from_u128(a.as_u128());
        assert_eq!(id.get_version_num(), 7);
        assert!(a.to_string().starts_with("0192a5c0-1234-7"), "{a}");
        // A clock that stands before 1970 is no reason to panic.
        ids.make(Timestamp::from_unix_millis(-1), Flight::next());
    }
}
