//! What becomes of an order that is permitted.

use std::time::Duration;

use http::StatusCode;
use portcullis_core::{NoticeReply, RevocationKey, StoreError, Verdict};

use super::{LAYER, order::Order};
use crate::{
    exchange::Exchange,
    reason,
    refusal::Refusal,
    revocation::{Revocation, RevokeError},
    stack::GateHandle,
};

/// For how long after its end a token is remembered: clocks differ, and authenticators allow it.
const AFTER_ITS_END: Duration = Duration::from_mins(5);
/// How long a caller is told to wait for a store.
const RETRY: Duration = Duration::from_secs(1);

/// Does what is permitted, and says what is answered and what is over.
pub(super) async fn perform(
    handle: &GateHandle,
    exchange: &Exchange,
    order: Order,
) -> (Refusal, Option<RevocationKey>) {
    match order {
        Order::EndSessions(issuer, subject) => {
            let answer = match handle.end_sessions(&issuer, &subject).await {
                Ok(ended) => {
                    Refusal::answer(LAYER, StatusCode::OK, reason::OPERATOR_SESSIONS_ENDED)
                        .with_reply(&NoticeReply::json(
                            StatusCode::OK,
                            format!(r#"{{"ended":{ended}}}"#),
                        ))
                }
                Err(error) => not_done(exchange, &error),
            };
            (answer, Some(RevocationKey::Subject(issuer, subject)))
        }
        Order::Revoke(revocation) => {
            let key = revocation.key().clone();
            let answer = revoke(handle, exchange, revocation, StatusCode::NO_CONTENT).await;
            (answer, Some(key))
        }
        Order::RevokeToken(token) => match handle.identify(exchange, &token).await {
            Some(Verdict::Accept(evidence)) => {
                let keys = evidence.revocation_keys();
                let own = keys.into_iter().find(RevocationKey::is_of_one_credential);
                let Some(key) = own.filter(|_| evidence.validate().is_ok()) else {
                    return (unsupported(), None);
                };
                let mut revocation = Revocation::new(key.clone());
                if let Some(end) = evidence.not_after() {
                    let left = end.saturating_since(exchange.clock().now());
                    revocation = revocation.with_kept_for(left + AFTER_ITS_END);
                }
                let answer = revoke(handle, exchange, revocation, StatusCode::OK).await;
                (answer, Some(key))
            }
            Some(Verdict::Unavailable(unavailable)) => {
                let answer = refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    reason::OPERATOR_UNAVAILABLE,
                );
                (answer.with_retry_after(unavailable.retry_after()), None)
            }
            Some(Verdict::Spent(spent)) => {
                let answer = refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    reason::OPERATOR_UNAVAILABLE,
                );
                (answer.with_retry_after(spent.returns_in()), None)
            }
            // RFC 7009 §2.2: what is no good is as good as revoked.
            _ => (done(StatusCode::OK, reason::OPERATOR_TOKEN_UNKNOWN), None),
        },
    }
}

async fn revoke(
    handle: &GateHandle,
    exchange: &Exchange,
    revocation: Revocation,
    status: StatusCode,
) -> Refusal {
    match handle.revoke(revocation).await {
        Ok(()) => done(status, reason::OPERATOR_REVOKED),
        Err(RevokeError::Store(error)) => not_done(exchange, &error),
        // Looked at before it was permitted, so that this is not reached.
        Err(RevokeError::Invalid(_)) => refusal(StatusCode::BAD_REQUEST, reason::OPERATOR_FORM),
    }
}

fn not_done(exchange: &Exchange, error: &StoreError) -> Refusal {
    tracing::error!(
        target: "portcullis",
        request_id = %exchange.id(),
        "what an operator asked for could not be carried out: {error}",
    );
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        reason::OPERATOR_UNAVAILABLE,
    )
    .with_retry_after(RETRY)
}

fn done(status: StatusCode, code: portcullis_core::ReasonCode) -> Refusal {
    Refusal::answer(LAYER, status, code).with_reply(&NoticeReply::new(status))
}

/// RFC 7009 §2.2.1.
fn unsupported() -> Refusal {
    let reply = NoticeReply::json(
        StatusCode::BAD_REQUEST,
        r#"{"error":"unsupported_token_type"}"#,
    );
    refusal(StatusCode::BAD_REQUEST, reason::OPERATOR_TOKEN_UNSUPPORTED).with_reply(&reply)
}

pub(super) fn refusal(status: StatusCode, code: portcullis_core::ReasonCode) -> Refusal {
    Refusal::new(LAYER, status, code)
}
