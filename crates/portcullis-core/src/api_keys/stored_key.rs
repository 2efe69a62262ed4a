//! A key as it is kept: plain data, to be written to a database and read back.

use crate::Timestamp;

use super::{Grant, KeyHash};

/// A key as it is kept, without its secret: plain data, to be written to a database and read
/// back.
///
/// It is what `KeyRing::issue` and `KeyRing::rotate` of `portcullis` return to be written, and
/// what `KeyRing::add_keys` takes.
///
/// # Example
///
/// ```
/// use portcullis_core::{Timestamp, api_keys::{Grant, KeyHash, StoredKey, Superseded}};
///
/// // One row of a table, read back.
/// let hash = KeyHash::from_hex(&"ab".repeat(32))?;
/// let older = KeyHash::from_hex(&"cd".repeat(32))?;
/// let key = StoredKey::new("0123456789ABCde", hash, Grant::for_user("alice"))
///     .with_issued_at(Timestamp::from_unix_seconds(1_767_225_600))
///     .with_superseded(Superseded::new(older, Timestamp::from_unix_seconds(1_767_312_000)));
/// assert_eq!(key.grant().user(), Some("alice"));
/// # Ok::<(), portcullis_core::api_keys::InvalidKeyHash>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StoredKey {
    id: Box<str>,
    hash: KeyHash,
    grant: Grant,
    issued_at: Option<Timestamp>,
    superseded: Option<Superseded>,
}

impl StoredKey {
    /// A key by its public id. The ring that takes it checks the id's form.
    pub fn new(id: impl Into<Box<str>>, hash: KeyHash, grant: Grant) -> Self {
        Self {
            id: id.into(),
            hash,
            grant,
            issued_at: None,
            superseded: None,
        }
    }

    /// Whom the key speaks for, what it may do, and when.
    pub fn with_grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// When the present secret was issued.
    pub fn with_issued_at(mut self, time: Timestamp) -> Self {
        self.issued_at = Some(time);
        self
    }

    /// The secret before the present one, which works for a while yet.
    pub fn with_superseded(mut self, superseded: Superseded) -> Self {
        self.superseded = Some(superseded);
        self
    }

    /// The public id: the middle part of the key's text.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The hash of the key with its present secret.
    #[must_use]
    pub fn hash(&self) -> &KeyHash {
        &self.hash
    }

    /// Whom the key speaks for, what it may do, and when.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// When the present secret was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// The secret before the present one.
    #[must_use]
    pub fn superseded(&self) -> Option<&Superseded> {
        self.superseded.as_ref()
    }
}

/// The secret before the present one, which works for a while after a rotation.
#[derive(Clone, Debug)]
#[must_use]
pub struct Superseded {
    hash: KeyHash,
    issued_at: Option<Timestamp>,
    until: Timestamp,
}

impl Superseded {
    /// A secret by the hash of the key with it, good before `until`, not at it.
    pub fn new(hash: KeyHash, until: Timestamp) -> Self {
        Self {
            hash,
            issued_at: None,
            until,
        }
    }

    /// When that secret was issued.
    pub fn with_issued_at(mut self, time: Timestamp) -> Self {
        self.issued_at = Some(time);
        self
    }

    /// The hash of the key with that secret.
    #[must_use]
    pub fn hash(&self) -> &KeyHash {
        &self.hash
    }

    /// When that secret was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// When that secret ends.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }
}
