//! A new secret for a key.

use super::*;

#[test]
fn a_rotation_keeps_the_old_secret_until_the_overlap_ends() {
    let ring = ring();
    let guard = guard(&ring);
    let first = issue(&ring, Grant::for_user("alice"));
    let id = first.stored().id();
    let rotated = now() + DAY;
    let second = ring.rotate(id, DAY, rotated).unwrap();
    assert_eq!(second.stored().id(), id);
    assert_eq!(second.stored().issued_at(), Some(rotated));

    let end = rotated + DAY;
    let asked = |key: &IssuedKey, at| name(&bearer(&guard, key.expose(), at));
    for (at, old) in [
        (rotated, "accept"),
        (end - MOMENT, "accept"),
        (end, "api_key_superseded"),
        (end + DAY, "api_key_superseded"),
    ] {
        assert_eq!(asked(&first, at), old, "{at}");
        assert_eq!(asked(&second, at), "accept", "{at}");
    }
    let old = accepted(bearer(&guard, first.expose(), rotated));
    assert_eq!(old.not_after(), Some(end));
    assert_eq!(old.issued_at(), Some(now()));
    let new = accepted(bearer(&guard, second.expose(), rotated));
    assert_eq!(new.not_after(), None);

    // A key has two secrets at most.
    let third = ring.rotate(id, DAY, rotated).unwrap();
    assert_eq!(asked(&first, rotated), "api_key_secret");
    assert_eq!(asked(&second, rotated), "accept");
    assert_eq!(asked(&third, rotated), "accept");

    // Without an overlap the old secret ends at once.
    let fourth = ring.rotate(id, Duration::ZERO, rotated).unwrap();
    assert!(fourth.stored().superseded().is_none());
    assert_eq!(asked(&third, rotated), "api_key_secret");
    assert_eq!(asked(&fourth, rotated), "accept");

    ring.revoke(id).unwrap();
    assert_eq!(asked(&fourth, rotated), "api_key_unknown");
}

#[test]
fn a_rotation_does_not_lengthen_a_key() {
    let ring = ring();
    let guard = guard(&ring);
    let end = now() + DAY;
    let first = issue(&ring, Grant::for_user("alice").with_expires_at(end));
    let id = first.stored().id();
    let second = ring.rotate(id, Duration::MAX, end - MOMENT).unwrap();
    for key in [&first, &second] {
        let evidence = accepted(bearer(&guard, key.expose(), end - MOMENT));
        assert_eq!(evidence.not_after(), Some(end));
        let verdict = bearer(&guard, key.expose(), end);
        assert_eq!(name(&verdict), "api_key_expired");
    }
    let refused = ring.rotate(id, DAY, end).unwrap_err();
    assert_eq!(refused.kind(), KeyErrorKind::Expired);
    for nobody in ["", ID, "no id"] {
        let refused = ring.rotate(nobody, DAY, now()).unwrap_err();
        assert_eq!(refused.kind(), KeyErrorKind::Unknown);
    }
}
