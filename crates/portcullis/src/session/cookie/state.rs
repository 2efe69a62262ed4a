//! What a session keeps of its cookie, sealed.

use portcullis_core::{Evidence, Timestamp};

use super::jar::is_same;

/// What a session keeps of its cookie.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::session) struct CookieState {
    /// The hash of the id that is good.
    pub(in crate::session) current: [u8; 32],
    /// The hash of the one before it, and when its grace ends.
    pub(in crate::session) previous: Option<([u8; 32], Timestamp)>,
    /// The latest authentication that the session had seen when the id was given out. One that is
    /// later has made the id void.
    pub(in crate::session) authenticated_at: Option<Timestamp>,
    /// By what whoever holds the id was let in.
    pub(in crate::session) evidence: Evidence,
}

impl CookieState {
    /// Whether the id of this hash is good at that time.
    pub(super) fn accepts(&self, hash: &[u8; 32], now: Timestamp) -> bool {
        let is_current = is_same(&self.current, hash);
        let is_previous = self.previous.as_ref().is_some_and(|(previous, until)| {
            is_same(previous, hash)
                && (now < *until || portcullis_core::sabotaged!("session.cookie_grace"))
        });
        is_current || is_previous || portcullis_core::sabotaged!("session.cookie_id")
    }

    /// Whether the id of this hash may be replaced: the one that is good, and no other.
    pub(super) fn may_replace(&self, hash: &[u8; 32]) -> bool {
        is_same(&self.current, hash) || portcullis_core::sabotaged!("session.cookie_rotation")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::EvidenceKind;

    use super::*;

    #[test]
    fn the_id_before_is_good_for_a_while_and_replaces_nothing() {
        let until = Timestamp::from_unix_seconds(10);
        let second = Duration::from_secs(1);
        let state = CookieState {
            current: [1; 32],
            previous: Some(([2; 32], until)),
            authenticated_at: None,
            evidence: Evidence::new(EvidenceKind::User, "i", "s"),
        };
        assert!(state.accepts(&[1; 32], until + second));
        assert!(state.accepts(&[2; 32], until - second));
        assert!(!state.accepts(&[2; 32], until));
        assert!(!state.accepts(&[3; 32], until - second));
        assert!(state.may_replace(&[1; 32]));
        assert!(!state.may_replace(&[2; 32]));
    }
}
