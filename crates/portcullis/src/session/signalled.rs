//! What is looked at because another server says so.

use std::{collections::HashSet, sync::Arc};

use portcullis_core::{EndReason, OwnerKey, RevokedKey, Signal, sabotaged};
use tokio::runtime::Handle;

use super::{
    running::{Live, Request},
    shared::Shared,
    sweep::look_safely,
};
use crate::signal::{Places, Signals};

/// Looks where others have said, at what runs there. From a task.
pub(super) fn look(shared: &Arc<Shared>, places: &Places) {
    if sabotaged!("signal.heard") {
        return;
    }
    if places.is_everywhere {
        for live in shared.registry.all() {
            doubt(&live);
        }
        return;
    }
    let (mut owners, mut revoked) = (HashSet::new(), HashSet::new());
    for signal in &places.signals {
        match signal {
            Signal::Revoked(key) => {
                revoked.insert(*key);
            }
            Signal::Sessions(owner) => {
                owners.insert(*owner);
            }
            // One that this layer does not know may mean anything.
            _ => return look(shared, &Places::everywhere()),
        }
    }
    look_at_owners(shared, &owners);
    look_for_keys(shared, &revoked);
}

fn look_at_owners(shared: &Shared, owners: &HashSet<OwnerKey>) {
    for owner in owners {
        for live in shared.registry.of(*owner) {
            if live.closing().is_some() {
                // No store says of a session whose time was up that it was ended besides.
                live.end(EndReason::Revoked);
            }
            doubt(&live);
        }
    }
}

/// Asks once for each key, however many requests have it.
fn look_for_keys(shared: &Arc<Shared>, revoked: &HashSet<RevokedKey>) {
    if revoked.is_empty() {
        return;
    }
    let mut meant = Vec::new();
    for live in shared.registry.all() {
        let requests = live.requests();
        let requests = requests.into_iter();
        meant.extend(
            requests
                .filter(|request| request.may_be_meant(revoked))
                .map(|request| (Arc::clone(&live), request)),
        );
    }
    if meant.is_empty() {
        return;
    }
    for (live, _) in &meant {
        // Until the stores have said what they say of it; which they are asked soon all the same.
        live.doubt();
    }
    let meant: Arc<[_]> = meant.into();
    for key in revoked {
        let ask = ask(*key, Arc::clone(&meant));
        shared.tasks.spawn_on(&Handle::current(), ask);
    }
}

/// Ends those of the requests whose credential is revoked under a key.
async fn ask(key: RevokedKey, meant: Arc<[(Arc<Live>, Arc<Request>)]>) {
    let only = HashSet::from([key]);
    let mut answer = None;
    for (live, request) in &*meant {
        if !request.may_be_meant(&only) {
            continue;
        }
        let cut_off = match answer {
            Some(cut_off) => cut_off,
            None => match request.cut_off_of(key).await {
                Ok(cut_off) => *answer.insert(cut_off),
                // It is asked again soon, of each.
                Err(error) => {
                    tracing::warn!(target: "portcullis", "the store cannot say whether a credential is revoked: {error}");
                    return;
                }
            },
        };
        if request.is_over_by(cut_off) {
            live.end_request(request, EndReason::Revoked);
        }
    }
}

fn doubt(live: &Arc<Live>) {
    live.doubt();
    look_safely(live);
}

/// Has the bus catch up, in a task of its own: one that does not answer keeps nobody in.
pub(super) fn catch_up(shared: &Arc<Shared>, signals: Arc<Signals>) {
    let at = shared.time.steady();
    let catch_up = async move { signals.catch_up(at).await };
    shared.tasks.spawn_on(&Handle::current(), catch_up);
}
