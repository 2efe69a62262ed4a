//! What every authenticator owes, owed by those of API keys as well.

use std::sync::Arc;

use http::{HeaderName, Request};
use portcullis::{
    IntoAuthenticator as _, Secret, Site,
    api_keys::{
        ApiKeyAuthenticator, ApiKeys, Grant, IssuedKey, KeyRegistry, KeyRing, MemoryApiKeys,
    },
};
use portcullis_testing::{clock::VirtualClock, contract::Candidate, faulty_store::FaultyApiKeys};

fn pepper() -> Secret {
    Secret::new([7; 32])
}

fn candidate(keys: ApiKeys, header: &str, value: &str) -> Candidate<ApiKeyAuthenticator> {
    let site = Site::new(Arc::new(VirtualClock::new()));
    let authenticator = keys.into_authenticator(&site).unwrap();
    let good = Request::builder().header(header, value).body(());
    Candidate::new(authenticator, good.unwrap())
}

fn bearer(keys: ApiKeys, issued: &IssuedKey) -> Candidate<ApiKeyAuthenticator> {
    candidate(
        keys,
        "authorization",
        &format!("Bearer {}", issued.expose()),
    )
}

fn ring() -> (KeyRing, IssuedKey) {
    let ring = KeyRing::new("acme", &pepper());
    let issued = ring.issue(Grant::for_user("alice"), VirtualClock::START);
    (ring, issued.unwrap())
}

portcullis_testing::authenticator_contract!(of_a_ring, async {
    let (ring, issued) = ring();
    bearer(ApiKeys::new(ring), &issued)
});
portcullis_testing::authenticator_contract!(of_a_ring_in_a_header, async {
    let (ring, issued) = ring();
    let keys = ApiKeys::new(ring).with_header(HeaderName::from_static("x-api-key"));
    candidate(keys, "x-api-key", issued.expose())
});
portcullis_testing::authenticator_contract!(of_a_store_in_memory, async {
    let keys = KeyRegistry::new("acme", &pepper(), MemoryApiKeys::default());
    let issued = keys.issue(Grant::for_user("alice"), VirtualClock::START);
    let issued = issued.await.unwrap();
    bearer(ApiKeys::from_registry(keys), &issued)
});
portcullis_testing::authenticator_contract!(of_a_store_that_is_asked, async {
    let store = FaultyApiKeys::new(MemoryApiKeys::default());
    let keys = KeyRegistry::new("acme", &pepper(), store);
    let issued = keys.issue(Grant::for_user("alice"), VirtualClock::START);
    let issued = issued.await.unwrap();
    bearer(ApiKeys::from_registry(keys), &issued)
});
