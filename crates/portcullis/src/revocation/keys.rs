//! What cut-offs are kept under.

use std::hash::Hasher as _;

use portcullis_core::{Evidence, RevocationKey, RevokedKey, Secret, entropy};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// Subject, client, grant, token, session and issuer, and the eight more that evidence may name.
const MAX_KEYS: usize = 6 + 8;

/// Makes the keys of cut-offs: keyed hashes, from which nothing can be read.
#[derive(Clone)]
pub(super) struct Keying([u8; 16]);

/// All keys of one credential, without an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    all: [RevokedKey; MAX_KEYS],
    len: usize,
}

impl Keying {
    pub(super) fn new() -> std::io::Result<Self> {
        entropy::bytes().map(Self)
    }

    /// With a key that outlasts the process. `None` if it is not 16 bytes.
    pub(super) fn with_key(key: &Secret) -> Option<Self> {
        key.expose().try_into().ok().map(Self)
    }

    pub(super) fn key(&self, key: &RevocationKey) -> RevokedKey {
        self.hash(key.kind(), key.values())
    }

    /// The keys of evidence: those of [`Evidence::revocation_keys`]. `None` if they are more
    /// than valid evidence has.
    pub(super) fn keys(&self, evidence: &Evidence) -> Option<Keys> {
        let (issuer, subject) = (evidence.issuer(), evidence.subject());
        let mut keys = Keys {
            all: [RevokedKey::from_u128(0); MAX_KEYS],
            len: 0,
        };
        keys.push(self.hash("subject", [issuer, subject]))?;
        if let Some(client) = evidence.client() {
            keys.push(self.hash("client", [issuer, client]))?;
            keys.push(self.hash("grant", [issuer, subject, client]))?;
        }
        if let Some(id) = evidence.token_id() {
            keys.push(self.hash("token", [issuer, id]))?;
        }
        if let Some(id) = evidence.session_id() {
            keys.push(self.hash("session", [issuer, id]))?;
        }
        keys.push(self.hash("issuer", [issuer]))?;
        let mut added = evidence.added_revocation_keys().iter();
        added.try_for_each(|key| keys.push(self.key(key)))?;
        Some(keys)
    }

    fn hash<'a>(&self, kind: &str, values: impl IntoIterator<Item = &'a str>) -> RevokedKey {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        let mut add = |text: &str| {
            // A length begins each, so that no two lists read alike.
            hasher.write_u64(text.len() as u64);
            hasher.write(text.as_bytes());
        };
        add(kind);
        values.into_iter().for_each(add);
        RevokedKey::from_u128(hasher.finish128().as_u128())
    }
}

impl Keys {
    pub(super) fn as_slice(&self) -> &[RevokedKey] {
        self.all.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, key: RevokedKey) -> Option<()> {
        *self.all.get_mut(self.len)? = key;
        self.len += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_core::EvidenceKind;

    use super::*;

    fn evidence() -> Evidence {
        Evidence::new(EvidenceKind::User, "i", "s")
            .with_client("c")
            .with_token_id("t")
            .with_session_id("n")
    }

    fn full() -> Evidence {
        (0..8).fold(evidence(), |evidence, n| {
            let id = n.to_string().into();
            evidence.add_revocation_key(RevocationKey::Credential("i".into(), id))
        })
    }

    #[test]
    fn are_those_of_the_evidence() {
        let keying = Keying::new().unwrap();
        for evidence in [
            Evidence::new(EvidenceKind::Client, "i", "s"),
            evidence(),
            full(),
        ] {
            let expected: Vec<_> = evidence
                .revocation_keys()
                .iter()
                .map(|key| keying.key(key))
                .collect();
            let keys = keying.keys(&evidence).unwrap();
            assert_eq!(keys.as_slice(), expected);
        }
        let one_more = RevocationKey::Token("i".into(), "t".into());
        assert!(keying.keys(&full().add_revocation_key(one_more)).is_none());
    }

    #[test]
    fn no_two_things_share_one() {
        use RevocationKey::{Client, Credential, Grant, Session, Subject, Token};
        let keying = Keying::new().unwrap();
        let text = |text: &str| Box::<str>::from(text);
        let pairs = [("i", "x"), ("ix", ""), ("", "ix"), ("x", "i")];
        let mut keys = Vec::new();
        for (issuer, value) in pairs {
            for make in [Client, Credential, Session, Subject, Token] {
                keys.push(make(text(issuer), text(value)));
            }
            keys.push(Grant(text(issuer), text(value), text("")));
            keys.push(Grant(text(issuer), text(""), text(value)));
        }
        let hashes: BTreeSet<_> = keys.iter().map(|key| keying.key(key)).collect();
        // `Grant("ix", "", "")` is there twice.
        assert_eq!(hashes.len(), keys.len() - 1);
        let other = Keying::new().unwrap();
        assert!(keys.iter().all(|key| !hashes.contains(&other.key(key))));
    }
}
