//! A requirement as it is checked.

use std::time::Duration;

use portcullis_core::{Evidence, ReasonCode, Timestamp};

use super::Requirement;
use crate::{challenge::Wanted, reason};

/// How far ahead of ours the clock of an issuer may be.
const LEEWAY: Duration = Duration::from_secs(30);

/// A requirement as it is checked: everything that can be known when the layer is built is
/// known.
#[derive(Debug)]
pub(crate) struct Demand {
    requirement: Requirement,
    /// For each scope that is required, the scopes of which any one will do.
    sufficient: Vec<Vec<Box<str>>>,
    acr_values: Box<str>,
}

/// What a caller lacks. Of several things, the one that is hardest to get.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Shortfall {
    /// The authentication context class is another, or is not known.
    Acr,
    /// A method of authentication was not used, or is not known to have been.
    Amr,
    /// When the user authenticated is said to lie ahead.
    AuthTimeInFuture,
    /// When the user authenticated is not known.
    AuthTimeMissing,
    /// The user authenticated too long ago.
    AuthTooOld,
    /// A scope was not granted, and nothing else is lacking.
    Scope,
    /// The credential was issued too long ago, or does not say when.
    TokenTooOld,
    /// The credential is bound to no key.
    Unconstrained,
}

impl Demand {
    pub(super) fn new(requirement: Requirement, implied: &ImpliedScopes) -> Self {
        Self {
            sufficient: requirement
                .scopes
                .iter()
                .map(|scope| implied.sufficient_for(scope))
                .collect(),
            acr_values: requirement.acr_values().into(),
            requirement,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requirement.is_empty()
    }

    /// What a client is to ask its authorization server for.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            acr_values: &self.acr_values,
            max_age: self.requirement.max_age,
            scopes: &self.requirement.scopes,
        }
    }

    /// Whether a caller meets the requirement. Allocates nothing.
    ///
    /// A credential of another kind comes first, then strength: where it is lacking as well as a
    /// scope, one challenge can ask for both, and where it cannot be had, a scope would be of no use.
    /// A younger token comes last: whoever gets one for another reason has it.
    pub(super) fn check(&self, evidence: &Evidence, now: Timestamp) -> Result<(), Shortfall> {
        self.check_constraint(evidence)?;
        self.check_acr(evidence)?;
        self.check_amr(evidence)?;
        self.check_age(evidence, now)?;
        self.check_scopes(evidence)?;
        self.check_token_age(evidence, now)
    }

    fn check_token_age(&self, evidence: &Evidence, now: Timestamp) -> Result<(), Shortfall> {
        let Some(max_age) = self.requirement.max_token_age else {
            return Ok(());
        };
        // One that lies ahead has been refused by whoever read it, or is within the leeway.
        let is_young = evidence
            .issued_at()
            .is_some_and(|issued| now.saturating_since(issued) <= max_age + LEEWAY);
        (is_young || portcullis_core::sabotaged!("step_up.token_age"))
            .then_some(())
            .ok_or(Shortfall::TokenTooOld)
    }

    /// A principal's confirmation has been met: `authn` lets nobody in otherwise.
    fn check_constraint(&self, evidence: &Evidence) -> Result<(), Shortfall> {
        let is_met = !self.requirement.is_constrained || evidence.confirmation().is_some();
        (is_met || portcullis_core::sabotaged!("step_up.sender_constraint"))
            .then_some(())
            .ok_or(Shortfall::Unconstrained)
    }

    fn check_scopes(&self, evidence: &Evidence) -> Result<(), Shortfall> {
        let granted = evidence.scopes();
        let mut needed = self.sufficient.iter();
        let is_granted = needed.all(|any| any.iter().any(|scope| granted.contains(scope)));
        (is_granted || portcullis_core::sabotaged!("step_up.scopes"))
            .then_some(())
            .ok_or(Shortfall::Scope)
    }

    fn check_acr(&self, evidence: &Evidence) -> Result<(), Shortfall> {
        let mut allowed = self.requirement.acr.iter();
        let is_allowed = self.requirement.acr.is_empty()
            || evidence
                .acr()
                .is_some_and(|class| allowed.any(|allowed| **allowed == *class));
        (is_allowed || portcullis_core::sabotaged!("step_up.acr"))
            .then_some(())
            .ok_or(Shortfall::Acr)
    }

    fn check_amr(&self, evidence: &Evidence) -> Result<(), Shortfall> {
        let mut needed = self.requirement.amr.iter();
        let are_used = needed.all(|method| evidence.amr().any(|used| **method == *used));
        (are_used || portcullis_core::sabotaged!("step_up.amr"))
            .then_some(())
            .ok_or(Shortfall::Amr)
    }

    fn check_age(&self, evidence: &Evidence, now: Timestamp) -> Result<(), Shortfall> {
        let Some(max_age) = self.requirement.max_age else {
            return Ok(());
        };
        if portcullis_core::sabotaged!("step_up.age") {
            return Ok(());
        }
        let time = evidence.auth_time().ok_or(Shortfall::AuthTimeMissing)?;
        if time > now + LEEWAY {
            return Err(Shortfall::AuthTimeInFuture);
        }
        (now.saturating_since(time) <= max_age)
            .then_some(())
            .ok_or(Shortfall::AuthTooOld)
    }
}

impl Shortfall {
    pub(super) fn reason(self) -> ReasonCode {
        match self {
            Self::Acr => reason::ACR_INSUFFICIENT,
            Self::Amr => reason::AMR_INSUFFICIENT,
            Self::AuthTimeInFuture => reason::AUTH_TIME_IN_FUTURE,
            Self::AuthTimeMissing => reason::AUTH_TIME_MISSING,
            Self::AuthTooOld => reason::AUTH_TOO_OLD,
            Self::Scope => reason::SCOPE_MISSING,
            Self::TokenTooOld => reason::TOKEN_TOO_OLD,
            Self::Unconstrained => reason::SENDER_CONSTRAINT_MISSING,
        }
    }
}

/// Which scopes stand for others: the broader, then the narrower.
#[derive(Debug, Default)]
pub(super) struct ImpliedScopes(pub(super) Vec<(Box<str>, Box<str>)>);

impl ImpliedScopes {
    /// The scopes of which any one will do where `scope` is required, itself first.
    fn sufficient_for(&self, scope: &str) -> Vec<Box<str>> {
        let mut sufficient: Vec<Box<str>> = vec![scope.into()];
        let mut next = 0;
        while let Some(narrower) = sufficient.get(next).cloned() {
            for (broader, _) in self.0.iter().filter(|(_, implied)| *implied == narrower) {
                if !sufficient.contains(broader) {
                    sufficient.push(broader.clone());
                }
            }
            next += 1;
        }
        sufficient
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{EvidenceKind, Scopes};
    use proptest::{option, prelude::*, sample::select};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);

    fn alice() -> Evidence {
        Evidence::new(EvidenceKind::User, "i", "alice")
    }

    fn scoped(scopes: &str) -> Evidence {
        alice().with_scopes(Scopes::parse(scopes).unwrap())
    }

    fn check(requirement: Requirement, evidence: &Evidence) -> Result<(), Shortfall> {
        Demand::new(requirement, &ImpliedScopes::default()).check(evidence, NOW)
    }

    #[test]
    fn every_scope_has_to_be_granted() {
        let both = || Requirement::new().with_scopes("a b");
        for granted in ["a b", "b c a"] {
            assert_eq!(check(both(), &scoped(granted)), Ok(()), "{granted}");
        }
        for granted in ["", "a", "b", "A B", "a.b", "ab", "a bb"] {
            let lacking = check(both(), &scoped(granted));
            assert_eq!(lacking, Err(Shortfall::Scope), "{granted}");
        }
    }

    #[test]
    fn a_broader_scope_stands_for_a_narrower_one_and_not_the_other_way() {
        let pairs = [("all", "write"), ("write", "read"), ("read", "write")];
        let implied = ImpliedScopes(pairs.map(|(a, b)| (a.into(), b.into())).to_vec());
        let demand = |scope: &str| Demand::new(Requirement::new().with_scopes(scope), &implied);
        for granted in ["all", "write", "read"] {
            assert_eq!(
                demand("read").check(&scoped(granted), NOW),
                Ok(()),
                "{granted}"
            );
        }
        for granted in ["write", "read", "other"] {
            let lacking = demand("all").check(&scoped(granted), NOW);
            assert_eq!(lacking, Err(Shortfall::Scope), "{granted}");
        }
    }

    #[test]
    fn one_class_of_the_list_is_enough_and_no_other() {
        let listed = || Requirement::new().add_acr("phr").add_acr("2");
        for class in ["phr", "2"] {
            assert_eq!(check(listed(), &alice().with_acr(class)), Ok(()), "{class}");
        }
        // Neither a longer nor a "higher" one, nor two in one text.
        for class in ["phrh", "PHR", "phr ", "phr 2", "3", "10", "ph"] {
            let lacking = check(listed(), &alice().with_acr(class));
            assert_eq!(lacking, Err(Shortfall::Acr), "{class}");
        }
        assert_eq!(check(listed(), &alice()), Err(Shortfall::Acr));
    }

    #[test]
    fn every_method_has_to_have_been_used() {
        let both = || Requirement::new().add_amr("pwd").add_amr("otp");
        let used = |methods: &[&str]| methods.iter().fold(alice(), |e, m| e.add_amr(*m));
        assert_eq!(check(both(), &used(&["otp", "hwk", "pwd"])), Ok(()));
        for methods in [&[][..], &["pwd"], &["otp"], &["PWD", "otp"], &["pwd otp"]] {
            let lacking = check(both(), &used(methods));
            assert_eq!(lacking, Err(Shortfall::Amr), "{methods:?}");
        }
    }

    /// A hint says what to ask for. It lets nobody in, and keeps nobody out.
    #[test]
    fn a_hint_is_no_requirement() {
        let hinted = || Requirement::new().add_amr("otp").add_acr_hint("mfa");
        assert_eq!(check(hinted(), &alice().add_amr("otp")), Ok(()));
        let classed = alice().with_acr("mfa");
        assert_eq!(check(hinted(), &classed), Err(Shortfall::Amr));
        let demand = Demand::new(hinted(), &ImpliedScopes::default());
        assert_eq!(demand.wanted().acr_values, "mfa");
    }

    #[test]
    fn an_authentication_is_as_old_as_the_issuer_says() {
        let recent = || Requirement::new().with_max_age(Duration::from_secs(60));
        let at = |seconds: i64| {
            alice().with_auth_time(Timestamp::from_unix_seconds(NOW.unix_seconds() + seconds))
        };
        for seconds in [0, -1, -59, -60, 1, 30] {
            assert_eq!(check(recent(), &at(seconds)), Ok(()), "{seconds}");
        }
        for (seconds, shortfall) in [
            (-61, Shortfall::AuthTooOld),
            (-1_000_000, Shortfall::AuthTooOld),
            (31, Shortfall::AuthTimeInFuture),
            (i64::MAX / 2000, Shortfall::AuthTimeInFuture),
        ] {
            assert_eq!(check(recent(), &at(seconds)), Err(shortfall), "{seconds}");
        }
        // The time of issue is no substitute, however recent it is.
        let refreshed = at(-61).with_issued_at(NOW);
        assert_eq!(check(recent(), &refreshed), Err(Shortfall::AuthTooOld));
        let silent = alice().with_issued_at(NOW);
        assert_eq!(check(recent(), &silent), Err(Shortfall::AuthTimeMissing));
        // Where no age is asked for, none is needed.
        assert_eq!(check(Requirement::new(), &at(31)), Ok(()));
    }

    #[test]
    fn a_token_is_as_old_as_it_says() {
        let young = || Requirement::new().with_max_token_age(Duration::from_secs(60));
        let at = |seconds: i64| {
            alice().with_issued_at(Timestamp::from_unix_seconds(NOW.unix_seconds() + seconds))
        };
        for seconds in [0, -60, -90, 30] {
            assert_eq!(check(young(), &at(seconds)), Ok(()), "{seconds}");
        }
        for seconds in [-91, -1_000_000] {
            let lacking = check(young(), &at(seconds));
            assert_eq!(lacking, Err(Shortfall::TokenTooOld), "{seconds}");
        }
        // That the user was there a moment ago does not make the token young.
        let there = at(-91).with_auth_time(NOW);
        assert_eq!(check(young(), &there), Err(Shortfall::TokenTooOld));
        assert_eq!(check(young(), &alice()), Err(Shortfall::TokenTooOld));
        let scoped = young().with_scopes("a");
        assert_eq!(check(scoped, &at(-91)), Err(Shortfall::Scope));
    }

    #[test]
    fn strength_is_named_before_scopes() {
        let all = Requirement::new().with_scopes("a").add_acr("phr");
        assert_eq!(check(all.clone(), &alice()), Err(Shortfall::Acr));
        assert_eq!(check(all, &alice().with_acr("phr")), Err(Shortfall::Scope));
    }

    fn names() -> impl Strategy<Value = Vec<&'static str>> {
        proptest::collection::vec(select(vec!["a", "b", "ab", "A", "1", "2"]), 0..4)
    }

    proptest! {
        /// The decision, written a second time and in another way.
        #[test]
        fn a_requirement_is_met_exactly_if_every_part_is(
            scopes in names(), granted in names(), classes in names(), class in option::of(select(vec!["a", "b", "1"])),
            methods in names(), used in names(), max_age in option::of(1..100_u64), age in option::of(-100..200_i64),
        ) {
            let mut requirement = Requirement::new();
            if !scopes.is_empty() {
                requirement = requirement.with_scopes(scopes.join(" "));
            }
            requirement = classes.iter().fold(requirement, |r, class| r.add_acr(*class));
            requirement = methods.iter().fold(requirement, |r, method| r.add_amr(*method));
            if let Some(seconds) = max_age {
                requirement = requirement.with_max_age(Duration::from_secs(seconds));
            }
            let mut evidence = scoped(&granted.join(" "));
            evidence = used.iter().fold(evidence, |e, method| e.add_amr(*method));
            if let Some(class) = class {
                evidence = evidence.with_acr(class);
            }
            if let Some(age) = age {
                let seconds = NOW.unix_seconds() - age;
                evidence = evidence.with_auth_time(Timestamp::from_unix_seconds(seconds));
            }

            let has_scopes = scopes.iter().all(|scope| granted.contains(scope));
            let has_class = classes.is_empty() || class.is_some_and(|class| classes.contains(&class));
            let has_methods = methods.iter().all(|method| used.contains(method));
            let is_recent = match (max_age, age) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(most), Some(age)) => age >= -30 && age <= i64::try_from(most).unwrap(),
            };
            let met = check(requirement.clone(), &evidence).is_ok();
            prop_assert_eq!(met, has_scopes && has_class && has_methods && is_recent);

            // To ask for more never lets in more.
            if let Ok(both) = requirement.and(&Requirement::new().with_scopes("a").add_amr("b")) {
                prop_assert!(met || check(both, &evidence).is_err());
            }
        }
    }
}
