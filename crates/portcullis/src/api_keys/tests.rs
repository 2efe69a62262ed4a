//! The ring and the authenticator together, as a stack uses them.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use portcullis_core::{
    Authenticator as _, Check, Evidence, IntoAuthenticator as _, RejectionKind, RequestView,
    Scopes, Secret, Site, SystemClock, Timestamp, Verdict,
};

use super::{
    ApiKeyAuthenticator, ApiKeys, Grant, IssuedKey, KeyErrorKind, KeyHash, KeyRing, StoredKey,
    Superseded, format::sealed, hash::HASHED,
};

const DAY: Duration = Duration::from_secs(86_400);
const MOMENT: Duration = Duration::from_millis(1);
const ID: &str = "0123456789ABCde";

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_767_225_600)
}

fn pepper() -> Secret {
    Secret::new([7; 32])
}

fn ring() -> KeyRing {
    KeyRing::new("acme", &pepper())
}

fn site() -> Site {
    Site::new(Arc::new(SystemClock::new()))
}

fn guard(ring: &KeyRing) -> ApiKeyAuthenticator {
    let config = ApiKeys::new(ring.clone());
    config.into_authenticator(&site()).unwrap()
}

fn ask(guard: &ApiKeyAuthenticator, headers: &[(&str, &[u8])], at: Timestamp) -> Verdict {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).unwrap();
        parts
            .headers
            .append(name, HeaderValue::from_bytes(value).unwrap());
    }
    match guard.check(&RequestView::new(&parts, at)) {
        Check::Done(verdict) => verdict,
        Check::NeedsIo => panic!("keys need no I/O"),
    }
}

fn bearer(guard: &ApiKeyAuthenticator, text: &str, at: Timestamp) -> Verdict {
    ask(
        guard,
        &[("authorization", format!("Bearer {text}").as_bytes())],
        at,
    )
}

fn accepted(verdict: Verdict) -> Arc<Evidence> {
    match verdict {
        Verdict::Accept(evidence) => evidence,
        other => panic!("{other:?}"),
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accept(_) => "accept",
        Verdict::Absent => "absent",
        Verdict::NotMine => "not mine",
        Verdict::Reject(rejection) => rejection.reason().as_str(),
        other => panic!("{other:?}"),
    }
}

fn issue(ring: &KeyRing, grant: Grant) -> IssuedKey {
    ring.issue(grant, now()).unwrap()
}

/// A key with the same id and a right checksum, and another secret.
fn other_secret(issued: &IssuedKey) -> String {
    let elsewhere = ring().add_keys([issued.stored().clone()]);
    let other = elsewhere.rotate(issued.stored().id(), DAY, now());
    other.unwrap().expose().to_owned()
}

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

    for unsound in [
        KeyRing::new("Acme", &pepper()),
        KeyRing::new("acme", &Secret::new([])),
    ] {
        let refused = unsound.issue(user(), now()).unwrap_err();
        assert_eq!(refused.kind(), KeyErrorKind::Misconfigured);
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
        "KeyRing::new KeyRing::new KeyRing::with_issuer KeyRing::add_keys ApiKeys::with_header"
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
