//! What is sealed: the values that a handler keeps.

use portcullis_core::SessionData;

use super::sealing::Unreadable;

/// The version that is written. What was written as an earlier one stays readable.
const VERSION: u8 = 1;

/// What is kept in a session, once it is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload {
    /// What a handler keeps.
    pub(super) data: SessionData,
}

impl Payload {
    pub(super) fn of(data: SessionData) -> Self {
        Self { data }
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.data.to_bytes());
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) has written. Whatever a later version of this program
    /// keeps beside it is an error: to be silent about it would be to lose it with the next change.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        match bytes.split_first() {
            Some((&VERSION, data)) => SessionData::from_bytes(data)
                .map(Self::of)
                .map_err(|_| Unreadable::Damaged),
            Some((&version, _)) => Err(Unreadable::Version(version)),
            None => Err(Unreadable::Damaged),
        }
    }
}
