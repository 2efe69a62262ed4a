//! Keys that come and go while requests are served.

use super::*;

#[test]
fn a_change_by_one_handle_is_seen_by_all_at_once() {
    let ring = ring();
    let guard = guard(&ring);
    let desk = ring.clone();
    let issued = issue(&desk, Grant::for_user("alice"));
    let id = issued.stored().id();
    let asked = || name(&bearer(&guard, issued.expose(), now()));
    assert_eq!(asked(), "accept");
    assert!(ring.find(id).is_some());

    desk.revoke(id).unwrap();
    assert_eq!(asked(), "api_key_unknown");
    assert!(ring.find(id).is_none());
    for gone in [id, "no id"] {
        let refused = ring.revoke(gone).unwrap_err();
        assert_eq!(refused.kind(), KeyErrorKind::Unknown);
    }

    // What was revoked comes back by no other way than `insert`.
    let stored = issued.stored().clone();
    let refused = ring.replace(stored.clone()).unwrap_err();
    assert_eq!(refused.kind(), KeyErrorKind::Unknown);
    ring.insert(stored.clone()).unwrap();
    assert_eq!(asked(), "accept");
    let refused = ring.insert(stored).unwrap_err();
    assert_eq!(refused.kind(), KeyErrorKind::Duplicate);
}

#[test]
fn takes_all_keys_or_none() {
    let ring = ring();
    let guard = guard(&ring);
    let old = issue(&ring, Grant::for_user("alice"));
    let row = |id: &str| StoredKey::new(id, KeyHash::from_bytes([1; 32]), Grant::for_user("bob"));
    for (keys, kind) in [
        ([row(ID), row(ID)], KeyErrorKind::Duplicate),
        ([row(ID), row("short")], KeyErrorKind::Invalid),
    ] {
        assert_eq!(ring.replace_all(keys).unwrap_err().kind(), kind);
        assert_eq!(ring.snapshot().len(), 1);
        assert_eq!(name(&bearer(&guard, old.expose(), now())), "accept");
    }
    ring.replace_all([row(ID)]).unwrap();
    assert_eq!(ring.snapshot().len(), 1);
    let verdict = bearer(&guard, old.expose(), now());
    assert_eq!(name(&verdict), "api_key_unknown");
    ring.replace_all([]).unwrap();
    assert!(ring.snapshot().is_empty());
}

#[test]
fn the_callers_iterator_may_use_the_ring() {
    let ring = ring();
    let _issued = issue(&ring, Grant::for_user("alice"));
    let again = ring.snapshot().into_iter().inspect(|key| {
        ring.revoke(key.id()).unwrap();
    });
    ring.replace_all(again).unwrap();
    assert_eq!(ring.snapshot().len(), 1);
}

#[test]
fn no_change_is_lost_between_threads() {
    let ring = ring();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let kept = issue(&ring, Grant::for_user("alice"));
                    let gone = issue(&ring, Grant::for_user("bob"));
                    assert!(ring.find(kept.stored().id()).is_some());
                    ring.revoke(gone.stored().id()).unwrap();
                }
            });
        }
    });
    assert_eq!(ring.snapshot().len(), 200);
}

#[test]
fn refuses_to_issue_what_could_never_serve() {
    let ring = ring();
    let user = || Grant::for_user("alice");
    for (grant, kind) in [
        (user().with_expires_at(now()), KeyErrorKind::Expired),
        (user().with_expires_at(now() - DAY), KeyErrorKind::Expired),
        (Grant::for_user(""), KeyErrorKind::Invalid),
        (
            user()
                .with_not_before(now() + DAY)
                .with_expires_at(now() + DAY),
            KeyErrorKind::Invalid,
        ),
    ] {
        assert_eq!(ring.issue(grant, now()).unwrap_err().kind(), kind);
    }
    assert!(ring.snapshot().is_empty());
    assert!(ring.check().is_ok());

    for (unsound, setting) in [
        (KeyRing::new("Acme", &pepper()), "KeyRing::new(prefix)"),
        (
            KeyRing::new("acme", &Secret::new([])),
            "KeyRing::new(pepper)",
        ),
    ] {
        let refused = unsound.issue(user(), now()).unwrap_err();
        assert_eq!(refused.kind(), KeyErrorKind::Misconfigured);
        assert!(refused.to_string().contains(setting), "{refused}");
        let early = unsound.check().unwrap_err().to_string();
        assert_eq!(early, refused.to_string());
        let row = StoredKey::new(ID, KeyHash::from_bytes([1; 32]), user());
        let refused = unsound.add_keys([row]).rotate(ID, DAY, now()).unwrap_err();
        assert_eq!(refused.kind(), KeyErrorKind::Misconfigured);
    }
}

#[test]
fn names_every_setting_that_cannot_work() {
    let problems = |config: ApiKeys| {
        let errors = config.into_authenticator(&site()).unwrap_err();
        let settings: Vec<_> = errors.iter().map(|e| e.setting().to_owned()).collect();
        (settings.join(" "), errors.to_string())
    };
    let row = StoredKey::new(ID, KeyHash::from_bytes([1; 32]), Grant::for_user("alice"));
    let all = KeyRing::new("", &Secret::new([7; 31]))
        .with_issuer("")
        .add_keys([row.clone(), row])
        .clone();
    let all = ApiKeys::new(all).with_header(http::header::AUTHORIZATION);
    let (settings, text) = problems(all);
    assert_eq!(
        settings,
        "KeyRing::new(prefix) KeyRing::new(pepper) KeyRing::with_issuer KeyRing::add_keys \
         ApiKeys::with_header"
    );
    for words in [
        "2 to 16",
        "32 random bytes",
        "issuer is empty",
        ID,
        "leave it out",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }

    let shared = ring();
    let _clone = shared.clone();
    let (settings, _) = problems(ApiKeys::new(shared.with_issuer("late")));
    assert_eq!(settings, "KeyRing::with_issuer");

    let (settings, _) = problems(ApiKeys::new(ring()).with_header(http::header::COOKIE));
    assert_eq!(settings, "ApiKeys::with_header");
}

#[test]
fn an_issuer_holds_for_keys_that_were_there_before() {
    let ring = ring();
    let issued = issue(&ring, Grant::for_user("alice"));
    let ring = ring.with_issuer("https://keys.example");
    let evidence = accepted(bearer(&guard(&ring), issued.expose(), now()));
    assert_eq!(evidence.issuer(), "https://keys.example");
}
