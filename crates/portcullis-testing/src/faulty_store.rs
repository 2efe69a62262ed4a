//! Stores that fail on request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use portcullis_core::{
    Change, Charged, Check, Commit, OwnerKey, QuotaCharge, QuotaStore, Revision, RevocationStore,
    RevokedKey, SessionId, SessionKey, SessionRecord, SessionStore, Sessions, StoreError,
    Timestamp,
    api_keys::{ApiKeyStore, StoredKey},
};

/// A session store that fails while it is told to, and otherwise does what the one inside it
/// does. Clones are the same store.
///
/// It never answers at once, as a store that asks a server never does.
///
/// # Example
///
/// ```
/// use portcullis::session::{MemorySessions, SessionLayer};
/// use portcullis_testing::faulty_store::FaultyStore;
///
/// let store = FaultyStore::new(MemorySessions::default());
/// let layer = SessionLayer::builder().with_store(store.clone()).build()?;
/// store.set_failing(true); // from now on, nobody is let in
/// # let _ = layer;
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
#[derive(Debug, Default)]
pub struct FaultyStore<S>(Arc<Inner<S>>);

#[derive(Debug, Default)]
struct Inner<S> {
    store: S,
    is_failing: AtomicBool,
    loses_answers: AtomicBool,
    asked: AtomicU64,
}

impl<S> Inner<S> {
    fn new(store: S) -> Self {
        Self {
            store,
            is_failing: AtomicBool::new(false),
            loses_answers: AtomicBool::new(false),
            asked: AtomicU64::new(0),
        }
    }

    fn ask(&self) -> Result<&S, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_failing.load(Ordering::Relaxed) {
            return Err(StoreError::new("it was told to fail"));
        }
        Ok(&self.store)
    }
}

impl<S: SessionStore> FaultyStore<S> {
    /// A store that does not fail yet.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self(Arc::new(Inner::new(store)))
    }

    /// Whether everything that is asked from now on is an error.
    pub fn set_failing(&self, is_failing: bool) {
        self.0.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// Whether commits from now on are made and answered with an error all the same, as by a
    /// server whose answer got lost.
    pub fn set_losing_answers(&self, loses_answers: bool) {
        self.0.loses_answers.store(loses_answers, Ordering::Relaxed);
    }

    /// How often it was asked for something.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// The store inside.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.0.store
    }
}

impl<S> Clone for FaultyStore<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: SessionStore> SessionStore for FaultyStore<S> {
    fn check(&self, _owner: OwnerKey, _key: SessionKey) -> Check<Option<SessionRecord>> {
        Check::NeedsIo
    }

    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        self.0.ask()?.load(owner).await
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let commit = self.0.ask()?.commit(owner, expected, changes, now).await;
        if self.0.loses_answers.load(Ordering::Relaxed) {
            return Err(StoreError::new("the answer got lost"));
        }
        commit
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.ask()?.touch(owner, key, id, at).await
    }

    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        self.0.store.forgotten(owner)
    }

    fn is_volatile(&self) -> bool {
        self.0.store.is_volatile()
    }
}

/// A store of revocations that fails while it is told to, and otherwise does what the one inside
/// it does. Clones are the same store.
///
/// It never answers at once, as a store that asks a server never does; nor does it ever say
/// that it is empty. It is as volatile as the one inside.
///
/// # Example
///
/// ```
/// use portcullis::{authn::AuthnLayer, revocation::MemoryRevocations};
/// use portcullis_testing::{faulty_store::FaultyRevocations, mock_auth::MockAuth};
///
/// let store = FaultyRevocations::new(MemoryRevocations::default());
/// let layer = AuthnLayer::builder()
///     .add_authenticator(MockAuth::user("alice"))
///     .with_revocations(store.clone())
///     .build()?;
/// store.set_failing(true); // from now on, nobody is let in
/// # let _ = layer;
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
#[derive(Debug, Default)]
pub struct FaultyRevocations<S>(Arc<Inner<S>>);

impl<S: RevocationStore> FaultyRevocations<S> {
    /// A store that does not fail yet.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self(Arc::new(Inner::new(store)))
    }

    /// Whether everything that is asked from now on is an error.
    pub fn set_failing(&self, is_failing: bool) {
        self.0.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// How often it was asked for something.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// The store inside.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.0.store
    }
}

impl<S> Clone for FaultyRevocations<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: RevocationStore> RevocationStore for FaultyRevocations<S> {
    async fn look(&self, keys: &[RevokedKey]) -> Result<Option<Timestamp>, StoreError> {
        let store = self.0.ask()?;
        match store.check(keys) {
            Check::Done(found) => Ok(found),
            Check::NeedsIo => store.look(keys).await,
        }
    }

    async fn revoke(
        &self,
        key: RevokedKey,
        cut_off: Timestamp,
        kept_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.ask()?.revoke(key, cut_off, kept_until, now).await
    }

    fn forgotten(&self) -> Option<Timestamp> {
        self.0.store.forgotten()
    }

    fn is_volatile(&self) -> bool {
        self.0.store.is_volatile()
    }
}

/// A store of API keys that fails while it is told to, and otherwise does what the one inside it
/// does. Clones are the same store.
///
/// It never answers at once, as a store that asks a server never does.
///
/// # Example
///
/// ```
/// use portcullis::{Secret, api_keys::{ApiKeys, KeyRegistry, MemoryApiKeys}};
/// use portcullis_testing::faulty_store::FaultyApiKeys;
///
/// let store = FaultyApiKeys::new(MemoryApiKeys::default());
/// let keys = KeyRegistry::new("acme", &Secret::new([7; 32]), store.clone());
/// let authenticator = ApiKeys::from_registry(keys);
/// store.set_failing(true); // from now on, nobody is let in with a key
/// # let _ = authenticator;
/// ```
#[derive(Debug, Default)]
pub struct FaultyApiKeys<S>(Arc<Inner<S>>);

impl<S: ApiKeyStore> FaultyApiKeys<S> {
    /// A store that does not fail yet.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self(Arc::new(Inner::new(store)))
    }

    /// Whether everything that is asked from now on is an error.
    pub fn set_failing(&self, is_failing: bool) {
        self.0.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// Whether changes from now on are made and answered with an error all the same, as by a
    /// server whose answer got lost.
    pub fn set_losing_answers(&self, loses_answers: bool) {
        self.0.loses_answers.store(loses_answers, Ordering::Relaxed);
    }

    /// How often it was asked for something.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// The store inside.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.0.store
    }

    fn answer(&self, commit: Result<Commit, StoreError>) -> Result<Commit, StoreError> {
        if self.0.loses_answers.load(Ordering::Relaxed) {
            return Err(StoreError::new("the answer got lost"));
        }
        commit
    }
}

impl<S> Clone for FaultyApiKeys<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: ApiKeyStore> ApiKeyStore for FaultyApiKeys<S> {
    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        self.0.ask()?.load(id).await
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.0.ask()?.list(owner, after, limit).await
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        let commit = self.0.ask()?.put(key).await;
        self.answer(commit)
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        let commit = self.0.ask()?.remove(id, expected).await;
        self.answer(commit)
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.0.ask()?.touch(id, at).await
    }
}

/// A store of quotas that fails while it is told to, and otherwise does what the one inside it
/// does. Clones are the same store.
///
/// It never answers at once, as a store that asks a server never does.
///
/// # Example
///
/// ```
/// use portcullis::quota::{MemoryQuotas, Quota, QuotaLayer};
/// use portcullis_testing::faulty_store::FaultyQuotas;
///
/// let store = FaultyQuotas::new(MemoryQuotas::default());
/// let layer = QuotaLayer::builder()
///     .with_per_principal(Quota::per_minute(600))
///     .with_store(store.clone())
///     .build()?;
/// store.set_failing(true); // from now on, nobody is let in
/// # let _ = layer;
/// # Ok::<(), portcullis::ConfigErrors>(())
/// ```
#[derive(Debug, Default)]
pub struct FaultyQuotas<S>(Arc<Inner<S>>);

impl<S: QuotaStore> FaultyQuotas<S> {
    /// A store that does not fail yet.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self(Arc::new(Inner::new(store)))
    }

    /// Whether everything that is asked from now on is an error.
    pub fn set_failing(&self, is_failing: bool) {
        self.0.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// How often it was asked for something.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// The store inside.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.0.store
    }
}

impl<S> Clone for FaultyQuotas<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: QuotaStore> QuotaStore for FaultyQuotas<S> {
    async fn charge(&self, charges: &[QuotaCharge], now: Timestamp) -> Result<Charged, StoreError> {
        self.0.ask()?.charge(charges, now).await
    }

    fn is_volatile(&self) -> bool {
        self.0.store.is_volatile()
    }
}
