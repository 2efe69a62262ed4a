//! How often a key may be used.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use portcullis_core::{Clock, Sleep};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A clock that counts seconds.
#[derive(Debug)]
struct Seconds {
    start: Instant,
    elapsed: AtomicU64,
}

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        now() + Duration::from_secs(self.elapsed.load(Ordering::Relaxed))
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_secs(self.elapsed.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, _: Instant) -> Sleep {
        Sleep::new(std::future::pending())
    }
}

/// An authenticator and its clock.
fn timed(keys: ApiKeys) -> (ApiKeyAuthenticator, Arc<Seconds>) {
    let clock = Arc::new(Seconds {
        start: SystemClock::new().instant(),
        elapsed: AtomicU64::new(0),
    });
    let site = Site::new(Arc::<Seconds>::clone(&clock));
    (keys.into_authenticator(&site).unwrap(), clock)
}

fn limited() -> Grant {
    Grant::for_user("alice").with_limit(3, MINUTE)
}

/// What is answered, and after how long a request comes back.
fn spend(guard: &ApiKeyAuthenticator, key: &IssuedKey) -> Result<(), Duration> {
    match bearer(guard, key.expose(), now()) {
        Verdict::Accept(_) => Ok(()),
        Verdict::Spent(spent) => {
            assert_eq!(spent.reason().as_str(), "api_key_limit");
            Err(spent.returns_in())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_has_so_many_requests_and_they_come_back() {
    let ring = ring();
    let (guard, clock) = timed(ApiKeys::new(ring.clone()));
    let key = issue(&ring, limited());
    let free = issue(&ring, Grant::for_user("alice"));
    let other = issue(&ring, limited());
    for _ in 0..3 {
        assert_eq!(spend(&guard, &key), Ok(()));
    }
    for _ in 0..100 {
        assert_eq!(spend(&guard, &key), Err(MINUTE / 3));
        assert_eq!(spend(&guard, &free), Ok(()));
    }
    assert_eq!(spend(&guard, &other), Ok(()));
    clock.elapsed.store(20, Ordering::Relaxed);
    assert_eq!(spend(&guard, &key), Ok(()));
    assert_eq!(spend(&guard, &key), Err(MINUTE / 3));
}

#[test]
fn both_secrets_of_a_key_have_one_limit() {
    let ring = ring();
    let (guard, _) = timed(ApiKeys::new(ring.clone()));
    let first = issue(&ring, limited());
    let second = ring.rotate(first.stored().id(), DAY, now()).unwrap();
    assert_eq!(spend(&guard, &first), Ok(()));
    assert_eq!(spend(&guard, &second), Ok(()));
    assert_eq!(spend(&guard, &first), Ok(()));
    assert!(spend(&guard, &second).is_err());
    assert!(spend(&guard, &first).is_err());
}

#[test]
fn nobody_uses_up_the_limit_of_a_key_that_he_has_not_got() {
    let ring = ring();
    let (guard, _) = timed(ApiKeys::new(ring.clone()));
    let key = issue(&ring, limited());
    let wrong = other_secret(&key);
    for _ in 0..10 {
        let verdict = bearer(&guard, &wrong, now());
        assert_eq!(name(&verdict), "api_key_secret");
    }
    assert_eq!(spend(&guard, &key), Ok(()));
}

#[tokio::test]
async fn a_limit_in_a_store_holds_and_can_be_changed() {
    let keys = KeyRegistry::new("acme", &pepper(), MemoryApiKeys::default());
    let (guard, clock) = timed(ApiKeys::from_registry(keys.clone()));
    let key = keys.issue(limited(), now()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(spend(&guard, &key), Ok(()));
    }
    assert_eq!(spend(&guard, &key), Err(MINUTE / 3));
    // What was used up comes back at the new rate.
    let more = Grant::for_user("alice").with_limit(60, MINUTE);
    keys.regrant(key.stored().id(), more).await.unwrap();
    assert_eq!(spend(&guard, &key), Err(MINUTE / 60));
    clock.elapsed.store(1, Ordering::Relaxed);
    assert_eq!(spend(&guard, &key), Ok(()));
    let none = Grant::for_user("alice");
    keys.regrant(key.stored().id(), none).await.unwrap();
    for _ in 0..100 {
        assert_eq!(spend(&guard, &key), Ok(()));
    }
}

#[test]
fn a_limit_that_cannot_be_counted_is_refused() {
    for grant in [
        Grant::for_user("alice").with_limit(0, MINUTE),
        Grant::for_user("alice").with_limit(1, Duration::ZERO),
        Grant::for_user("alice").with_limit(1, 400 * DAY),
        Grant::for_user("alice").with_limit(u32::MAX, Duration::MAX),
    ] {
        let refused = ring().issue(grant, now()).unwrap_err();
        assert_eq!(refused.kind(), KeyErrorKind::Invalid);
        assert!(refused.to_string().contains("`with_limit`"), "{refused}");
    }
}
