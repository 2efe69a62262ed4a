//! How often a client has been sent round in vain.
//!
//! Some clients ignore what a challenge asks for and fetch a token like the one they had; some
//! authorization servers cannot give what is asked for. Each new token is then challenged like
//! the one before, for ever. So it is remembered, for a while, whom which challenge has not
//! helped. What is remembered changes the answer alone: nobody passes by it, and nobody who
//! meets the requirement is stopped by it.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    ptr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use portcullis_core::{Evidence, Timestamp};

use super::demand::{Demand, Shortfall};

/// How many new tokens are challenged one after the other.
pub(super) const CHALLENGES: u8 = 3;
/// How long after its last challenge a caller is remembered.
pub(super) const MEMORY: Duration = Duration::from_secs(300);
/// How many are remembered. All of them have shown a good credential.
const MOST: usize = 10_000;

/// Who has been challenged for what.
#[derive(Default)]
pub(super) struct Rounds {
    hasher: RandomState,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// By a keyed hash of requirement, issuer, subject and client. Two that share one could
    /// only share an answer that is less helpful.
    rounds: HashMap<u64, Round>,
    /// When something of a full table can be forgotten.
    sweep_at: Option<Instant>,
}

struct Round {
    challenges: u8,
    /// When the newest token was issued that did not help.
    issued_at: Timestamp,
    auth_time: Option<Timestamp>,
    forget_at: Instant,
}

impl Rounds {
    /// Whether another challenge would be in vain. Otherwise it is counted, if the token is a
    /// new one: who sends the same token again is told the same again.
    pub(super) fn is_in_vain(
        &self,
        demand: &Demand,
        shortfall: Shortfall,
        evidence: &Evidence,
        at: Instant,
    ) -> bool {
        // A token that does not say when it was issued cannot be told from the one before.
        let Some(issued_at) = evidence.issued_at() else {
            return false;
        };
        let is_strength = !matches!(
            shortfall,
            Shortfall::Scope | Shortfall::TokenTooOld | Shortfall::Unconstrained
        );
        let key = self.hasher.hash_one((
            ptr::from_ref(demand).addr(),
            (!is_strength).then_some(shortfall),
            evidence.issuer(),
            evidence.subject(),
            evidence.client(),
        ));
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(round) = table.round(key, at) else {
            return false;
        };
        // A user who has authenticated since then has done as was asked, and is only too late
        // once more.
        let has_helped = round.challenges > 0
            && shortfall == Shortfall::AuthTooOld
            && evidence.auth_time() > round.auth_time;
        if round.challenges == 0 || has_helped {
            round.challenges = 1;
        } else if issued_at > round.issued_at {
            round.challenges = round.challenges.saturating_add(1);
        }
        round.issued_at = round.issued_at.max(issued_at);
        round.auth_time = round.auth_time.max(evidence.auth_time());
        round.forget_at = at + MEMORY;
        round.challenges > CHALLENGES
    }
}

impl Table {
    /// The round of a caller; a new one, if it was forgotten. `None` if the table is full:
    /// then a caller is challenged without being remembered.
    fn round(&mut self, key: u64, at: Instant) -> Option<&mut Round> {
        if !self.rounds.contains_key(&key) && self.rounds.len() >= MOST {
            if self.sweep_at.is_some_and(|then| at < then) {
                return None;
            }
            self.rounds.retain(|_, round| round.forget_at > at);
            self.sweep_at = self.rounds.values().map(|round| round.forget_at).min();
            if self.rounds.len() >= MOST {
                return None;
            }
        }
        let fresh = || Round {
            challenges: 0,
            issued_at: Timestamp::from_unix_millis(i64::MIN),
            auth_time: None,
            forget_at: at + MEMORY,
        };
        let round = self.rounds.entry(key).or_insert_with(fresh);
        if round.forget_at <= at {
            *round = fresh();
        }
        Some(round)
    }
}

impl fmt::Debug for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rounds").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Clock as _, EvidenceKind, SystemClock};

    use super::*;
    use crate::step_up::{Requirement, demand::ImpliedScopes};

    fn demand() -> Demand {
        let requirement = Requirement::new().with_scopes("a").add_acr("phr");
        Demand::new(requirement, &ImpliedScopes::default())
    }

    fn token(subject: &str, issued_at: i64) -> Evidence {
        Evidence::new(EvidenceKind::User, "i", subject)
            .with_issued_at(Timestamp::from_unix_seconds(issued_at))
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_fourth_new_token_that_lacks_the_same_is_not_sent_round_again() {
        let (rounds, demand, start) = (Rounds::default(), demand(), SystemClock::new().instant());
        let ask = |subject, issued_at| {
            rounds.is_in_vain(&demand, Shortfall::Acr, &token(subject, issued_at), start)
        };
        for issued_at in [10, 20, 30] {
            for _ in 0..5 {
                assert!(!ask("alice", issued_at), "{issued_at}, again and again");
            }
        }
        assert!(ask("alice", 40));
        assert!(ask("alice", 40));
        // What is older than one that was seen is no attempt either.
        assert!(ask("alice", 15));
        assert!(!ask("bob", 40), "another caller");
        let scope = rounds.is_in_vain(&demand, Shortfall::Scope, &token("alice", 40), start);
        assert!(!scope, "another challenge");
        let other = Demand::new(Requirement::new().add_acr("phr"), &ImpliedScopes::default());
        let other = rounds.is_in_vain(&other, Shortfall::Acr, &token("alice", 40), start);
        assert!(!other, "another requirement");
    }

    #[test]
    fn two_devices_with_a_token_each_are_not_counted_against_each_other() {
        let (rounds, demand, start) = (Rounds::default(), demand(), SystemClock::new().instant());
        for _ in 0..10 {
            for issued_at in [20, 10] {
                let token = token("alice", issued_at);
                assert!(!rounds.is_in_vain(&demand, Shortfall::Acr, &token, start));
            }
        }
    }

    #[test]
    fn it_is_forgotten() {
        let (rounds, demand, start) = (Rounds::default(), demand(), SystemClock::new().instant());
        let ask = |issued_at, seconds| {
            let token = token("alice", issued_at);
            rounds.is_in_vain(&demand, Shortfall::Acr, &token, at(start, seconds))
        };
        for issued_at in 1..=3 {
            assert!(!ask(issued_at, 0));
        }
        assert!(ask(4, 299));
        assert!(
            ask(5, 598),
            "five minutes after the last, not after the first"
        );
        assert!(!ask(6, 898));
    }

    #[test]
    fn a_user_who_authenticates_again_each_time_does_as_is_asked() {
        let (rounds, demand, start) = (Rounds::default(), demand(), SystemClock::new().instant());
        let ask = |seconds: i64, shortfall| {
            let token =
                token("alice", seconds).with_auth_time(Timestamp::from_unix_seconds(seconds - 1));
            rounds.is_in_vain(&demand, shortfall, &token, start)
        };
        for seconds in 1..=10 {
            assert!(!ask(seconds, Shortfall::AuthTooOld), "{seconds}");
        }
        // But a class that never comes does not come by that.
        let vain: Vec<_> = (11..=15).map(|s| ask(s, Shortfall::Acr)).collect();
        assert_eq!(vain, [false, false, true, true, true]);
    }

    #[test]
    fn a_token_without_a_time_of_issue_is_not_counted() {
        let (rounds, demand, start) = (Rounds::default(), demand(), SystemClock::new().instant());
        let token = Evidence::new(EvidenceKind::User, "i", "alice");
        for _ in 0..10 {
            assert!(!rounds.is_in_vain(&demand, Shortfall::Acr, &token, start));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (rounds, demand, start) = (Rounds::default(), demand(), SystemClock::new().instant());
        let len = || rounds.table.lock().unwrap().rounds.len();
        for n in 0..MOST + 100 {
            let token = token(&n.to_string(), 1);
            assert!(!rounds.is_in_vain(&demand, Shortfall::Acr, &token, start));
        }
        assert_eq!(len(), MOST);
        // Who is known is still counted, and the others come in once those are forgotten.
        let known =
            |issued_at| rounds.is_in_vain(&demand, Shortfall::Acr, &token("0", issued_at), start);
        assert_eq!([known(2), known(3), known(4)], [false, false, true]);
        let late = token("late", 1);
        assert!(!rounds.is_in_vain(&demand, Shortfall::Acr, &late, at(start, 301)));
        assert_eq!(len(), 1);
    }
}
