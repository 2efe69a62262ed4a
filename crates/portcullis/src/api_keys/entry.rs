//! What a key is answered with, and the decision about one that was presented.

use std::{num::NonZeroU32, sync::Arc};

use portcullis_core::{
    Evidence, EvidenceKind, ReasonCode, Rejection, RevocationKey, Timestamp, Verdict, sabotaged,
};

use super::{
    Grant, KeyHash, KeyLimit, StoredKey, Superseded,
    error::{KeyError, KeyErrorKind},
    format::KeyId,
};
use crate::gcra::{Rate, Unusable};

pub(super) const EXPIRED: ReasonCode = ReasonCode::new("api_key_expired");
pub(super) const NOT_YET_VALID: ReasonCode = ReasonCode::new("api_key_not_yet_valid");
pub(super) const REVOKED: ReasonCode = ReasonCode::new("api_key_revoked");
const SECRET: ReasonCode = ReasonCode::new("api_key_secret");
pub(super) const SUPERSEDED: ReasonCode = ReasonCode::new("api_key_superseded");
pub(super) const UNUSABLE: ReasonCode = ReasonCode::new("api_key_unusable");
pub(super) const UNKNOWN: ReasonCode = ReasonCode::new("api_key_unknown");

/// What a key is answered with: derived once, so that no request has to.
pub(super) struct Entry {
    stored: Arc<StoredKey>,
    evidence: Arc<Evidence>,
    /// What the secret before the present one is answered with.
    superseded: Option<Arc<Evidence>>,
    /// How often the key may be used.
    rate: Option<Rate>,
}

/// A key whose secret has matched and whose time is now.
pub(super) struct Good {
    pub(super) id: KeyId,
    pub(super) entry: Arc<Entry>,
    pub(super) matched: Match,
}

/// Which of its secrets a key was presented with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Match {
    Present,
    Superseded,
}

impl Entry {
    /// Checks a key and derives its evidence.
    pub(super) fn new(stored: Arc<StoredKey>, issuer: &str) -> Result<(KeyId, Self), KeyError> {
        let invalid = |problem: String| KeyError::new(KeyErrorKind::Invalid, problem);
        // The id is not shown before it is known to be one: it could be a whole key.
        let id = KeyId::parse(stored.id()).ok_or_else(|| {
            invalid("the id of a key is 15 letters and digits; give it as it was issued".into())
        })?;
        let grant = stored.grant();
        let rate = check_grant(grant)
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
            rate,
            stored,
        };
        Ok((id, entry))
    }

    /// Whether there can be such a key.
    pub(super) fn check(stored: &StoredKey, issuer: &str) -> Result<KeyId, KeyError> {
        Self::new(Arc::new(stored.clone()), issuer).map(|(id, _)| id)
    }

    pub(super) fn stored(&self) -> &Arc<StoredKey> {
        &self.stored
    }

    /// How often the key may be used.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// The evidence for the secret that matched.
    pub(super) fn evidence(&self, matched: Match) -> Arc<Evidence> {
        let old = self.superseded.as_ref();
        Arc::clone(match matched {
            Match::Present => &self.evidence,
            Match::Superseded => old.unwrap_or(&self.evidence),
        })
    }

    /// Whether what was derived is that of this key as well, which was read again.
    pub(super) fn is_of(&self, stored: &Arc<StoredKey>) -> bool {
        if Arc::ptr_eq(&self.stored, stored) {
            return true;
        }
        let terms = |key: &StoredKey| {
            let old = key.superseded().map(|old| (old.issued_at(), old.until()));
            (key.issued_at(), old)
        };
        self.stored.id() == stored.id()
            && self.stored.grant() == stored.grant()
            && terms(&self.stored) == terms(stored)
    }
}

/// Decides about a key that was presented, given what is kept under its id, and its hash.
///
/// An unknown id does the same work as a known one: `nobody`, a hash that is nobody's, stands
/// for each hash that is not there, and no comparison is skipped. The hash itself is computed
/// before this is called, whatever the id.
pub(super) fn judge(
    stored: Option<&StoredKey>,
    presented: &[u8; 32],
    nobody: &KeyHash,
    now: Timestamp,
) -> Result<Match, ReasonCode> {
    let superseded = stored.and_then(StoredKey::superseded);
    let is_present = stored.map_or(nobody, StoredKey::hash).matches(presented);
    let is_superseded = superseded
        .map_or(nobody, Superseded::hash)
        .matches(presented);

    match (stored, superseded) {
        (None, _) => Err(UNKNOWN),
        (Some(stored), _) if is_present || sabotaged!("api_key.secret") => {
            check_times(stored, None, now)?;
            Ok(Match::Present)
        }
        (Some(stored), Some(old)) if is_superseded => {
            check_times(stored, Some(old.until()), now)?;
            Ok(Match::Superseded)
        }
        _ => Err(SECRET),
    }
}

/// Whether the time of a secret that matched is now.
fn check_times(
    stored: &StoredKey,
    ends: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), ReasonCode> {
    let grant = stored.grant();
    if stored.revoked_at().is_some() && !sabotaged!("api_key.revoked") {
        return Err(REVOKED);
    }
    if grant.is_over(now) && !sabotaged!("api_key.expiry") {
        return Err(EXPIRED);
    }
    if grant.is_early(now) && !sabotaged!("api_key.begin") {
        return Err(NOT_YET_VALID);
    }
    if ends.is_some_and(|end| now >= end) && !sabotaged!("api_key.overlap") {
        return Err(SUPERSEDED);
    }
    Ok(())
}

/// Refuses what could never be used or could be mistaken for another. Empty and unprintable
/// names are found by `Evidence::validate`.
fn check_grant(grant: &Grant) -> Result<Option<Rate>, &'static str> {
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
    grant.limit().map(rate_of).transpose()
}

fn rate_of(limit: KeyLimit) -> Result<Rate, &'static str> {
    let burst = NonZeroU32::new(limit.requests())
        .ok_or("`with_limit` allows no request; give at least one, or issue no key")?;
    Rate::new(burst, limit.period() / burst.get()).map_err(|unusable| match unusable {
        Unusable::TooFast => {
            "`with_limit` allows more than a thousand million requests a second, which is no \
             limit; lower it, or leave it out"
        }
        Unusable::TooSlow => "`with_limit` has a period of more than a year; shorten it",
    })
}

/// The answer to a bad key.
pub(super) fn reject(reason: ReasonCode) -> Verdict {
    Verdict::Reject(Rejection::invalid_token(reason))
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
    use std::time::Duration;

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
        entry(stored)
    }

    fn entry(stored: StoredKey) -> Entry {
        Entry::new(Arc::new(stored), "keys").unwrap().1
    }

    fn outcome(entry: Option<&Entry>, presented: [u8; 32], now: Timestamp) -> &'static str {
        let stored = entry.map(|entry| &**entry.stored());
        match judge(stored, &presented, &KeyHash::from_bytes(NOBODY), now) {
            Ok(_) => "accept",
            Err(reason) => reason.as_str(),
        }
    }

    #[test]
    fn decides_by_secret_then_time() {
        let entry = rotated();
        let before = |time| time - Duration::from_millis(1);
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
        let never_rotated = entry(stored);
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
        let entry = entry(stored);
        assert_eq!(outcome(Some(&entry), OLD, at(200)), "api_key_expired");
        assert_eq!(entry.superseded.unwrap().not_after(), Some(at(200)));
    }

    #[test]
    fn a_revoked_key_is_over_with_all_its_secrets() {
        let revoked = (*rotated().stored).clone().with_revoked_at(at(999));
        let revoked = entry(revoked);
        for (presented, now, expected) in [
            (PRESENT, at(150), "api_key_revoked"),
            (OLD, at(150), "api_key_revoked"),
            (PRESENT, at(200), "api_key_revoked"),
            // Whoever has not the secret is not told.
            ([9; 32], at(150), "api_key_secret"),
        ] {
            assert_eq!(outcome(Some(&revoked), presented, now), expected, "{now}");
        }
    }

    #[test]
    fn what_was_derived_is_used_for_the_same_terms_only() {
        let entry = rotated();
        let again = || (*entry.stored).clone();
        assert!(entry.is_of(&Arc::new(again())));
        assert!(entry.is_of(&Arc::new(again().with_last_used_at(at(1)))));
        let old = || Superseded::new(KeyHash::from_bytes(OLD), at(160));
        for other in [
            again().with_grant(Grant::for_application("other")),
            again().with_issued_at(at(151)),
            again().without_superseded(),
            again().with_superseded(old()),
            again().with_superseded(
                Superseded::new(KeyHash::from_bytes(OLD), at(161)).with_issued_at(at(90)),
            ),
        ] {
            assert!(!entry.is_of(&Arc::new(other)));
        }
    }

    #[test]
    fn says_whose_key_it_is() {
        let of = |grant| {
            let stored = StoredKey::new(ID, KeyHash::from_bytes(PRESENT), grant);
            let evidence = entry(stored).evidence(Match::Present);
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
            (ID, user().with_limit(0, Duration::from_secs(60))),
            (ID, user().with_limit(1, Duration::ZERO)),
            (ID, user().with_limit(u32::MAX, Duration::from_secs(1))),
            (ID, user().with_limit(1, Duration::from_secs(400 * 86_400))),
        ] {
            let stored = StoredKey::new(id, KeyHash::from_bytes(PRESENT), grant);
            let shown = format!("{stored:?}");
            let error = Entry::check(&stored, "keys").err().expect(&shown);
            assert_eq!(error.kind(), KeyErrorKind::Invalid, "{shown}");
        }
        let stored = StoredKey::new(ID, KeyHash::from_bytes(PRESENT), times(100, 101));
        assert!(Entry::check(&stored, "keys").is_ok());
    }
}
