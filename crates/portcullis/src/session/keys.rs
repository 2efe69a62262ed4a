//! What a session is found by.

use std::{hash::Hasher as _, num::NonZeroU64};

use portcullis_core::{Evidence, EvidenceKind, FamilyKey, OwnerKey, Secret, SessionKey, entropy};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::sealing::Sealing;

/// Makes the keys of callers: keyed hashes of what an authenticator vouches for, and of
/// nothing that a caller can choose. No bytes of a token take part, so a token that is
/// refreshed keeps its session.
#[derive(Clone)]
pub(super) struct Keying([u8; 16]);

/// What one caller's session is found by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Keys {
    pub(super) owner: OwnerKey,
    pub(super) family: FamilyKey,
    pub(super) session: SessionKey,
}

impl Keying {
    pub(super) fn new() -> std::io::Result<Self> {
        entropy::bytes().map(Self)
    }

    /// With a key that outlasts the process. `None` if it is not 16 bytes.
    pub(super) fn with_key(key: &Secret) -> Option<Self> {
        key.expose().try_into().ok().map(Self)
    }

    /// A key for another use, which says nothing of this one.
    pub(super) fn subkey(&self, label: &[u8]) -> [u8; 16] {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(label);
        hasher.finish128().as_bytes()
    }

    /// What seals, with keys that are derived from this one and from others.
    pub(super) fn sealing(&self, own: Option<&Secret>, old: &[Secret]) -> Sealing {
        Sealing::new(&self.0, own, old)
    }

    /// Whose sessions those of a principal are.
    pub(super) fn owner(&self, issuer: &str, subject: &str) -> OwnerKey {
        self.keys(&Evidence::new(EvidenceKind::User, issuer, subject))
            .owner
    }

    /// The same, and what the sessions of one of its clients have in common.
    pub(super) fn family(
        &self,
        issuer: &str,
        subject: &str,
        client: Option<&str>,
    ) -> (OwnerKey, FamilyKey) {
        let mut evidence = Evidence::new(EvidenceKind::User, issuer, subject);
        if let Some(client) = client {
            evidence = evidence.with_client(client);
        }
        let keys = self.keys(&evidence);
        (keys.owner, keys.family)
    }

    /// A mark of something that is compared within one session, and alike in no other.
    /// `label` says what it is a mark of.
    pub(super) fn mark<'a>(
        &self,
        session: SessionKey,
        label: &str,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> NonZeroU64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u128(session.as_u128());
        let mut add = |bytes: &[u8]| {
            // A length begins each, so that no two lists read alike.
            hasher.write_u64(bytes.len() as u64);
            hasher.write(bytes);
        };
        add(label.as_bytes());
        values.into_iter().for_each(add);
        NonZeroU64::new(hasher.finish128().h1).unwrap_or(NonZeroU64::MIN)
    }

    pub(super) fn keys(&self, evidence: &Evidence) -> Keys {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        // Each hash goes on where the one before it stopped.
        let mut add = |text: Option<&str>| {
            match text {
                // A length ends each text, so that no two lists of texts read alike.
                Some(text) => {
                    hasher.write_u64(text.len() as u64 + 1);
                    hasher.write(text.as_bytes());
                }
                None => hasher.write_u64(0),
            }
            hasher.finish128().as_u128()
        };
        add(Some(evidence.issuer()));
        let owner = add(Some(evidence.subject()));
        let family = add(evidence.client());
        add(evidence.session_id());
        let confirmation = evidence.confirmation();
        add(confirmation.and_then(|cnf| cnf.jwk_thumbprint()));
        add(confirmation.and_then(|cnf| cnf.certificate_thumbprint()));
        // What opens it again depends on the kind, so a session is of one kind.
        let session = add(Some(evidence.kind().as_str()));
        Keys {
            owner: OwnerKey::from_u128(owner),
            family: FamilyKey::from_u128(family),
            session: SessionKey::from_u128(session),
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Confirmation, EvidenceKind};

    use super::*;

    fn alice() -> Evidence {
        Evidence::new(EvidenceKind::User, "https://idp.example", "alice")
    }

    #[test]
    fn who_calls_is_all_that_counts() {
        let keying = Keying::new().unwrap();
        let keys = keying.keys(&alice());
        let again = alice()
            .with_token_id("another token")
            .with_acr("high")
            .with_issued_at(portcullis_core::Timestamp::UNIX_EPOCH);
        assert_eq!(keying.keys(&again), keys);
        assert_ne!(Keying::new().unwrap().keys(&alice()), keys, "another key");
    }

    #[test]
    fn a_mark_is_of_a_session_a_label_and_each_value() {
        let (keying, session) = (Keying::new().unwrap(), SessionKey::from_u128(1));
        let mark = |session, label, values: &[&'static [u8]]| {
            keying.mark(session, label, values.iter().copied())
        };
        let one = mark(session, "device", &[b"ab"]);
        assert_eq!(one, mark(session, "device", &[b"ab"]));
        for other in [
            mark(SessionKey::from_u128(2), "device", &[b"ab"]),
            mark(session, "agent", &[b"ab"]),
            mark(session, "device", &[b"a", b"b"]),
            mark(session, "device", &[b"ab", b""]),
            mark(session, "device", &[]),
            Keying::new().unwrap().mark(session, "device", [&b"ab"[..]]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn each_part_counts_for_its_own() {
        let keying = Keying::new().unwrap();
        let keys = keying.keys(&alice());
        let with_client = keying.keys(&alice().with_client("app"));
        assert_eq!(with_client.owner, keys.owner);
        assert_ne!(with_client.family, keys.family);
        let with_sid = keying.keys(&alice().with_session_id("1"));
        assert_eq!((with_sid.owner, with_sid.family), (keys.owner, keys.family));
        assert_ne!(with_sid.session, keys.session);
        let key = Evidence::new(EvidenceKind::Standing, "https://idp.example", "alice");
        let key = keying.keys(&key);
        assert_eq!((key.owner, key.family), (keys.owner, keys.family));
        assert_ne!(key.session, keys.session);
        let bound = Confirmation::default().with_jwk_thumbprint("1");
        let bound = keying.keys(&alice().with_confirmation(bound));
        assert_eq!(bound.family, keys.family);
        assert!(bound.session != keys.session && bound.session != with_sid.session);
        let others = [
            Evidence::new(EvidenceKind::User, "https://idp.examplea", "lice"),
            Evidence::new(EvidenceKind::User, "https://idp.example", "alicf"),
        ];
        for other in others {
            assert_ne!(keying.keys(&other).owner, keys.owner);
        }
    }
}
