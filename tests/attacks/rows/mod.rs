//! The rows, by what they attack.

mod api_keys;
mod audit_log;
mod bindings;
mod cache;
mod certificates;
mod cookies;
mod elsewhere;
mod exchange;
mod frames;
mod heads;
mod introspection;
mod issuers;
mod jwt_claims;
mod jwt_headers;
mod jwt_keys;
mod jwt_signatures;
mod jwt_spelling;
mod key_registry;
mod places;
mod possession;
mod proxies;
mod quotas;
mod records;
mod retrieval;
mod revocations;
mod sealed;
mod sessions;
mod shutdown;
mod sizes;
mod step_up;
mod times;
mod timing;
mod unread;
mod wire;

use crate::harness::Harness;

/// Plays every row.
pub(crate) async fn play(harness: &mut Harness) {
    jwt_signatures::play(harness).await;
    jwt_headers::play(harness).await;
    jwt_spelling::play(harness).await;
    jwt_claims::play(harness).await;
    issuers::play(harness).await;
    times::play(harness).await;
    jwt_keys::play(harness).await;
    retrieval::play(harness).await;
    introspection::play(harness).await;
    cache::play(harness).await;
    places::play(harness).await;
    possession::play(harness).await;
    proxies::play(harness).await;
    certificates::play(harness).await;
    heads::play(harness).await;
    sizes::play(harness).await;
    wire::play(harness).await;
    frames::play(harness).await;
    api_keys::play(harness).await;
    key_registry::play(harness).await;
    quotas::play(harness).await;
    sessions::play(harness).await;
    sealed::play(harness).await;
    cookies::play(harness).await;
    bindings::play(harness).await;
    revocations::play(harness).await;
    elsewhere::play(harness).await;
    exchange::play(harness).await;
    shutdown::play(harness).await;
    step_up::play(harness).await;
    audit_log::play(harness).await;
    records::play(harness).await;
    timing::play(harness).await;
    unread::play(harness).await;
}
