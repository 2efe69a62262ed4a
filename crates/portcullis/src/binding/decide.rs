//! Whether a session has moved: the step of the layer.

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderName, header, request::Parts};
use portcullis_core::{EvidenceKind, RecordKind, StoreError};

use super::drift::{Comparison, Network, Reactions, Seen, compare};
use crate::{
    exchange::{Exchange, Slot},
    frame::{Decision, Pending, Step},
    principal::Principal,
    reason,
    session::{Session, at_once, challenge, store_unavailable},
};

const LAYER: &str = Slot::Binding.name();

/// Where [`CompareOrigin`] goes on when something new has to be kept.
const BIND: usize = 0;
/// The same, when it has to be asked whether something really differs.
const LOOK: usize = 1;

/// The step of the `binding` layer.
#[derive(Debug)]
pub(crate) struct CompareOrigin {
    pub(super) reactions: Reactions,
    pub(super) ipv4_prefix: u8,
    pub(super) ipv6_prefix: u8,
    pub(super) device_header: Option<HeaderName>,
}

impl Step for CompareOrigin {
    fn slot(&self) -> Option<Slot> {
        Some(Slot::Binding)
    }

    fn decide(&self, parts: &mut Parts, exchange: &Exchange) -> Decision {
        let decision = match exchange.session().zip(exchange.principal()) {
            Some((session, principal)) => self.judge(parts, exchange, session, principal),
            // An anonymous caller has no session.
            None => Decision::Pass,
        };
        if matches!(decision, Decision::Pass) {
            self.consume(&mut parts.headers);
        }
        decision
    }

    fn resume(self: Arc<Self>, mut parts: Parts, exchange: Exchange, cursor: usize) -> Pending {
        Box::pin(async move {
            let Some((session, principal)) = exchange.session().zip(exchange.principal()) else {
                return (parts, Ok(()));
            };
            let seen = self.see(&parts, &exchange, session, principal);
            let outcome = match cursor {
                LOOK => self.look(session, &seen).await,
                _ => self.bind(session, &seen).await,
            };
            self.consume(&mut parts.headers);
            let result = match settle(&exchange, principal, outcome) {
                Decision::Refuse(refusal) => Err(refusal),
                _ => Ok(()),
            };
            (parts, result)
        })
    }
}

impl CompareOrigin {
    pub(crate) fn device_header(&self) -> Option<&HeaderName> {
        self.device_header.as_ref()
    }

    fn judge(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        session: &Session,
        principal: &Principal,
    ) -> Decision {
        let seen = self.see(parts, exchange, session, principal);
        let comparison = compare(session.binding(), &seen, &self.reactions);
        if comparison.next.is_none() {
            // Nobody is refused by what the store has said a while ago.
            return match comparison.asked().filter(|_| session.is_kept()) {
                Some(_) => Decision::NeedsIo { cursor: LOOK },
                None => settle(exchange, principal, Ok(Some(comparison))),
            };
        }
        // A store that answers at once is told at once as well.
        let told = session
            .is_at_hand()
            .then(|| at_once(self.bind(session, &seen)));
        match told.flatten() {
            Some(outcome) => settle(exchange, principal, outcome),
            None => Decision::NeedsIo { cursor: BIND },
        }
    }

    /// Compares with what the store has by now. What is new then is kept.
    async fn look(&self, session: &Session, seen: &Seen) -> Result<Option<Comparison>, StoreError> {
        let Some(reference) = session.look_at_binding().await? else {
            return Ok(None);
        };
        let comparison = compare(&reference, seen, &self.reactions);
        match comparison.next {
            Some(_) => self.bind(session, seen).await,
            None => Ok(Some(comparison)),
        }
    }

    /// Compares with what the store has, and keeps what is new. `None` if the session is over
    /// by now.
    async fn bind(&self, session: &Session, seen: &Seen) -> Result<Option<Comparison>, StoreError> {
        let mut last = None;
        let is_alive = session.change_binding(|reference| {
            let comparison = compare(reference, seen, &self.reactions);
            *reference = comparison.next.unwrap_or(*reference);
            last = Some(comparison);
        });
        Ok(is_alive.await?.then_some(last).flatten())
    }

    fn see(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        session: &Session,
        principal: &Principal,
    ) -> Seen {
        let evidence = principal.evidence();
        let Reactions {
            network,
            user_agent,
            ..
        } = self.reactions;
        let address = exchange.client_address().filter(|_| network.is_some());
        let agent = Some(&header::USER_AGENT).filter(|_| user_agent.is_some());
        Seen {
            network: address.map(|address| self.network(session, address)),
            user_agent: agent.and_then(|name| mark_of(session, &parts.headers, name)),
            device: self
                .device_header
                .as_ref()
                .and_then(|name| mark_of(session, &parts.headers, name)),
            // A token that is refreshed has a later `iat`, and no user was there for it.
            authenticated_at: evidence
                .auth_time()
                .filter(|_| evidence.kind() == EvidenceKind::User),
            opened_at: session.opened_at(),
        }
    }

    fn network(&self, session: &Session, address: IpAddr) -> Network {
        let half = |label, bytes: &[u8]| {
            let mark = session.mark(label, [bytes]).get();
            // Half of it is enough to tell one network from the few that a thief has.
            NonZeroU32::new((mark >> 32) as u32).unwrap_or(NonZeroU32::MIN)
        };
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let hidden = 32 - u32::from(self.ipv4_prefix);
                let network = address.to_bits().checked_shr(hidden).unwrap_or(0);
                Network::V4(half("ipv4", &network.to_be_bytes()))
            }
            IpAddr::V6(address) => {
                let hidden = 128 - u32::from(self.ipv6_prefix);
                let network = address.to_bits().checked_shr(hidden).unwrap_or(0);
                Network::V6(half("ipv6", &network.to_be_bytes()))
            }
        }
    }

    /// Removes the device id, which is nobody's business further in.
    fn consume(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.device_header {
            headers.remove(name);
        }
    }
}

/// A mark of all values of a header. One that is empty is as good as none.
fn mark_of(session: &Session, headers: &HeaderMap, name: &HeaderName) -> Option<NonZeroU64> {
    let values = || headers.get_all(name).iter().map(|value| value.as_bytes());
    values()
        .any(|value| !value.is_empty())
        .then(|| session.mark(name.as_str(), values()))
}

fn settle(
    exchange: &Exchange,
    principal: &Principal,
    outcome: Result<Option<Comparison>, StoreError>,
) -> Decision {
    let refuse = |code, max_age| {
        Decision::Refuse(challenge(LAYER, exchange, principal.kind(), code, max_age))
    };
    match outcome {
        Ok(Some(comparison)) => match comparison.asked() {
            // Whoever has just authenticated sets what is compared with.
            Some(code) => refuse(code, Some(Duration::ZERO)),
            None => {
                for (code, _) in comparison.drift.iter().flatten() {
                    exchange.record_event(RecordKind::Drift, LAYER, *code);
                }
                Decision::Pass
            }
        },
        Ok(None) => refuse(reason::SESSION_REVOKED, None),
        Err(error) => Decision::Refuse(store_unavailable(LAYER, exchange, &error)),
    }
}
