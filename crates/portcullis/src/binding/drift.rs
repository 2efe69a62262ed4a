//! Whether a request comes from where its session came from: the decision itself, on plain
//! data.

use std::num::{NonZeroU32, NonZeroU64};

use portcullis_core::{BindingReference, ReasonCode, Timestamp};

use super::Reaction;
use crate::reason;

/// What is compared, and what comes of a difference. `None` is not compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reactions {
    pub(super) network: Option<Reaction>,
    pub(super) user_agent: Option<Reaction>,
    pub(super) device: Option<Reaction>,
}

/// What a request shows of where it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// `None` where nobody knows the client's address.
    pub(super) network: Option<Network>,
    pub(super) user_agent: Option<NonZeroU64>,
    pub(super) device: Option<NonZeroU64>,
    /// When the user authenticated, if it is one and the issuer says so.
    pub(super) authenticated_at: Option<Timestamp>,
    /// The latest that anybody in this session can have authenticated, where nobody says so.
    pub(super) opened_at: Timestamp,
}

/// A mark of a network, within its address family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Network {
    V4(NonZeroU32),
    V6(NonZeroU32),
}

/// What came of comparing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Comparison {
    /// What differs, in the order in which it is told.
    pub(super) drift: [Option<(ReasonCode, Reaction)>; 3],
    /// What has to be kept from now on, where that is something else.
    pub(super) next: Option<BindingReference>,
}

impl Comparison {
    /// The first difference for which the caller has to authenticate again.
    pub(super) fn asked(&self) -> Option<ReasonCode> {
        let mut asked = self.drift.iter().flatten();
        let asked = asked.find(|(_, reaction)| *reaction == Reaction::Ask);
        asked.map(|(code, _)| *code)
    }

    fn is_drift(&self) -> bool {
        self.drift.iter().any(Option::is_some)
    }
}

/// Compares a request with what its session keeps.
///
/// Whoever differs sets nothing: a stranger with a stolen token must not have his own network
/// kept for the family that the victim has not come by yet. A user who has authenticated anew
/// may.
pub(super) fn compare(
    reference: &BindingReference,
    seen: &Seen,
    reactions: &Reactions,
) -> Comparison {
    let is_anew = seen
        .authenticated_at
        .is_some_and(|at| at > reference.authenticated_at && !reference.is_empty());
    let mut next = *reference;
    if is_anew {
        unset_what_is_shown(&mut next, seen);
    }
    let mut comparison = Comparison {
        drift: differences(&next, seen, reactions),
        next: None,
    };
    let may_set = if is_anew {
        comparison.asked().is_none()
    } else {
        !comparison.is_drift()
    };
    if !may_set {
        return comparison;
    }
    set_what_is_missing(&mut next, seen, reactions);
    if is_anew || reference.is_empty() && !next.is_empty() {
        next.authenticated_at = seen.authenticated_at.unwrap_or(seen.opened_at);
    }
    comparison.next = (next != *reference).then_some(next);
    comparison
}

/// Makes room for what a user who has authenticated anew shows. What this request does not
/// show stays: whatever is bound never becomes unbound.
fn unset_what_is_shown(reference: &mut BindingReference, seen: &Seen) {
    if seen.network.is_some() {
        // Whoever has moved has moved in both families.
        (reference.ipv4, reference.ipv6) = (None, None);
    }
    if seen.user_agent.is_some() {
        reference.user_agent = None;
    }
    if seen.device.is_some() {
        reference.device = None;
    }
}

fn differences(
    reference: &BindingReference,
    seen: &Seen,
    reactions: &Reactions,
) -> [Option<(ReasonCode, Reaction)>; 3] {
    let network = match seen.network {
        Some(Network::V4(network)) => differs(reference.ipv4, Some(network)),
        Some(Network::V6(network)) => differs(reference.ipv6, Some(network)),
        None => false,
    } && !portcullis_core::sabotaged!("binding.network");
    let user_agent = differs(reference.user_agent, seen.user_agent)
        && !portcullis_core::sabotaged!("binding.user_agent");
    let device =
        differs(reference.device, seen.device) && !portcullis_core::sabotaged!("binding.device");
    let told = |code, differs: bool, reaction: Option<Reaction>| {
        reaction
            .filter(|_| differs)
            .map(|reaction| (code, reaction))
    };
    [
        told(reason::DRIFT_DEVICE, device, reactions.device),
        told(reason::DRIFT_NETWORK, network, reactions.network),
        told(reason::DRIFT_USER_AGENT, user_agent, reactions.user_agent),
    ]
}

/// What the session has and the request has not is a difference; not so what the session has
/// not seen yet.
fn differs<T: Copy + PartialEq>(reference: Option<T>, seen: Option<T>) -> bool {
    reference.is_some() && reference != seen
}

fn set_what_is_missing(reference: &mut BindingReference, seen: &Seen, reactions: &Reactions) {
    match seen.network.filter(|_| reactions.network.is_some()) {
        Some(Network::V4(network)) => reference.ipv4 = reference.ipv4.or(Some(network)),
        Some(Network::V6(network)) => reference.ipv6 = reference.ipv6.or(Some(network)),
        None => {}
    }
    if reactions.user_agent.is_some() {
        reference.user_agent = reference.user_agent.or(seen.user_agent);
    }
    if reactions.device.is_some() {
        reference.device = reference.device.or(seen.device);
    }
}

#[cfg(test)]
mod tests;
