//! The step that hears notices.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header::ALLOW, request::Parts};
use portcullis_core::NoticeReceipt;

use super::{LAYER, Receivers};
use crate::{
    exchange::{Exchange, Slot},
    frame::{Decision, Receipt, Step},
    reason,
    refusal::Refusal,
};

/// How long a sender is told to wait for a store.
const RETRY: Duration = Duration::from_secs(1);

/// The step that hears notices which the gate happens to see.
pub(crate) struct ReceiveNotices {
    receivers: Arc<Receivers>,
    paths: Vec<Path>,
    /// What stands before every path in the exchange, and is none of the request's.
    base: Option<Arc<str>>,
}

struct Path {
    path: Box<str>,
    /// Which receiver it is of.
    receiver: usize,
    max_body: usize,
}

impl ReceiveNotices {
    /// `None`, if no receiver has a path.
    pub(crate) fn new(receivers: &Arc<Receivers>) -> Option<Self> {
        let described = receivers.iter().map(|receiver| receiver.describe());
        let paths: Vec<_> = described
            .enumerate()
            .filter_map(|(receiver, description)| {
                Some(Path {
                    path: description.path()?.into(),
                    receiver,
                    max_body: description.max_body(),
                })
            })
            .collect();
        (!paths.is_empty()).then(|| Self {
            receivers: Arc::clone(receivers),
            paths,
            base: None,
        })
    }

    /// For requests at the root of the server, where the gate stands below a base path.
    pub(crate) fn at_root(mut self, base: Option<Arc<str>>) -> Self {
        self.base = base;
        self
    }

    /// Whether it answers for this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    fn find(&self, path: &str) -> Option<&Path> {
        self.paths.iter().find(|own| *own.path == *path)
    }

    async fn hear(&self, parts: Parts, exchange: Exchange, index: usize, body: Bytes) -> Refusal {
        let refusal = |status, code| Refusal::new(LAYER, status, code);
        let Some(receiver) = self.receivers.get(index) else {
            return refusal(StatusCode::NOT_FOUND, reason::NOTICE_METHOD);
        };
        let name = receiver.describe().name();
        let received = Arc::clone(receiver).receive(parts, exchange.clone(), body);
        let accepted = match received.await {
            NoticeReceipt::Accept(accepted) => accepted,
            NoticeReceipt::Refuse(refused) => {
                return refusal(refused.reply().status(), refused.reason())
                    .with_reply(refused.reply())
                    .with_authenticator(name);
            }
            // A receipt that is not known here is nobody's success.
            _ => return refusal(StatusCode::SERVICE_UNAVAILABLE, reason::NOTICE_UNREAD),
        };
        let carried_out = self.receivers.revoker().carry_out(accepted.notices()).await;
        if let Err(error) = carried_out
            && !portcullis_core::sabotaged!("notices.durable")
        {
            tracing::error!(
                target: "portcullis",
                request_id = %exchange.id(),
                receiver = name,
                "a notice of an issuer could not be carried out: {error}",
            );
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return refusal(status, reason::NOTICE_STORE_UNAVAILABLE)
                .with_retry_after(RETRY)
                .with_authenticator(name);
        }
        let now = exchange.clock().now();
        let confirmed = Arc::clone(receiver).confirm(accepted.clone(), now).await;
        match confirmed {
            Ok(()) => Refusal::answer(LAYER, accepted.reply().status(), accepted.reason())
                .with_reply(accepted.reply()),
            Err(refused) => {
                refusal(refused.reply().status(), refused.reason()).with_reply(refused.reply())
            }
        }
        .with_authenticator(name)
    }
}

impl Step for ReceiveNotices {
    fn slot(&self) -> Option<Slot> {
        None
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        let path = exchange.path();
        let path = self
            .base
            .as_deref()
            .map_or(Some(path), |base| path.strip_prefix(base));
        let Some(found) = path.and_then(|path| self.find(path)) else {
            return Decision::Pass;
        };
        if parts.method != Method::POST {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Decision::Refuse(
                Refusal::answer(LAYER, status, reason::NOTICE_METHOD)
                    .with_header(ALLOW, HeaderValue::from_static("POST")),
            );
        }
        // What it would cost to look at it is more than such a sender may have done.
        if let Some(delay) = exchange.budget_returns_in() {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Decision::Refuse(
                Refusal::new(LAYER, status, reason::BUDGET_SPENT).with_retry_after(delay),
            );
        }
        Decision::Receive {
            cursor: found.receiver,
            limit: found.max_body,
        }
    }

    fn receive(
        self: Arc<Self>,
        parts: Parts,
        exchange: Exchange,
        cursor: usize,
        body: Bytes,
    ) -> Receipt {
        Box::pin(async move { self.hear(parts, exchange, cursor, body).await })
    }
}
