//! What is answered, and written down, where a caller is not in.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use portcullis_core::{EndReason, EvidenceKind, ReasonCode, RecordKind, Scopes, StoreError};

use super::{policy::Policy, shared::Failure};
use crate::{
    challenge::Wanted,
    exchange::{Exchange, Slot},
    reason,
    refusal::Refusal,
};

const LAYER: &str = Slot::Session.name();

/// How long a client is told to wait for a store.
const RETRY: Duration = Duration::from_secs(1);

/// What is answered where a session is over.
pub(super) fn refusal(
    policy: &Policy,
    exchange: &Exchange,
    kind: EvidenceKind,
    over: EndReason,
) -> Refusal {
    if over == EndReason::Shutdown {
        return Refusal::shutting_down();
    }
    if over == EndReason::Unconfirmed {
        return Refusal::new(LAYER, StatusCode::SERVICE_UNAVAILABLE, code(over))
            .with_retry_after(RETRY);
    }
    let max_age = match over {
        EndReason::Idle => Some(policy.idle),
        EndReason::Absolute => Some(policy.absolute),
        EndReason::Reauthentication => policy.reauthentication,
        _ => None,
    };
    challenge(LAYER, exchange, kind, code(over), max_age)
}

/// The answer where a principal has as many streams as it may.
pub(crate) fn too_many_streams() -> Refusal {
    let status = StatusCode::TOO_MANY_REQUESTS;
    Refusal::new(LAYER, status, reason::SESSION_STREAMS).with_retry_after(RETRY)
}

/// A user whose time is up has to authenticate again, and is told so; all others are told
/// that their credential is not good any more.
pub(crate) fn challenge(
    layer: &'static str,
    exchange: &Exchange,
    kind: EvidenceKind,
    code: ReasonCode,
    max_age: Option<Duration>,
) -> Refusal {
    let refusal = Refusal::new(layer, StatusCode::UNAUTHORIZED, code);
    let (Some(challenges), Some(invalid_token)) = (exchange.challenges(), exchange.invalid_token())
    else {
        return refusal;
    };
    let max_age = max_age.filter(|_| kind == EvidenceKind::User);
    refusal.with_challenges(match max_age {
        Some(_) => challenges.insufficient_user_authentication(&Wanted {
            acr_values: "",
            max_age,
            scopes: &Scopes::default(),
        }),
        None => Arc::clone(invalid_token),
    })
}

/// Writes down that a session has begun.
pub(super) fn record_start(exchange: &Exchange) {
    exchange.record_event(RecordKind::SessionStart, LAYER, reason::SESSION_OPENED);
}

/// Writes down that something that ran in a session was ended.
pub(super) fn record_end(exchange: &Exchange, over: EndReason) {
    exchange.record_event(RecordKind::SessionEnd, LAYER, code(over));
}

const fn code(over: EndReason) -> ReasonCode {
    match over {
        EndReason::Absolute => reason::SESSION_ABSOLUTE,
        EndReason::CredentialExpired => reason::SESSION_CREDENTIAL_EXPIRED,
        EndReason::Ended => reason::SESSION_ENDED,
        EndReason::Idle => reason::SESSION_IDLE,
        EndReason::Reauthentication => reason::SESSION_REAUTHENTICATION,
        EndReason::Shutdown => reason::SHUT_DOWN,
        EndReason::Unconfirmed => reason::SESSION_UNCONFIRMED,
        // Also any reason that this layer does not know.
        _ => reason::SESSION_REVOKED,
    }
}

pub(super) fn unavailable(exchange: &Exchange, failure: &Failure) -> Refusal {
    match failure {
        Failure::Full => Refusal::new(
            LAYER,
            StatusCode::SERVICE_UNAVAILABLE,
            reason::SESSION_STORE_FULL,
        )
        .with_retry_after(RETRY),
        Failure::Store(error) => store_unavailable(LAYER, exchange, error),
    }
}

/// The answer where the store cannot say.
pub(crate) fn store_unavailable(
    layer: &'static str,
    exchange: &Exchange,
    error: &StoreError,
) -> Refusal {
    tracing::error!(
        target: "portcullis",
        request_id = %exchange.id(),
        "the session store cannot say whether a caller is in: {error}",
    );
    Refusal::new(
        layer,
        StatusCode::SERVICE_UNAVAILABLE,
        reason::SESSION_STORE_UNAVAILABLE,
    )
    .with_retry_after(RETRY)
}

/// The answer where what the store has is not what was put there.
pub(super) fn unreadable() -> Refusal {
    let code = reason::SESSION_DATA_UNREADABLE;
    Refusal::new(LAYER, StatusCode::SERVICE_UNAVAILABLE, code).with_retry_after(RETRY)
}
