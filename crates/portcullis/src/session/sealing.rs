//! What is kept in a session, sealed: so that a store can neither read it nor write it.
//!
//! A store is somebody else's: it is copied, dumped and restored, and whoever operates it may read
//! and write what is in it. So what a handler keeps is encrypted and authenticated with a key that
//! is derived from the secret of the layer, which no store has, and bound to the place where it is
//! kept.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use portcullis_core::{
    EvidenceKind, OwnerKey, Secret, SessionRecord, StoreError, StoredData, entropy,
};
use sha2::Sha256;

/// The version of the envelope: algorithm, order of its parts, and what is bound.
const VERSION: u8 = 1;
/// The salt of all keys that are derived here.
const SALT: &[u8] = b"portcullis session v1";
const NONCE: usize = 24;
const KEY_ID: usize = 8;

/// The key that seals, and those that once did.
pub(super) struct Sealing {
    own: SealingKey,
    old: Vec<SealingKey>,
    ids: Hmac<Sha256>,
}

/// A key, and the name by which what it has sealed is known.
struct SealingKey {
    id: [u8; KEY_ID],
    cipher: XChaCha20Poly1305,
}

impl SealingKey {
    fn derive(secret: &[u8]) -> Self {
        let mut key = chacha20poly1305::Key::default();
        expand(secret, b"seal", &mut key);
        let mut id = [0; KEY_ID];
        expand(secret, b"seal: id of the key", &mut id);
        Self {
            id,
            cipher: XChaCha20Poly1305::new(&key),
        }
    }
}

/// HKDF (RFC 5869): a label for each use, so that no key serves two.
fn expand(secret: &[u8], label: &[u8], into: &mut [u8]) {
    // It fails for more than 8160 bytes.
    let _ = Hkdf::<Sha256>::new(Some(SALT), secret).expand(label, into);
}

impl Sealing {
    /// With what is derived from the key of the layer's hashes, and, if there is one, with a key of
    /// its own. Then what the derived one has sealed stays readable.
    pub(super) fn new(layer: &[u8], own: Option<&Secret>, old: &[Secret]) -> Self {
        let mut keys: Vec<_> = own
            .into_iter()
            .map(Secret::expose)
            .chain([layer])
            .chain(old.iter().map(Secret::expose))
            .map(SealingKey::derive)
            .collect();
        let rest = keys.split_off(1);
        let mut ids = [0; 32];
        expand(layer, b"cookie: hash of an id", &mut ids);
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(ids) {
            *to = from;
        }
        Self {
            own: keys.pop().unwrap_or_else(|| SealingKey::derive(layer)),
            old: rest,
            ids: hmac::KeyInit::new(&block.into()),
        }
    }

    /// Seals something, for this place and no other.
    pub(super) fn seal(
        &self,
        owner: OwnerKey,
        record: &SessionRecord,
        plain: &[u8],
    ) -> Result<StoredData, StoreError> {
        let nonce = entropy::bytes::<NONCE>()
            .map_err(|error| StoreError::new(format!("no randomness: {error}")))?;
        self.seal_with(nonce, owner, record, plain)
    }

    fn seal_with(
        &self,
        nonce: [u8; NONCE],
        owner: OwnerKey,
        record: &SessionRecord,
        plain: &[u8],
    ) -> Result<StoredData, StoreError> {
        let SealingKey { id, cipher } = &self.own;
        let aad = place(*id, owner, record);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| StoreError::new("what is kept in the session cannot be sealed"))?;
        let mut bytes = vec![VERSION];
        bytes.extend(id);
        bytes.extend(nonce);
        bytes.extend(sealed);
        Ok(StoredData::Sealed(bytes.into()))
    }

    /// Opens what was sealed for this place, with the key that sealed it.
    pub(super) fn open(
        &self,
        owner: OwnerKey,
        record: &SessionRecord,
        stored: &StoredData,
    ) -> Result<Vec<u8>, Unreadable> {
        let sealed = match stored {
            StoredData::Sealed(sealed) => sealed,
            StoredData::Plain(data) if portcullis_core::sabotaged!("session.sealed_plain") => {
                return Ok(super::payload::Payload::of(data.clone()).to_bytes());
            }
            // Anybody can have written it.
            _ => return Err(Unreadable::NotSealed),
        };
        let (version, rest) = sealed.split_first().ok_or(Unreadable::Damaged)?;
        if *version != VERSION {
            return Err(Unreadable::Version(*version));
        }
        let (id, rest) = rest
            .split_first_chunk::<KEY_ID>()
            .ok_or(Unreadable::Damaged)?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE>()
            .ok_or(Unreadable::Damaged)?;
        let mut keys = [&self.own].into_iter().chain(&self.old);
        let key = keys.find(|key| key.id == *id).ok_or(Unreadable::Key)?;
        let payload = Payload {
            msg: sealed,
            aad: &place(*id, owner, record),
        };
        let opened = key.cipher.decrypt(&XNonce::from(*nonce), payload);
        opened.map_err(|_| Unreadable::Damaged)
    }

    /// The hash under which an id that a client holds is kept: of use in this session alone.
    pub(super) fn hash_of_id(
        &self,
        owner: OwnerKey,
        record: &SessionRecord,
        id: &[u8; 32],
    ) -> [u8; 32] {
        let mut mac = self.ids.clone();
        mac.update(&owner.as_u128().to_be_bytes());
        mac.update(&record.key.as_u128().to_be_bytes());
        mac.update(&record.id.as_u128().to_be_bytes());
        mac.update(id);
        mac.finalize().into_bytes().into()
    }
}

/// What is bound: whose session, which, and what of it never changes while it lasts. Each part has
/// one length, so no two places read alike.
fn place(key: [u8; KEY_ID], owner: OwnerKey, record: &SessionRecord) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend(SALT);
    bytes.push(VERSION);
    bytes.extend(key);
    if portcullis_core::sabotaged!("session.sealed_place") {
        return bytes;
    }
    bytes.extend(owner.as_u128().to_be_bytes());
    bytes.extend(record.key.as_u128().to_be_bytes());
    bytes.extend(record.family.as_u128().to_be_bytes());
    bytes.extend(record.id.as_u128().to_be_bytes());
    bytes.push(match record.kind {
        EvidenceKind::Client => 1,
        EvidenceKind::Standing => 2,
        EvidenceKind::User => 3,
        // Of a kind that is not known there are no sessions.
        _ => 0,
    });
    bytes.extend(record.opened_at.unix_millis().to_be_bytes());
    bytes.extend(record.ends_at.unix_millis().to_be_bytes());
    bytes
}

/// Why something that is kept does not open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unreadable {
    /// It was changed, moved, or cut short.
    Damaged,
    /// It was sealed with a key that is not known.
    Key,
    /// It is not sealed.
    NotSealed,
    /// It is of another version.
    Version(u8),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what is kept in the session cannot be opened: it ")?;
        match self {
            Self::Damaged => f.write_str("was changed, moved or cut short"),
            Self::Key => f.write_str(
                "was sealed with a key that is not known; add the old one with \
                 `add_old_sealing_key`",
            ),
            Self::NotSealed => f.write_str("is not sealed, so anybody may have written it"),
            Self::Version(version) => write!(
                f,
                "has version {version}, and this program reads none after {VERSION}"
            ),
        }
    }
}

impl From<Unreadable> for StoreError {
    fn from(why: Unreadable) -> Self {
        Self::new(why.to_string())
    }
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
