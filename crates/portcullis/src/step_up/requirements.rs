//! All requirements of one layer, and what is answered where one is not met.

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::{HeaderValue, StatusCode, request::Parts};
use portcullis_core::{Evidence, EvidenceKind, ReasonCode, Timestamp};

use super::{
    demand::{Demand, Shortfall},
    rounds::Rounds,
    unknown::UnknownOperations,
};
use crate::{
    challenge::Challenges,
    exchange::{Exchange, Slot},
    path::Ambiguity,
    reason,
    refusal::Refusal,
};

const LAYER: &str = Slot::StepUp.name();

/// All requirements of one layer. What is required of everything is part of each.
pub(crate) struct Requirements {
    pub(super) everything: Demand,
    pub(super) routes: BTreeMap<Box<str>, Demand>,
    pub(super) operations: BTreeMap<Box<str>, Demand>,
    pub(super) rounds: Rounds,
    pub(super) unknown: UnknownOperations,
}

impl Requirements {
    /// What a request has to meet.
    ///
    /// # Errors
    ///
    /// There are requirements for single routes, and which route this is can be read in two
    /// ways.
    pub(super) fn for_request(&self, parts: &Parts, path: &str) -> Result<&Demand, Ambiguity> {
        if self.routes.is_empty() {
            return Ok(&self.everything);
        }
        match crate::route::of(parts, path) {
            Ok(route) => Ok(self.routes.get(route).unwrap_or(&self.everything)),
            Err(_) if portcullis_core::sabotaged!("step_up.path") => Ok(&self.everything),
            Err(ambiguity) => Err(ambiguity),
        }
    }

    /// What a call has to meet, if its operation is named here: byte for byte.
    pub(crate) fn for_operation(&self, operation: &str) -> Option<&Demand> {
        self.operations.get(operation)
    }

    /// What is required of everything.
    pub(crate) fn for_everything(&self) -> &Demand {
        &self.everything
    }

    pub(crate) fn unknown(&self) -> &UnknownOperations {
        &self.unknown
    }

    /// Whether the caller meets a demand of this layer, and what is answered otherwise.
    pub(crate) fn judge(
        &self,
        demand: &Demand,
        exchange: &Exchange,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if demand.is_empty() {
            return Ok(());
        }
        let Some(principal) = exchange.principal() else {
            if portcullis_core::sabotaged!("step_up.anonymous") {
                return Ok(());
            }
            let lines = exchange
                .challenges()
                .map(|challenges| Arc::clone(&challenges.missing));
            return Err(refuse(
                StatusCode::UNAUTHORIZED,
                reason::CREDENTIALS_MISSING,
                lines,
            ));
        };
        let evidence = principal.evidence();
        demand
            .check(evidence, now)
            .map_err(|shortfall| self.answer(demand, shortfall, exchange, evidence))
    }

    fn answer(
        &self,
        demand: &Demand,
        shortfall: Shortfall,
        exchange: &Exchange,
        evidence: &Evidence,
    ) -> Refusal {
        // A challenge to authenticate again is for a person. A machine that is sent to an
        // authorization server with it comes back as it was. And what stands, such as an API key,
        // is bound to nothing, however often it is asked for.
        let stands_for_itself =
            evidence.kind() != EvidenceKind::Standing && !evidence.is_asserted_per_request();
        let can_help = match shortfall {
            Shortfall::Scope => true,
            // What does not say when it was issued never says that it is younger.
            Shortfall::TokenTooOld => stands_for_itself && evidence.issued_at().is_some(),
            Shortfall::Unconstrained => stands_for_itself,
            _ => evidence.kind() == EvidenceKind::User,
        };
        if !can_help {
            return refuse(StatusCode::FORBIDDEN, shortfall.reason(), None);
        }
        let at = exchange.clock().instant();
        if self.rounds.is_in_vain(demand, shortfall, evidence, at) {
            return refuse(StatusCode::FORBIDDEN, reason::CHALLENGE_IN_VAIN, None);
        }
        let wanted = demand.wanted();
        let challenges = exchange.challenges();
        let (status, lines) = match shortfall {
            Shortfall::Scope => (
                StatusCode::FORBIDDEN,
                challenges.map(|own| own.insufficient_scope(wanted.scopes)),
            ),
            Shortfall::TokenTooOld => (
                StatusCode::UNAUTHORIZED,
                challenges.map(|own| Arc::clone(own.invalid_token(is_bound(evidence)))),
            ),
            Shortfall::Unconstrained => (
                StatusCode::UNAUTHORIZED,
                challenges.map(Challenges::unconstrained),
            ),
            _ => (
                StatusCode::UNAUTHORIZED,
                challenges.map(|own| own.insufficient_user_authentication(&wanted)),
            ),
        };
        refuse(status, shortfall.reason(), lines)
    }
}

/// Whether a credential comes with a proof, so that it is spoken of under that scheme.
fn is_bound(evidence: &Evidence) -> bool {
    let confirmation = evidence.confirmation();
    confirmation.is_some_and(|confirmation| confirmation.jwk_thumbprint().is_some())
}

impl fmt::Debug for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirements")
            .field("everything", &self.everything)
            .field("routes", &self.routes)
            .field("operations", &self.operations)
            .finish_non_exhaustive()
    }
}

fn refuse(status: StatusCode, code: ReasonCode, lines: Option<Arc<[HeaderValue]>>) -> Refusal {
    let refusal = Refusal::new(LAYER, status, code);
    match lines {
        Some(lines) => refusal.with_challenges(lines),
        None => refusal,
    }
}
