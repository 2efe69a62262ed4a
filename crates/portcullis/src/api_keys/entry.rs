//! A key in the ring, and the decision about one that was presented.

use std::sync::Arc;

use portcullis_core::{
    Evidence, EvidenceKind, ReasonCode, Rejection, RevocationKey, Timestamp, Verdict, sabotaged,
};

use super::{
    Grant, KeyHash, StoredKey, Superseded,
    error::{KeyError, KeyErrorKind},
    format::KeyId,
};

const EXPIRED: ReasonCode = ReasonCode::new("api_key_expired");
const NOT_YET_VALID: ReasonCode = ReasonCode::new("api_key_not_yet_valid");
const SECRET: ReasonCode = ReasonCode::new("api_key_secret");
const SUPERSEDED: ReasonCode = ReasonCode::new("api_key_superseded");
const UNKNOWN: ReasonCode = ReasonCode::new("api_key_unknown");

/// A key in the ring, with the evidence that each of its secrets is answered with.
pub(super) struct Entry {
    stored: StoredKey,
    evidence: Arc<Evidence>,
    /// What the secret before the present one is answered with.
    superseded: Option<Arc<Evidence>>,
}

impl Entry {
    /// Checks a key and derives its evidence once, so that no request has to.
    pub(super) fn new(stored: StoredKey, issuer: &str) -> Result<(KeyId, Self), KeyError> {
        let invalid = |problem: String| KeyError::new(KeyErrorKind::Invalid, problem);
        // The id is not shown before it is known to be one: it could be a whole key.
        let id = KeyId::parse(stored.id()).ok_or_else(|| {
            invalid("the id of a key is 15 letters and digits; give it as it was issued".into())
        })?;
        let grant = stored.grant();
        check_grant(grant)
            .map_err(|problem| invalid(format!("key `{}`: {problem}", id.as_str())))?;

        let of = |issued_at, not_after| evidence(grant, issuer, stored.id(), issued_at, not_after);
        let evidence = of(stored.issued_at(), grant.expires_at());
        evidence.validate().map_err(|error| {
            let id = id.as_str();
            invalid(format!("key `{id}`: {error}; name its owner otherwise"))
        })?;
        let superseded = stored.superseded().map(|old| {
            // The old secret ends with the overlap, or with the key if that is sooner.
            let end = grant
                .expires_at()
                .map_or(old.until(), |end| end.min(old.until()));
            Arc::new(of(old.issued_at(), Some(end)))
        });
        let entry = Self {
            evidence: Arc::new(evidence),
            superseded,
            stored,
        };
        Ok((id, entry))
    }

    pub(super) fn stored(&self) -> &StoredKey {
        &self.stored
    }

    /// The evidence for a secret that matched, if its time is now.
    fn accept(
        &self,
        evidence: &Arc<Evidence>,
        ends: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Arc<Evidence>, ReasonCode> {
        let grant = self.stored.grant();
        if grant.is_over(now) && !sabotaged!("api_key.expiry") {
            return Err(EXPIRED);
        }
        if grant.is_early(now) {
            return Err(NOT_YET_VALID);
        }
        if ends.is_some_and(|end| now >= end) && !sabotaged!("api_key.overlap") {
            return Err(SUPERSEDED);
        }
        Ok(Arc::clone(evidence))
    }
}

/// Decides about a key that was presented, given the entry of its id and its hash.
///
/// An unknown id does the same work as a known one: `nobody`, a hash that is nobody's, stands
/// for each hash that is not there, and no comparison is skipped. The hash itself is computed
/// before this is called, whatever the id.
pub(super) fn judge(
    entry: Option<&Entry>,
    presented: &[u8; 32],
    nobody: &KeyHash,
    now: Timestamp,
) -> Verdict {
    let superseded = entry.and_then(|entry| entry.stored.superseded());
    let is_present = entry
        .map_or(nobody, |entry| entry.stored.hash())
        .matches(presented);
    let is_superseded = superseded
        .map_or(nobody, Superseded::hash)
        .matches(presented);

    let decided = match entry {
        None => Err(UNKNOWN),
        Some(entry) if is_present || sabotaged!("api_key.secret") => {
            entry.accept(&entry.evidence, None, now)
        }
        Some(entry) => match (&entry.superseded, is_superseded) {
            (Some(evidence), true) => {
                entry.accept(evidence, superseded.map(Superseded::until), now)
            }
            _ => Err(SECRET),
        },
    };
    match decided {
        Ok(evidence) => Verdict::Accept(evidence),
        Err(reason) => Verdict::Reject(Rejection::invalid_token(reason)),
    }
}

/// Refuses what could never be used or could be mistaken for another. Empty and unprintable
/// names are found by `Evidence::validate`.
fn check_grant(grant: &Grant) -> Result<(), &'static str> {
    if grant.not_before().is_some_and(|start| grant.is_over(start)) {
        return Err("the key ends before it begins; move `with_expires_at` later");
    }
    if grant
        .user()
        .is_some_and(|user| user.starts_with("application:"))
    {
        return Err(
            "the user's name begins with `application:`, as subjects of applications do; \
             use `for_application` or another name",
        );
    }
    Ok(())
}

fn evidence(
    grant: &Grant,
    issuer: &str,
    id: &str,
    issued_at: Option<Timestamp>,
    not_after: Option<Timestamp>,
) -> Evidence {
    let mut evidence = Evidence::new(EvidenceKind::Standing, issuer, grant.subject())
        .with_scopes(grant.scopes().clone())
        .add_revocation_key(RevocationKey::Credential(issuer.into(), id.into()));
    if let Some(application) = grant.application() {
        evidence = evidence.with_client(application);
    }
    if let Some(time) = issued_at {
        evidence = evidence.with_issued_at(time);
    }
    if let Some(time) = not_after {
        evidence = evidence.with_not_after(time);
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789ABCde";
    const PRESENT: [u8; 32] = [1; 32];
    const OLD: [u8; 32] = [2; 32];
    const NOBODY: [u8; 32] = [3; 32];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    /// From 100 until 200; rotated at 150, and the old secret works until 160.
    fn rotated() -> Entry {
        let grant = Grant::for_application("reporting")
            .with_not_before(at(100))
            .with_expires_at(at(200));
        let stored = StoredKey::new(ID, KeyHash::from_bytes(PRESENT), grant)
            .with_issued_at(at(150))
            .with_superseded(
                Superseded::new(KeyHash::from_bytes(OLD), at(160)).with_issued_at(at(90)),
            );
        Entry::new(stored, "keys").unwrap().1
    }

    fn outcome(entry: Option<&Entry>, presented: [u8; 32], now: Timestamp) -> &'static str {
        match judge(entry, &presented, &KeyHash::from_bytes(NOBODY), now) {
            Verdict::Accept(_) => "accept",
            Verdict::Reject(rejection) => rejection.reason().as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn decides_by_secret_then_time() {
        let entry = rotated();
        let before = |time| time - std::time::Duration::from_millis(1);
        for (presented, now, expected) in [
            (PRESENT, before(at(100)), "api_key_not_yet_valid"),
            (PRESENT, at(100), "accept"),
            (PRESENT, before(at(200)), "accept"),
            (PRESENT, at(200), "api_key_expired"),
            (PRESENT, Timestamp::MAX, "api_key_expired"),
            (OLD, before(at(100)), "api_key_not_yet_valid"),
            (OLD, before(at(160)), "accept"),
            (OLD, at(160), "api_key_superseded"),
            (OLD, at(200), "api_key_expired"),
            // Whoever has not the secret is not told about times.
            ([9; 32], before(at(100)), "api_key_secret"),
            ([9; 32], at(150), "api_key_secret"),
            ([9; 32], at(200), "api_key_secret"),
            (NOBODY, at(150), "api_key_secret"),
        ] {
            assert_eq!(outcome(Some(&entry), presented, now), expected, "{now}");
        }
    }

    #[test]
    fn the_hash_that_is_nobodys_opens_nothing() {
        assert_eq!(outcome(None, NOBODY, at(150)), "api_key_unknown");
        assert_eq!(outcome(None, PRESENT, at(150)), "api_key_unknown");
        let stored = StoredKey::new(ID, KeyHash::from_bytes(PRESENT), Grant::for_user("alice"));
        let (_, never_rotated) = Entry::new(stored, "keys").unwrap();
        assert_eq!(
            outcome(Some(&never_rotated), NOBODY, at(0)),
            "api_key_secret"
        );
    }

    #[test]
    fn a_superseded_secret_ends_with_its_overlap() {
        let entry = rotated();
        assert_eq!(entry.evidence.not_after(), Some(at(200)));
        assert_eq!(entry.evidence.issued_at(), Some(at(150)));
        let old = entry.superseded.unwrap();
        assert_eq!(old.not_after(), Some(at(160)));
        assert_eq!(old.issued_at(), Some(at(90)));
    }

    #[test]
    fn a_superseded_secret_does_not_outlive_the_key() {
        let grant = Grant::for_user("alice").with_expires_at(at(200));
        let stored = StoredKey::new(ID, KeyHash::from_bytes(PRESENT), grant)
            .with_superseded(Superseded::new(KeyHash::from_bytes(OLD), at(300)));
        let (_, entry) = Entry::new(stored, "keys").unwrap();
        assert_eq!(outcome(Some(&entry), OLD, at(200)), "api_key_expired");
        assert_eq!(entry.superseded.unwrap().not_after(), Some(at(200)));
    }

    #[test]
    fn says_whose_key_it_is() {
        let of = |grant| {
            let stored = StoredKey::new(ID, KeyHash::from_bytes(PRESENT), grant);
            let evidence = Entry::new(stored, "keys").unwrap().1.evidence;
            assert_eq!(evidence.kind(), EvidenceKind::Standing);
            assert_eq!(evidence.issuer(), "keys");
            assert_eq!(evidence.token_id(), None);
            let credential = RevocationKey::Credential("keys".into(), ID.into());
            assert!(evidence.revocation_keys().contains(&credential));
            (
                evidence.subject().to_owned(),
                evidence.client().map(str::to_owned),
            )
        };
        assert_eq!(of(Grant::for_user("alice")), ("alice".into(), None));
        assert_eq!(
            of(Grant::for_user("alice").with_application("reporting")),
            ("alice".into(), Some("reporting".into()))
        );
        // Not the user who is called `alice`.
        assert_eq!(
            of(Grant::for_application("alice")),
            ("application:alice".into(), Some("alice".into()))
        );
    }

    #[test]
    fn refuses_a_key_that_could_never_serve() {
        let user = || Grant::for_user("alice");
        let times = |start, end| user().with_not_before(at(start)).with_expires_at(at(end));
        for (id, grant) in [
            ("", user()),
            ("0123456789ABCd", user()),
            ("0123456789ABCdef", user()),
            ("0123456789ABC_e", user()),
            ("0123456789AB\u{e4}e", user()),
            (ID, Grant::for_user("")),
            (ID, Grant::for_user("a\nb")),
            (ID, Grant::for_user("a".repeat(5000))),
            (ID, Grant::for_user("application:reporting")),
            (ID, Grant::for_application("")),
            (ID, user().with_application("")),
            (ID, times(100, 100)),
            (ID, times(100, 99)),
        ] {
            let stored = StoredKey::new(id, KeyHash::from_bytes(PRESENT), grant);
            let shown = format!("{stored:?}");
            let error = Entry::new(stored, "keys").err().expect(&shown);
            assert_eq!(error.kind(), KeyErrorKind::Invalid, "{shown}");
        }
        let stored = StoredKey::new(ID, KeyHash::from_bytes(PRESENT), times(100, 101));
        assert!(Entry::new(stored, "keys").is_ok());
    }
}
