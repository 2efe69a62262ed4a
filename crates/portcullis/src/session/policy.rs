//! How long sessions last.

use std::time::Duration;

use portcullis_core::{EndReason, EvidenceKind, Timestamp, sabotaged};

/// What becomes of an answer that runs when the credential expires that it was asked for with, and
/// no later one of the same session covers it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum AtExpiry {
    /// It may run to its end, as long as its session lives. New requests need a new credential, and
    /// so do calls ([`authorize`](crate::authorize)). It is no activity any more: a stream does not
    /// keep a session for which nobody has shown a credential since.
    AllowFinish,
    /// It is cut, after the [grace](super::SessionBuilder::with_grace) if there is one.
    #[default]
    CutAtExp,
}

/// The settings that the rules need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// How long a session may be inactive.
    pub(super) idle: Duration,
    /// How long it may last.
    pub(super) absolute: Duration,
    /// How many a principal may have at once.
    pub(super) limit: Option<u32>,
    /// How long one request counts as activity.
    pub(super) max_running: Duration,
    /// Whether a token that was issued later opens a user's session again where the issuer
    /// says nothing of when the user authenticated.
    pub(super) reopens_by_issue: bool,
    /// For how long something may run of which nobody can say whether its session lives.
    pub(super) max_unconfirmed: Option<Duration>,
    /// How long ago a user may have authenticated.
    pub(super) reauthentication: Option<Duration>,
    pub(super) at_expiry: AtExpiry,
    /// For how long something may run on when its time is up.
    pub(super) grace: Duration,
    /// The same when it was ended or revoked.
    pub(super) grace_after_revocation: Duration,
    /// How many answers of a principal may stream at once.
    pub(super) max_streams: Option<u32>,
}

impl Policy {
    /// For how long something may run on that is over for this reason.
    pub(super) fn grace_after(&self, reason: EndReason) -> Duration {
        match reason {
            EndReason::Absolute
            | EndReason::CredentialExpired
            | EndReason::Idle
            | EndReason::Reauthentication => self.grace,
            EndReason::Ended | EndReason::Revoked if sabotaged!("session.grace_revoked") => {
                self.grace
            }
            EndReason::Ended | EndReason::Revoked => self.grace_after_revocation,
            _ => Duration::ZERO,
        }
    }

    /// When the last authentication of a user is too old for anything more. Where nobody says when
    /// it was, it is.
    pub(super) fn stale_at(&self, kind: EvidenceKind, at: Option<Timestamp>) -> Option<Timestamp> {
        let interval = self.reauthentication?;
        let is_meant = kind == EvidenceKind::User && !sabotaged!("session.reauthentication");
        is_meant.then(|| at.map_or(Timestamp::UNIX_EPOCH, |at| at + interval))
    }

    /// Whether it is too old by now.
    pub(super) fn is_stale(
        &self,
        kind: EvidenceKind,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        self.stale_at(kind, at)
            .is_some_and(|stale_at| now >= stale_at)
    }
}

impl Default for Policy {
    /// An hour and a day: what NIST SP 800-63B-4 recommends for AAL2 at most.
    fn default() -> Self {
        Self {
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(24),
            limit: Some(100),
            max_running: Duration::from_hours(1),
            reopens_by_issue: false,
            max_unconfirmed: None,
            reauthentication: None,
            at_expiry: AtExpiry::default(),
            grace: Duration::ZERO,
            grace_after_revocation: Duration::ZERO,
            max_streams: None,
        }
    }
}

/// For how long a session counts that nobody has answered in yet.
pub(super) const PROVISIONAL: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_revoked_has_a_grace_of_its_own() {
        let policy = Policy {
            grace: Duration::from_secs(5),
            ..Policy::default()
        };
        for (reason, seconds) in [
            (EndReason::Absolute, 5),
            (EndReason::CredentialExpired, 5),
            (EndReason::Ended, 0),
            (EndReason::Idle, 5),
            (EndReason::Reauthentication, 5),
            (EndReason::Revoked, 0),
            (EndReason::Shutdown, 0),
            (EndReason::Unconfirmed, 0),
        ] {
            assert_eq!(policy.grace_after(reason).as_secs(), seconds, "{reason:?}");
            assert!(Policy::default().grace_after(reason).is_zero());
        }
    }
}
