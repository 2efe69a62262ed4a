//! A key as it is kept: plain data, to be written to a database and read back.

use crate::{Revision, Timestamp};

use super::{Grant, KeyHash};

/// A key as it is kept, without its secret: plain data, to be written to a database and read
/// back.
///
/// It is what an [`ApiKeyStore`](super::ApiKeyStore) keeps; and what `KeyRing::issue` and
/// `KeyRing::rotate` of `portcullis` return to be written, and `KeyRing::add_keys` takes. In one
/// piece it is kept as [bytes](Self::to_bytes).
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
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revision: Revision,
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
            revoked_at: None,
            last_used_at: None,
            revision: Revision::default(),
        }
    }

    /// The hash of the key with its present secret.
    pub fn with_hash(mut self, hash: KeyHash) -> Self {
        self.hash = hash;
        self
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

    /// Without a secret before the present one.
    pub fn without_superseded(mut self) -> Self {
        self.superseded = None;
        self
    }

    /// When the key was revoked. None of its secrets is good any more, whatever this time is.
    pub fn with_revoked_at(mut self, time: Timestamp) -> Self {
        self.revoked_at = Some(time);
        self
    }

    /// When the key was last used, as far as a store has been told.
    pub fn with_last_used_at(mut self, time: Timestamp) -> Self {
        self.last_used_at = Some(time);
        self
    }

    /// Which state of the key this is. The default is that of a key that is in no store yet.
    pub fn with_revision(mut self, revision: Revision) -> Self {
        self.revision = revision;
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

    /// When the key was revoked.
    #[must_use]
    pub fn revoked_at(&self) -> Option<Timestamp> {
        self.revoked_at
    }

    /// When the key was last used, at the latest that the store has been told: by default
    /// within five minutes.
    #[must_use]
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.last_used_at
    }

    /// Which state of the key this is.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
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
