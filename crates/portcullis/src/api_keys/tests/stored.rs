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

/// As a file keeps them: all keys of a ring, each as its bytes.
#[test]
fn what_was_kept_as_bytes_works_in_another_process() {
    let ring = ring();
    let limited = Grant::for_user("alice").with_limit(1, DAY);
    let first = issue(&ring, limited);
    let second = ring.rotate(first.stored().id(), DAY, now()).unwrap();
    let revoked = issue(&ring, Grant::for_user("bob"));
    let row = revoked.stored().clone().with_revoked_at(now());
    ring.replace(row).unwrap();
    let file: Vec<Vec<u8>> = ring.snapshot().iter().map(StoredKey::to_bytes).collect();
    for key in [&first, &second, &revoked] {
        let secret = &key.expose().as_bytes()["acme_".len() + ID.len() + 1..][..43];
        let is_there = |row: &Vec<u8>| row.windows(43).any(|part| part == secret);
        assert!(!file.iter().any(is_there), "a secret is kept");
    }

    let rows = file.iter().map(|row| StoredKey::from_bytes(row).unwrap());
    let again = self::ring().add_keys(rows);
    let asked = |key: &IssuedKey| name(&bearer(&guard(&again), key.expose(), now()));
    assert_eq!(asked(&first), "accept");
    assert_eq!(asked(&second), "accept");
    assert_eq!(asked(&revoked), "api_key_revoked");
    let kept = again.find(first.stored().id()).unwrap();
    assert_eq!(kept.grant(), first.stored().grant());
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
