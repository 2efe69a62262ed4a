//! Whether a call is permitted: the decision itself.

use std::sync::Arc;

use http::StatusCode;
use portcullis_core::{Check, ReasonCode, Timestamp};

use crate::{
    exchange::{Exchange, Misplaced, Slot},
    reason,
    refusal::Refusal,
    revocation::Bar,
    session::{Looked, Looking},
    step_up::Requirements,
};

/// Whether the credential that the request came with counts.
pub(super) type Revoked = Result<(), Bar>;

/// The same, if it can be said at once.
pub(super) fn revoked(exchange: &Exchange) -> Option<Revoked> {
    let (Some(revocations), Some(principal)) = (exchange.revocations(), exchange.principal())
    else {
        return Some(Ok(()));
    };
    if exchange.is_foreign() {
        // Is refused in any case.
        return Some(Ok(()));
    }
    match revocations.check(principal.evidence()) {
        Check::Done(revoked) => Some(revoked),
        Check::NeedsIo => None,
    }
}

/// The same, with what the store has to be asked for it.
pub(super) async fn look_revoked(exchange: Exchange) -> Revoked {
    let (Some(revocations), Some(principal)) = (exchange.revocations(), exchange.principal())
    else {
        return Ok(());
    };
    revocations.look(principal.evidence()).await
}

/// Every `step_up` layer that the request has come through has to agree. The outermost knows
/// which operations there are, or whoever brings requirements of its own.
pub(super) fn decide(
    exchange: &Exchange,
    own: Option<&Arc<Requirements>>,
    operation: &str,
    now: Timestamp,
    revoked: &Revoked,
) -> Result<(), Refusal> {
    if exchange.is_foreign() {
        tracing::error!(
            target: "portcullis",
            request_id = %exchange.id(),
            "{}",
            Misplaced::Captured,
        );
        return Err(failed(reason::STACK_MISORDERED));
    }
    let mut layers = own.cloned().into_iter().chain(exchange.requirements());
    let Some(outermost) = layers.next() else {
        tracing::error!(
            target: "portcullis",
            request_id = %exchange.id(),
            layer = Slot::StepUp.name(),
            "`step_up` is missing around this handler, so every operation that it asks for is \
             refused; add it to the stack with `with_step_up`",
        );
        return Err(failed(reason::STEP_UP_MISSING));
    };
    if exchange.is_shut_down() {
        return Err(Refusal::shutting_down());
    }
    check_end(exchange, now)?;
    check_revoked(exchange, revoked)?;
    let demand = match outermost.for_operation(operation) {
        Some(demand) => demand,
        None if portcullis_core::sabotaged!("step_up.operation_unknown") => {
            outermost.for_everything()
        }
        None => {
            outermost.unknown().report(operation, exchange.id());
            return Err(refused(StatusCode::FORBIDDEN, reason::OPERATION_UNKNOWN));
        }
    };
    outermost.judge(demand, exchange, now)?;
    layers.try_for_each(|inner| {
        let demand = inner.for_operation(operation);
        inner.judge(demand.unwrap_or(inner.for_everything()), exchange, now)
    })
}

/// A stream can outlive the session and the credential that opened it. With a session, a later
/// credential of it counts as well; without one, that of the request is all there is.
fn check_end(exchange: &Exchange, now: Timestamp) -> Result<(), Refusal> {
    if ignores_ends() {
        return Ok(());
    }
    if let Some(session) = exchange.session() {
        return session.check(exchange);
    }
    let Some(principal) = exchange.principal() else {
        return Ok(());
    };
    let reason = if principal.evidence().is_withdrawn() {
        reason::CREDENTIAL_REVOKED
    } else if principal.not_after().is_some_and(|end| end <= now) {
        reason::CREDENTIAL_EXPIRED
    } else {
        return Ok(());
    };
    Err(with_invalid_token(
        exchange,
        refused(StatusCode::UNAUTHORIZED, reason),
    ))
}

/// With a session, a later credential of it does not count here: a call is made with the one
/// that its request came with.
fn check_revoked(exchange: &Exchange, revoked: &Revoked) -> Result<(), Refusal> {
    let Err(bar) = revoked else {
        return Ok(());
    };
    if portcullis_core::sabotaged!("authorize.revoked") {
        return Ok(());
    }
    let refusal = bar.refusal(Slot::StepUp.name(), exchange);
    Err(match bar.is_final() {
        true => with_invalid_token(exchange, refusal),
        false => refusal,
    })
}

fn with_invalid_token(exchange: &Exchange, refusal: Refusal) -> Refusal {
    match exchange.invalid_token() {
        Some(challenge) => refusal.with_challenges(Arc::clone(challenge)),
        None => refusal,
    }
}

/// Asks the store of the session, where another server may know what is not known here.
pub(super) fn look(exchange: &Exchange) -> Option<Looking> {
    let session = exchange.session().filter(|_| !ignores_ends())?;
    session.look()
}

/// Whether the session lives still, by what its store has said.
pub(super) fn judge(exchange: &Exchange, looked: Looked) -> Result<(), Refusal> {
    match exchange.session() {
        Some(session) => session.judge(exchange, looked),
        None => Ok(()),
    }
}

/// Never, in an ordinary build.
fn ignores_ends() -> bool {
    portcullis_core::sabotaged!("step_up.end")
}

/// What is wrong is the server's own affair.
fn failed(code: ReasonCode) -> Refusal {
    refused(StatusCode::INTERNAL_SERVER_ERROR, code)
}

fn refused(status: StatusCode, code: ReasonCode) -> Refusal {
    Refusal::new(Slot::StepUp.name(), status, code)
}
