//! Stores that have to be asked, and the last use.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use super::*;

/// A store that answers as it is told to, over one in memory.
#[derive(Default)]
struct Odd {
    keys: MemoryApiKeys,
    finds_at_once: AtomicBool,
    touches_at_once: AtomicBool,
    is_down: AtomicBool,
    /// Whether uses are being written down for ever.
    hangs: AtomicBool,
    /// So many changes are refused because others came in between.
    conflicts: AtomicU32,
    touched: Mutex<Vec<Timestamp>>,
}

impl Odd {
    fn ask(&self) -> Result<(), StoreError> {
        match self.is_down.load(Ordering::Relaxed) {
            true => Err(StoreError::new("it is down")),
            false => Ok(()),
        }
    }

    fn note(&self, id: &str, at: Timestamp) {
        self.touched.lock().unwrap().push(at);
        let _ = self.keys.touch_now(id, at);
    }

    fn touched(&self) -> Vec<Timestamp> {
        self.touched.lock().unwrap().clone()
    }
}

impl ApiKeyStore for Odd {
    fn check(&self, id: &str) -> Check<Option<Arc<StoredKey>>> {
        match self.finds_at_once.load(Ordering::Relaxed) {
            true => self.keys.check(id),
            false => Check::NeedsIo,
        }
    }

    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        self.ask()?;
        self.keys.load(id).await
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.ask()?;
        self.keys.list(owner, after, limit).await
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        self.ask()?;
        let one_less = |left: u32| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if self.conflicts.fetch_update(order, order, one_less).is_ok() {
            return Ok(Commit::Conflict);
        }
        self.keys.put(key).await
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        self.ask()?;
        self.keys.remove(id, expected).await
    }

    fn touch_now(&self, id: &str, at: Timestamp) -> Check<()> {
        if !self.touches_at_once.load(Ordering::Relaxed) {
            return Check::NeedsIo;
        }
        self.note(id, at);
        Check::Done(())
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.ask()?;
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.note(id, at);
        Ok(())
    }
}

/// A store, a key in it, and whoever judges it.
struct World {
    store: Arc<Odd>,
    keys: KeyRegistry,
    guard: ApiKeyAuthenticator,
    issued: IssuedKey,
}

impl World {
    async fn new(change: impl FnOnce(ApiKeys) -> ApiKeys) -> Self {
        let store = Arc::new(Odd::default());
        let keys = KeyRegistry::new("acme", &pepper(), Arc::clone(&store));
        let config = change(ApiKeys::from_registry(keys.clone()));
        Self {
            guard: config.into_authenticator(&site()).unwrap(),
            issued: keys.issue(Grant::for_user("alice"), now()).await.unwrap(),
            store,
            keys,
        }
    }

    /// What is answered, and whether that took the store's I/O.
    async fn ask(&self, text: &str, at: Timestamp) -> (&'static str, bool) {
        let (parts, ()) = http::Request::builder()
            .header("authorization", format!("Bearer {text}"))
            .body(())
            .unwrap()
            .into_parts();
        let view = RequestView::new(&parts, at);
        match self.guard.check(&view) {
            Check::Done(verdict) => (name(&verdict), false),
            Check::NeedsIo => (name(&self.guard.verify(&view).await), true),
        }
    }

    async fn ask_good(&self, at: Timestamp) -> (&'static str, bool) {
        self.ask(self.issued.expose(), at).await
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Unavailable(unavailable) => unavailable.reason().as_str(),
        other => super::name(other),
    }
}

#[tokio::test]
async fn a_store_that_has_to_be_asked_is_asked() {
    let world = World::new(|keys| keys).await;
    assert_eq!(world.ask_good(now()).await, ("accept", true));
    let wrong = other_secret(&world.issued);
    assert_eq!(world.ask(&wrong, now()).await, ("api_key_secret", true));
    let elsewhere = issue(&ring(), Grant::for_user("mallory"));
    let elsewhere = world.ask(elsewhere.expose(), now()).await;
    assert_eq!(elsewhere, ("api_key_unknown", true));
    // Whatever is no key of ours does not get as far as the store.
    assert_eq!(
        world.ask("acme_", now()).await,
        ("api_key_malformed", false)
    );
    assert_eq!(world.ask("other_", now()).await, ("not mine", false));

    world
        .keys
        .revoke(world.issued.stored().id(), now())
        .await
        .unwrap();
    assert_eq!(world.ask_good(now()).await, ("api_key_revoked", true));
}

#[tokio::test]
async fn a_store_that_is_down_is_neither_a_pass_nor_a_bad_key() {
    let world = World::new(|keys| keys).await;
    assert_eq!(world.ask_good(now()).await, ("accept", true));
    world.store.is_down.store(true, Ordering::Relaxed);
    let down = ("api_key_store_unavailable", true);
    assert_eq!(world.ask_good(now()).await, down);
    assert_eq!(world.ask_good(now() + DAY).await, down);
    let id = world.issued.stored().id();
    for refused in [
        world.keys.find(id).await.err(),
        world.keys.list("alice", None, 1).await.err(),
        world
            .keys
            .issue(Grant::for_user("alice"), now())
            .await
            .err(),
        world.keys.rotate(id, DAY, now()).await.err(),
        world.keys.revoke(id, now()).await.err(),
        world.keys.remove(id).await.err(),
    ] {
        let refused = refused.unwrap();
        assert_eq!(refused.kind(), KeyErrorKind::StoreUnavailable);
        let source = std::error::Error::source(&refused).unwrap();
        assert_eq!(source.to_string(), "it is down");
    }
}

#[tokio::test]
async fn a_use_is_written_once_in_a_while() {
    let minute = Duration::from_secs(60);
    for at_once in [false, true] {
        let world = World::new(|keys| keys.with_last_use_interval(minute)).await;
        world
            .store
            .touches_at_once
            .store(at_once, Ordering::Relaxed);
        for second in 0..150 {
            let at = now() + Duration::from_secs(second);
            assert_eq!(world.ask_good(at).await.0, "accept");
        }
        let written = [now(), now() + minute, now() + 2 * minute];
        assert_eq!(world.store.touched(), written);
        let found = world.keys.find(world.issued.stored().id()).await;
        assert_eq!(
            found.unwrap().unwrap().last_used_at(),
            Some(now() + 2 * minute)
        );
        // Who is refused has not used the key.
        let _ = world.ask(&other_secret(&world.issued), now() + DAY).await;
        assert_eq!(world.store.touched().len(), 3);
    }
}

/// One that has its keys in memory, and writes uses elsewhere.
#[tokio::test]
async fn only_the_use_that_is_written_waits_for_it() {
    let world = World::new(|keys| keys).await;
    world.store.finds_at_once.store(true, Ordering::Relaxed);
    assert_eq!(world.ask_good(now()).await, ("accept", true));
    assert_eq!(world.ask_good(now() + MOMENT).await, ("accept", false));
    let later = now() + Duration::from_secs(300);
    assert_eq!(world.ask_good(later - MOMENT).await, ("accept", false));
    assert_eq!(world.ask_good(later).await, ("accept", true));
    assert_eq!(world.store.touched(), [now(), later]);

    // That it cannot be written keeps nobody out, and is not tried for each request.
    world.store.is_down.store(true, Ordering::Relaxed);
    assert_eq!(world.ask_good(later + DAY).await, ("accept", true));
    assert_eq!(world.ask_good(later + DAY).await, ("accept", false));
    assert_eq!(world.store.touched().len(), 2);
}

/// Whoever goes away while it is written down is seen by the next use.
#[tokio::test]
async fn a_use_is_not_hidden_by_going_away() {
    let world = World::new(|keys| keys).await;
    world.store.finds_at_once.store(true, Ordering::Relaxed);
    world.store.hangs.store(true, Ordering::Relaxed);
    let (parts, ()) = http::Request::builder()
        .header("authorization", format!("Bearer {}", world.issued.expose()))
        .body(())
        .unwrap()
        .into_parts();
    let view = RequestView::new(&parts, now());
    assert!(matches!(world.guard.check(&view), Check::NeedsIo));
    let writing = crate::session::at_once(world.guard.verify(&view));
    assert!(writing.is_none(), "it waits for the store");
    world.store.hangs.store(false, Ordering::Relaxed);
    assert_eq!(world.ask_good(now() + MOMENT).await, ("accept", true));
    assert_eq!(world.store.touched(), [now() + MOMENT]);
}

#[tokio::test]
async fn without_last_use_nothing_is_written() {
    let world = World::new(ApiKeys::without_last_use).await;
    assert_eq!(world.ask_good(now()).await, ("accept", true));
    assert!(world.store.touched().is_empty());
}

#[tokio::test]
async fn a_change_is_tried_again_and_comes_to_an_end() {
    let world = World::new(|keys| keys).await;
    let id = world.issued.stored().id();
    let conflicts = |count| world.store.conflicts.store(count, Ordering::Relaxed);
    conflicts(3);
    let rotated = world.keys.rotate(id, DAY, now()).await.unwrap();
    assert_eq!(world.ask(rotated.expose(), now()).await.0, "accept");
    conflicts(3);
    world.keys.revoke(id, now()).await.unwrap();
    assert_eq!(
        world.ask(rotated.expose(), now()).await.0,
        "api_key_revoked"
    );

    let other = world
        .keys
        .issue(Grant::for_user("bob"), now())
        .await
        .unwrap();
    conflicts(1000);
    let refused = world.keys.revoke(other.stored().id(), now()).await;
    assert_eq!(refused.unwrap_err().kind(), KeyErrorKind::Conflict);
}
