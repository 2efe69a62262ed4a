//! Keys in a store.

use super::*;

fn registry(store: impl ApiKeyStore) -> KeyRegistry {
    KeyRegistry::new("acme", &pepper(), store)
}

fn guard(registry: &KeyRegistry) -> ApiKeyAuthenticator {
    let config = ApiKeys::from_registry(registry.clone());
    config.into_authenticator(&site()).unwrap()
}

#[tokio::test]
async fn what_was_issued_is_accepted_as_what_was_granted() {
    let keys = registry(MemoryApiKeys::default());
    let guard = guard(&keys);
    let grant = Grant::for_application("reporting")
        .with_user("alice")
        .with_scopes(Scopes::parse("notes.read").unwrap())
        .with_expires_at(now() + DAY);
    let issued = keys.issue(grant, now()).await.unwrap();
    let first = accepted(bearer(&guard, issued.expose(), now()));
    assert_eq!(first.issuer(), "api-keys:acme");
    assert_eq!(first.subject(), "alice");
    assert_eq!(first.client(), Some("reporting"));
    assert!(first.scopes().contains("notes.read"));
    assert_eq!(first.not_after(), Some(now() + DAY));
    let second = accepted(bearer(&guard, issued.expose(), now()));
    assert!(Arc::ptr_eq(&first, &second));
    let late = bearer(&guard, issued.expose(), now() + DAY);
    assert_eq!(name(&late), "api_key_expired");
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap_revoked_and_removed() {
    let keys = registry(MemoryApiKeys::default());
    let guard = guard(&keys);
    let first = keys.issue(Grant::for_user("alice"), now()).await.unwrap();
    let id = first.stored().id();
    let second = keys.rotate(id, DAY, now()).await.unwrap();
    assert_eq!(second.stored().id(), id);
    let asked = |key: &IssuedKey, at| name(&bearer(&guard, key.expose(), at));
    for (at, old) in [
        (now(), "accept"),
        (now() + DAY - MOMENT, "accept"),
        (now() + DAY, "api_key_superseded"),
    ] {
        assert_eq!(asked(&first, at), old, "{at}");
        assert_eq!(asked(&second, at), "accept", "{at}");
    }
    let old = accepted(bearer(&guard, first.expose(), now()));
    assert_eq!(old.not_after(), Some(now() + DAY));

    // Another grant holds from the next request on.
    let grant = Grant::for_user("alice").with_expires_at(now() + DAY);
    keys.regrant(id, grant).await.unwrap();
    assert_eq!(asked(&second, now() + DAY), "api_key_expired");

    keys.revoke(id, now()).await.unwrap();
    assert_eq!(asked(&first, now()), "api_key_revoked");
    assert_eq!(asked(&second, now()), "api_key_revoked");
    // Once more changes nothing, and there is no way back.
    keys.revoke(id, now() + DAY).await.unwrap();
    let kept = keys.find(id).await.unwrap().unwrap();
    assert_eq!(kept.revoked_at(), Some(now()));
    let refused = keys.rotate(id, DAY, now()).await.unwrap_err();
    assert_eq!(refused.kind(), KeyErrorKind::Revoked);
    assert_eq!(keys.list("alice", None, 10).await.unwrap().len(), 1);

    keys.remove(id).await.unwrap();
    assert_eq!(asked(&second, now()), "api_key_unknown");
    assert!(keys.find(id).await.unwrap().is_none());
    for gone in [id, "no id", ""] {
        for refused in [
            keys.revoke(gone, now()).await.err(),
            keys.rotate(gone, DAY, now()).await.err(),
            keys.remove(gone).await.err(),
            keys.regrant(gone, Grant::for_user("bob")).await.err(),
        ] {
            let kind = refused.map(|error| error.kind());
            assert_eq!(kind, Some(KeyErrorKind::Unknown), "{gone:?}");
        }
    }
}

#[tokio::test]
async fn owners_see_their_keys_page_by_page() {
    let keys = registry(MemoryApiKeys::default());
    let mut hers = Vec::new();
    for _ in 0..5 {
        let issued = keys.issue(Grant::for_user("alice"), now()).await.unwrap();
        hers.push(issued.stored().id().to_owned());
        let _ = keys.issue(Grant::for_user("bob"), now()).await.unwrap();
    }
    let _ = keys
        .issue(Grant::for_application("alice"), now())
        .await
        .unwrap();
    hers.sort();
    let mut listed = Vec::new();
    loop {
        let after = listed.last().map(String::as_str);
        let page = keys.list("alice", after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        listed.extend(page.iter().map(|key| key.id().to_owned()));
    }
    assert_eq!(listed, hers);
    let applications = keys.list("application:alice", None, usize::MAX).await;
    assert_eq!(applications.unwrap().len(), 1);
}

#[tokio::test]
async fn two_registries_of_one_store_are_one() {
    let store = Arc::new(MemoryApiKeys::default());
    let (one, other) = (registry(Arc::clone(&store)), registry(store));
    let issued = one.issue(Grant::for_user("alice"), now()).await.unwrap();
    let guard = guard(&other);
    assert_eq!(name(&bearer(&guard, issued.expose(), now())), "accept");
    one.revoke(issued.stored().id(), now()).await.unwrap();
    let verdict = bearer(&guard, issued.expose(), now());
    assert_eq!(name(&verdict), "api_key_revoked");
}

#[tokio::test]
async fn refuses_what_could_never_serve() {
    let keys = registry(MemoryApiKeys::with_capacity(1));
    let user = || Grant::for_user("alice");
    for (grant, kind) in [
        (user().with_expires_at(now()), KeyErrorKind::Expired),
        (Grant::for_user(""), KeyErrorKind::Invalid),
        (Grant::for_user("application:x"), KeyErrorKind::Invalid),
    ] {
        let refused = keys.issue(grant, now()).await.unwrap_err();
        assert_eq!(refused.kind(), kind);
    }
    assert!(keys.list("alice", None, 10).await.unwrap().is_empty());
    let only = keys.issue(user(), now()).await.unwrap();
    let full = keys.issue(user(), now()).await.unwrap_err();
    assert_eq!(full.kind(), KeyErrorKind::Full);
    let refused = keys.regrant(only.stored().id(), Grant::for_user("")).await;
    assert_eq!(refused.unwrap_err().kind(), KeyErrorKind::Invalid);
}

/// A row that somebody has written by hand.
#[tokio::test]
async fn a_row_that_makes_no_sense_lets_nobody_in() {
    let keys = registry(MemoryApiKeys::default());
    let issued = keys.issue(Grant::for_user("alice"), now()).await.unwrap();
    let row = keys.find(issued.stored().id()).await.unwrap().unwrap();
    let row = row.with_grant(Grant::for_user("application:reporting"));
    assert_eq!(keys.store().put(row).await.unwrap(), Commit::Done);
    let verdict = bearer(&guard(&keys), issued.expose(), now());
    assert_eq!(name(&verdict), "api_key_unusable");
}

#[tokio::test]
async fn an_unknown_id_costs_what_a_wrong_secret_costs() {
    let keys = registry(MemoryApiKeys::default());
    let guard = guard(&keys);
    let issued = keys.issue(Grant::for_user("alice"), now()).await.unwrap();
    let wrong = other_secret(&issued);
    let elsewhere = issue(&ring(), Grant::for_user("mallory"));
    for (text, expected, hashes) in [
        (issued.expose(), "accept", 1),
        (&*wrong, "api_key_secret", 1),
        (elsewhere.expose(), "api_key_unknown", 1),
        (&issued.expose()[..60], "api_key_malformed", 0),
        ("other_", "not mine", 0),
    ] {
        HASHED.set(0);
        let verdict = bearer(&guard, text, now());
        assert_eq!((name(&verdict), HASHED.get()), (expected, hashes));
    }
}

#[test]
fn names_every_setting_that_cannot_work() {
    let problems = |config: ApiKeys| {
        let errors = config.into_authenticator(&site()).unwrap_err();
        let settings: Vec<_> = errors.iter().map(|e| e.setting().to_owned()).collect();
        settings.join(" ")
    };
    let keys = KeyRegistry::new("", &Secret::new([7; 31]), MemoryApiKeys::default());
    let keys = keys.with_issuer("");
    let early = keys.check().unwrap_err();
    assert_eq!(early.iter().count(), 3, "{early}");
    let config = ApiKeys::from_registry(keys.clone())
        .with_header(http::header::COOKIE)
        .with_last_use_interval(Duration::ZERO);
    assert_eq!(
        problems(config),
        "KeyRegistry::new(prefix) KeyRegistry::new(pepper) KeyRegistry::with_issuer \
         ApiKeys::with_header ApiKeys::with_last_use_interval"
    );
    let shared = registry(MemoryApiKeys::default());
    let _clone = shared.clone();
    let late = shared.with_issuer("late");
    assert_eq!(
        problems(ApiKeys::from_registry(late)),
        "KeyRegistry::with_issuer"
    );
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let pepper = Secret::from("canary-pepper-canary-pepper-canary");
    let keys = KeyRegistry::new("acme", &pepper, MemoryApiKeys::default());
    let issued = keys.issue(Grant::for_user("alice"), now()).await.unwrap();
    let config = ApiKeys::from_registry(keys.clone());
    let guard = config.clone().into_authenticator(&site()).unwrap();
    let found = keys.find(issued.stored().id()).await;
    let shown = format!("{keys:?} {config:?} {guard:?} {issued:?} {found:?}");
    assert!(shown.contains(issued.stored().id()), "{shown}");
    let secret = &issued.expose()["acme_".len() + ID.len() + 1..][..8];
    let hash = &issued.stored().hash().to_hex()[..8];
    for canary in ["canary", secret, hash] {
        assert!(!shown.contains(canary), "{canary}: {shown}");
    }
}
