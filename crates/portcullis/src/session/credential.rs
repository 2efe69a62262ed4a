//! What a request was let in with, and until when that counts.

use portcullis_core::{EndReason, Scopes, Timestamp, Withdrawal};

use crate::Principal;

/// A credential that does not count for ever.
#[derive(Clone)]
pub(super) struct Credential {
    scopes: Scopes,
    not_after: Option<Timestamp>,
    withdrawal: Option<Withdrawal>,
}

impl Credential {
    /// That of a caller. `None` if it counts until somebody revokes it.
    pub(super) fn of(principal: &Principal) -> Option<Self> {
        let evidence = principal.evidence();
        let (not_after, withdrawal) = (evidence.not_after(), evidence.withdrawal());
        (not_after.is_some() || withdrawal.is_some()).then(|| Self {
            scopes: evidence.scopes().clone(),
            not_after,
            withdrawal: withdrawal.cloned(),
        })
    }

    /// Why it does not count any more.
    pub(super) fn over(&self, now: Timestamp) -> Option<EndReason> {
        let withdrawal = self.withdrawal.as_ref();
        if withdrawal.is_some_and(Withdrawal::is_withdrawn)
            && !portcullis_core::sabotaged!("session.withdrawn")
        {
            return Some(EndReason::Revoked);
        }
        let is_over = self.not_after.is_some_and(|end| end <= now);
        is_over.then_some(EndReason::CredentialExpired)
    }

    /// Whether it allows all that another one does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let mut scopes = other.scopes.iter();
        scopes.all(|scope| self.scopes.contains(scope))
    }

    /// Takes in one that allows the same and ends in the same way. Says whether it is one.
    pub(super) fn extend(&mut self, other: &Self) -> bool {
        if self.scopes != other.scopes || self.withdrawal != other.withdrawal {
            return false;
        }
        self.not_after = match (self.not_after, other.not_after) {
            (Some(one), Some(other)) => Some(one.max(other)),
            _ => None,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn credential(
        scopes: &str,
        seconds: Option<u64>,
        withdrawal: Option<&Withdrawal>,
    ) -> Credential {
        Credential {
            scopes: Scopes::parse(scopes).unwrap(),
            not_after: seconds.map(|seconds| NOW + Duration::from_secs(seconds)),
            withdrawal: withdrawal.cloned(),
        }
    }

    #[test]
    fn counts_until_its_end_or_until_it_is_taken_back() {
        let withdrawal = Withdrawal::new();
        let (with, without) = (
            credential("a", Some(1), Some(&withdrawal)),
            credential("a", None, Some(&withdrawal)),
        );
        assert_eq!((with.over(NOW), without.over(NOW)), (None, None));
        let later = NOW + Duration::from_secs(1);
        assert_eq!(with.over(later), Some(EndReason::CredentialExpired));
        assert_eq!(without.over(later), None);
        withdrawal.withdraw();
        for credential in [with, without] {
            assert_eq!(credential.over(NOW), Some(EndReason::Revoked));
        }
    }

    #[test]
    fn one_that_can_be_taken_back_by_itself_stays_apart() {
        let (one, other) = (Withdrawal::new(), Withdrawal::new());
        let mut first = credential("a", Some(1), Some(&one));
        assert!(!first.extend(&credential("a b", Some(2), Some(&one))));
        assert!(!first.extend(&credential("a", Some(2), Some(&other))));
        assert!(!first.extend(&credential("a", Some(2), None)));
        assert!(first.extend(&credential("a", Some(2), Some(&one))));
        assert_eq!(first.over(NOW + Duration::from_secs(1)), None);
        assert!(credential("a b", None, None).covers(&first));
        assert!(!first.covers(&credential("a b", None, None)));
    }
}
