//! Keys as a database keeps them.

use super::*;

#[test]
fn what_was_stored_works_in_another_process() {
    let ring = ring();
    let first = issue(&ring, Grant::for_user("alice"));
    let id = first.stored().id().to_owned();
    let second = ring.rotate(&id, DAY, now()).unwrap();

    // As a database would give it back.
    let kept = second.stored();
    let old = kept.superseded().unwrap();
    let hex = |hash: &KeyHash| KeyHash::from_hex(&hash.to_hex()).unwrap();
    let row = StoredKey::new(kept.id(), hex(kept.hash()), kept.grant().clone())
        .with_superseded(Superseded::new(hex(old.hash()), old.until()));

    let asked = |ring: KeyRing, text: &str| name(&bearer(&guard(&ring), text, now()));
    let load = |prefix, pepper: &Secret| KeyRing::new(prefix, pepper).add_keys([row.clone()]);
    assert_eq!(asked(load("acme", &pepper()), first.expose()), "accept");
    assert_eq!(asked(load("acme", &pepper()), second.expose()), "accept");

    let other_pepper = load("acme", &Secret::new([8; 32]));
    assert_eq!(asked(other_pepper, second.expose()), "api_key_secret");

    // The same row under another prefix is no key there.
    let live = load("acmelive", &pepper());
    let text = live.rotate(&id, DAY, now()).unwrap();
    assert!(text.expose().starts_with("acmelive_"));
    assert_eq!(asked(live, second.expose()), "not mine");
}

#[test]
fn a_hash_is_worthless_in_another_row() {
    let ring = ring();
    let guard = guard(&ring);
    let mallory = issue(&ring, Grant::for_user("mallory"));
    let alice = issue(&ring, Grant::for_user("alice"));
    let stolen = StoredKey::new(
        alice.stored().id(),
        mallory.stored().hash().clone(),
        alice.stored().grant().clone(),
    );
    ring.replace(stolen).unwrap();
    // Mallory's secret under Alice's id, with a checksum that fits.
    let secret = &mallory.expose()["acme_".len() + ID.len() + 1..][..43];
    let body = format!("acme_{}_{secret}", alice.stored().id());
    let verdict = bearer(&guard, &sealed(&body), now());
    assert_eq!(name(&verdict), "api_key_secret");
}
