//! What a request presents as a key.

use super::*;

#[test]
fn what_was_issued_is_accepted_as_what_was_granted() {
    let ring = ring();
    let guard = guard(&ring);
    let end = now() + DAY;
    let issued = issue(
        &ring,
        Grant::for_application("reporting")
            .with_user("alice")
            .with_scopes(Scopes::parse("notes.read").unwrap())
            .with_expires_at(end),
    );
    let evidence = accepted(bearer(&guard, issued.expose(), now()));
    assert!(evidence.validate().is_ok());
    assert_eq!(evidence.issuer(), "api-keys:acme");
    assert_eq!(evidence.subject(), "alice");
    assert_eq!(evidence.client(), Some("reporting"));
    assert!(evidence.scopes().contains("notes.read"));
    assert_eq!(evidence.issued_at(), Some(now()));
    assert_eq!(evidence.not_after(), Some(end));

    assert_eq!(
        name(&bearer(&guard, issued.expose(), end - MOMENT)),
        "accept"
    );
    let expired = bearer(&guard, issued.expose(), end);
    assert_eq!(name(&expired), "api_key_expired");
}

#[test]
fn each_request_is_given_the_same_evidence() {
    let ring = ring();
    let guard = guard(&ring);
    let issued = issue(&ring, Grant::for_user("alice"));
    let first = accepted(bearer(&guard, issued.expose(), now()));
    let second = accepted(bearer(&guard, issued.expose(), now()));
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn leaves_other_credentials_to_others() {
    let ring = ring();
    let guard = guard(&ring);
    let key = issue(&ring, Grant::for_user("alice"));
    let key = key.expose();
    let basic = format!("Basic {key}");
    let lower = format!("bearer {key}");
    for (headers, expected) in [
        (&[][..], "absent"),
        (&[("x-api-key", key.as_bytes())], "absent"),
        (&[("authorization", basic.as_bytes())], "absent"),
        (&[("authorization", b"Bearer ")], "absent"),
        (
            &[("authorization", b"Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2ln")],
            "not mine",
        ),
        (
            &[("authorization", b"Bearer acmelive_000000000000000_x")],
            "not mine",
        ),
        (&[("authorization", b"Bearer acme")], "not mine"),
        (&[("authorization", b"Bearer acme_")], "api_key_malformed"),
        (&[("authorization", lower.as_bytes())], "accept"),
    ] {
        assert_eq!(name(&ask(&guard, headers, now())), expected, "{headers:?}");
    }
}

#[test]
fn an_own_header_replaces_the_bearer_token() {
    let ring = ring();
    let config = ApiKeys::new(ring.clone()).with_header(HeaderName::from_static("x-api-key"));
    let guard = config.into_authenticator(&site()).unwrap();
    assert_eq!(guard.describe().headers(), ["x-api-key"]);
    assert_eq!(guard.describe().scheme(), None);

    let issued = issue(&ring, Grant::for_user("alice"));
    let key = issued.expose().as_bytes();
    let with_bearer = [b"Bearer ", key].concat();
    for (headers, expected) in [
        (&[][..], "absent"),
        (&[("authorization", &*with_bearer)], "absent"),
        (&[("x-api-key", key)], "accept"),
        (&[("x-api-key", b"")], "not mine"),
        (&[("x-api-key", &*with_bearer)], "not mine"),
        (&[("x-api-key", b"acme_\xff")], "api_key_malformed"),
        (&[("x-api-key", b"\xff")], "not mine"),
        (
            &[("x-api-key", key), ("x-api-key", key)],
            "api_key_repeated",
        ),
        (
            &[("x-api-key", b""), ("x-api-key", key)],
            "api_key_repeated",
        ),
    ] {
        assert_eq!(name(&ask(&guard, headers, now())), expected, "{headers:?}");
    }
    let Verdict::Reject(twice) = ask(&guard, &[("x-api-key", key), ("x-api-key", key)], now())
    else {
        panic!("two keys were not refused");
    };
    assert_eq!(twice.kind(), RejectionKind::InvalidRequest);
}

#[test]
fn an_unknown_id_costs_what_a_wrong_secret_costs() {
    let ring = ring();
    let guard = guard(&ring);
    let issued = issue(&ring, Grant::for_user("alice"));
    let wrong = other_secret(&issued);
    let elsewhere = issue(&self::ring(), Grant::for_user("mallory"));
    let cut_off = &issued.expose()[..60];
    for (text, expected, hashes) in [
        (issued.expose(), "accept", 1),
        (&*wrong, "api_key_secret", 1),
        (elsewhere.expose(), "api_key_unknown", 1),
        (cut_off, "api_key_malformed", 0),
        ("other_", "not mine", 0),
    ] {
        HASHED.set(0);
        let verdict = bearer(&guard, text, now());
        assert_eq!((name(&verdict), HASHED.get()), (expected, hashes));
        if let Verdict::Reject(rejection) = verdict {
            assert_eq!(rejection.kind(), RejectionKind::InvalidToken);
        }
    }
}

#[test]
fn nothing_shows_a_secret() {
    let pepper = Secret::from("canary-pepper-canary-pepper-canary");
    let ring = KeyRing::new("acme", &pepper);
    let first = issue(&ring, Grant::for_user("alice"));
    let second = ring.rotate(first.stored().id(), DAY, now()).unwrap();
    let config = ApiKeys::new(ring.clone());
    let guard = config.clone().into_authenticator(&site()).unwrap();
    let verdict = bearer(&guard, second.expose(), now());
    let wrong = bearer(&guard, &other_secret(&first), now());
    let error = ring.rotate("unknown", DAY, now());
    let stored = second.stored();
    let shown = format!(
        "{ring:?} {config:?} {guard:?} {first:?} {second:?} {verdict:?} {wrong:?} {error:?} \
         {stored:?} {:?} {:?} {:?} {:#?}",
        ring.snapshot(),
        stored.superseded(),
        guard.describe(),
        ring,
    );
    assert!(shown.contains(stored.id()), "{shown}");
    let mut canaries = vec!["canary".to_owned()];
    for key in [&first, &second] {
        let secret = &key.expose()["acme_".len() + ID.len() + 1..];
        let hash = key.stored().hash();
        canaries.push(secret[..8].to_owned());
        canaries.push(hash.to_hex()[..8].to_owned());
        let bytes = format!("{:?}", &hash.as_bytes()[..3]);
        canaries.push(bytes.trim_matches(['[', ']']).to_owned());
    }
    for canary in canaries {
        assert!(!shown.contains(&canary), "{canary}: {shown}");
    }
}
