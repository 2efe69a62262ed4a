//! Keys in a store: issued, listed, rotated and revoked there.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use portcullis_core::{
    Commit, ConfigError, ConfigErrors, Secret, Timestamp,
    api_keys::{ApiKeyStore, StoredKey},
};

use super::{
    Grant, IssuedKey, KeyExplanation,
    error::{KeyError, KeyErrorKind},
    format::KeyId,
    mint::{Mint, issuer_problem},
    ring::{lock, unknown},
    store::DynApiKeyStore,
};

/// How often a change is tried again that others came in between of.
const TRIES: usize = 16;
/// The most keys that are listed at once.
const MAX_LISTED: usize = 1000;

/// Keys in a store, which other servers may share: they are issued, listed, rotated and revoked
/// there while requests are served.
///
/// A clone is a handle on the same keys. A request looks its key up in the store each time, so
/// what was revoked or rotated holds from the next one on, on every server. Revoked keys stay in
/// the list until they are [removed](Self::remove).
///
/// Who may issue, see or revoke whose keys is for you to decide: nothing here asks who calls.
///
/// # Example
///
/// Issued, seen in a list, rotated while both secrets work for a day, and revoked:
///
/// ```
/// use std::time::Duration;
///
/// use portcullis::{Clock as _, Scopes, Secret, SystemClock};
/// use portcullis::api_keys::{ApiKeys, Grant, KeyRegistry, MemoryApiKeys};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pepper = Secret::new([7; 32]);
/// # let now = SystemClock::new().now();
/// let keys = KeyRegistry::new("acmelive", &pepper, MemoryApiKeys::default())
///     .with_issuer("https://keys.example");
/// // For `Stack::add_authenticator`.
/// let authenticator = ApiKeys::from_registry(keys.clone());
///
/// let grant = Grant::for_user("alice").with_scopes(Scopes::parse("notes.read")?);
/// let issued = keys.issue(grant, now).await?;
/// // Show `issued.expose()` once.
/// let id = issued.stored().id();
///
/// let hers = keys.list("alice", None, 100).await?;
/// assert_eq!(hers[0].id(), id);
///
/// let rotated = keys.rotate(id, Duration::from_secs(86_400), now).await?;
/// assert_eq!(rotated.stored().id(), id);
///
/// keys.revoke(id, now).await?;
/// assert_eq!(keys.find(id).await?.and_then(|key| key.revoked_at()), Some(now));
/// # drop(authenticator);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct KeyRegistry {
    shared: Arc<Shared>,
}

struct Shared {
    mint: Mint,
    store: Arc<dyn DynApiKeyStore>,
    /// The mistakes of the setters, until an authenticator is built.
    errors: Mutex<ConfigErrors>,
}

impl KeyRegistry {
    /// The keys of a store. They begin with `prefix`, which is 2 to 16 lower-case letters and
    /// digits, a letter first; only their HMAC under `pepper` is kept, which is at least 32
    /// random bytes.
    ///
    /// A mistake is kept until the authenticator is built, or [`check`](Self::check) is asked; no
    /// key can be issued with it.
    pub fn new(prefix: &str, pepper: &Secret, store: impl ApiKeyStore) -> Self {
        Self {
            shared: Arc::new(Shared {
                mint: Mint::new("KeyRegistry::new", prefix, pepper),
                store: Arc::new(store),
                errors: Mutex::default(),
            }),
        }
    }

    /// Who vouches for the holders of the keys: the issuer of their evidence. Without this it
    /// is `api-keys:` and the prefix. What to give is said at
    /// [`KeyRing::with_issuer`](super::KeyRing::with_issuer).
    ///
    /// Call it before the registry is cloned.
    pub fn with_issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        let issuer = issuer.into();
        let problem = issuer_problem(&issuer).or_else(|| match Arc::get_mut(&mut self.shared) {
            None => Some("the registry is shared already; call it before the first clone".into()),
            Some(shared) => {
                shared.mint.set_issuer(issuer);
                None
            }
        });
        if let Some(problem) = problem {
            let error = ConfigError::new("KeyRegistry::with_issuer", problem);
            lock(&self.shared.errors).push(error);
        }
        self
    }

    /// Says early what building the authenticator would say: for programs that issue keys and
    /// guard nothing.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        self.errors().into_result(())
    }

    /// Cuts a new key, which works at once, and returns its text, which is kept nowhere.
    ///
    /// # Errors
    ///
    /// The grant is over at `now` or could never be used, the prefix or the pepper is wrong, the
    /// store is full or cannot say, or there is no randomness.
    pub async fn issue(&self, grant: Grant, now: Timestamp) -> Result<IssuedKey, KeyError> {
        let issued = self.shared.mint.issue(grant, now)?;
        match self.put(issued.stored().clone()).await? {
            Commit::Done => Ok(issued),
            Commit::Full => Err(KeyError::new(
                KeyErrorKind::Full,
                "the store of keys has no room for another; remove those that are over",
            )),
            _ => Err(conflict()),
        }
    }

    /// The key with this id, also if it is revoked or over.
    ///
    /// # Errors
    ///
    /// The store cannot say.
    pub async fn find(&self, id: &str) -> Result<Option<StoredKey>, KeyError> {
        let Some(id) = KeyId::parse(id) else {
            return Ok(None);
        };
        let found = self.shared.store.load(id.as_str()).await;
        let found = found.map_err(KeyError::store)?;
        Ok(found.map(Arc::unwrap_or_clone))
    }

    /// The keys whose [subject](Grant::subject) is `owner`, in the order of their ids, those
    /// that are revoked or over included. An application's subject is `application:` and its
    /// name; a key with which an application acts for a user is the user's.
    ///
    /// At most `limit` at once, and never more than 1000. For the next ones, give the id of the
    /// last as `after`, until there are none.
    ///
    /// # Errors
    ///
    /// The store cannot say.
    pub async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, KeyError> {
        let listed = self.shared.store.list(owner, after, limit.min(MAX_LISTED));
        listed.await.map_err(KeyError::store)
    }

    /// Gives a key a new secret and returns the new text. The present secret goes on working for
    /// the `overlap`; zero ends it at once, and then a caller who goes away before he has the text
    /// leaves a key that nobody has.
    ///
    /// The id and the grant stay. A secret that was superseded before, and whose overlap is not
    /// over, ends: a key has two secrets at most.
    ///
    /// # Errors
    ///
    /// There is no such key, it is revoked, or has expired at `now`; the prefix or the pepper is
    /// wrong, the store cannot say, or there is no randomness.
    pub async fn rotate(
        &self,
        id: &str,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<IssuedKey, KeyError> {
        for _ in 0..TRIES {
            let stored = self.find(id).await?.ok_or_else(unknown)?;
            let issued = self.shared.mint.rotate(stored, overlap, now)?;
            if self.put(issued.stored().clone()).await? == Commit::Done {
                return Ok(issued);
            }
        }
        Err(conflict())
    }

    /// Puts another grant in the place of that of a key: other scopes, another end.
    ///
    /// # Errors
    ///
    /// There is no such key, or it could never be used; the store cannot say.
    pub async fn regrant(&self, id: &str, grant: Grant) -> Result<(), KeyError> {
        for _ in 0..TRIES {
            let stored = self.find(id).await?.ok_or_else(unknown)?;
            let stored = stored.with_grant(grant.clone());
            self.shared.mint.check(&stored)?;
            if self.put(stored).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(conflict())
    }

    /// Ends a key with all its secrets, from the next request on. It stays in the list. One that
    /// is revoked already stays as it is.
    ///
    /// Requests and sessions that it opened are ended by its revocation key, at the gate:
    /// [`Revocation::credential`](crate::revocation::Revocation::credential).
    ///
    /// # Errors
    ///
    /// There is no key with this id, or the store cannot say: then try again.
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<(), KeyError> {
        for _ in 0..TRIES {
            let stored = self.find(id).await?.ok_or_else(unknown)?;
            if stored.revoked_at().is_some() {
                return Ok(());
            }
            if self.put(stored.with_revoked_at(now)).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(conflict())
    }

    /// Forgets a key: it works for no later request, and is in no list.
    ///
    /// # Errors
    ///
    /// There is no key with this id, or the store cannot say.
    pub async fn remove(&self, id: &str) -> Result<(), KeyError> {
        for _ in 0..TRIES {
            let stored = self.find(id).await?.ok_or_else(unknown)?;
            let removed = self.shared.store.remove(stored.id(), stored.revision());
            if removed.await.map_err(KeyError::store)? == Commit::Done {
                return Ok(());
            }
        }
        Err(conflict())
    }

    /// Which checks a text that was presented as a key passes and fails, in words, for a
    /// developer who is stuck. Nothing of the key is shown, and this is no use of it.
    ///
    /// # Errors
    ///
    /// The store cannot say. It is asked only about a text with the form of a key.
    pub async fn explain(&self, text: &str, now: Timestamp) -> Result<KeyExplanation, KeyError> {
        let mint = &self.shared.mint;
        match KeyExplanation::of_form(mint, text) {
            Ok(id) => {
                let stored = self.find(&id).await?;
                Ok(KeyExplanation::of_key(mint, text, stored.as_ref(), now))
            }
            Err(explanation) => Ok(explanation),
        }
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, KeyError> {
        self.shared.store.put(key).await.map_err(KeyError::store)
    }

    pub(super) fn mint(&self) -> &Mint {
        &self.shared.mint
    }

    pub(super) fn store(&self) -> &dyn DynApiKeyStore {
        &*self.shared.store
    }

    /// What the setters did wrong.
    pub(super) fn errors(&self) -> ConfigErrors {
        let mut errors = self.shared.mint.errors().clone();
        errors.extend(lock(&self.shared.errors).clone());
        errors
    }
}

impl fmt::Debug for KeyRegistry {
    /// Without the pepper, and without the store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRegistry")
            .field("prefix", &self.shared.mint.prefix())
            .field("issuer", &self.shared.mint.issuer())
            .finish_non_exhaustive()
    }
}

fn conflict() -> KeyError {
    KeyError::new(
        KeyErrorKind::Conflict,
        "others change the key all the time; try again",
    )
}
