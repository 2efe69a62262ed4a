//! The keys that are known, as they are now.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use portcullis_core::{ConfigError, ConfigErrors, Secret, Timestamp, Verdict};

use super::{
    Grant, IssuedKey, KeyExplanation, StoredKey,
    entry::{self, Entry, Good, reject},
    error::{KeyError, KeyErrorKind},
    format::KeyId,
    mint::{Mint, issuer_problem},
};

type Entries = HashMap<KeyId, Arc<Entry>>;

/// The keys that are known, as they are now: they can be issued, rotated and revoked while
/// requests are served.
///
/// A clone is a handle on the same keys. Requests read a snapshot and wait for nobody; a
/// change copies the table, so load many keys in one call.
///
/// The ring keeps nothing on disk: write what [`issue`](Self::issue) and
/// [`rotate`](Self::rotate) return to your database, and load it with
/// [`add_keys`](Self::add_keys) at start. Where several servers share a database, load it
/// again with [`replace_all`](Self::replace_all) when another server may have changed it.
///
/// See the [module](super) for examples.
#[derive(Clone)]
#[must_use]
pub struct KeyRing {
    shared: Arc<Shared>,
}

struct Shared {
    mint: Mint,
    entries: ArcSwap<Entries>,
    /// Held while `entries` is changed, and only then.
    writing: Mutex<()>,
    /// The mistakes of the setters, until an authenticator is built.
    errors: Mutex<ConfigErrors>,
}

impl KeyRing {
    /// An empty ring. Its keys begin with `prefix`, which is 2 to 16 lower-case letters and
    /// digits, a letter first; only their HMAC under `pepper` is kept, which is at least 32
    /// random bytes.
    ///
    /// A mistake is kept until the authenticator is built, or [`check`](Self::check) is asked; no
    /// key can be issued with it.
    pub fn new(prefix: &str, pepper: &Secret) -> Self {
        Self {
            shared: Arc::new(Shared {
                mint: Mint::new("KeyRing::new", prefix, pepper),
                entries: ArcSwap::default(),
                writing: Mutex::default(),
                errors: Mutex::default(),
            }),
        }
    }

    /// Who vouches for the holders of the keys: the issuer of their evidence. Without this it
    /// is `api-keys:` and the prefix.
    ///
    /// The identity of a caller is the pair of issuer and subject. Give the issuer identifier
    /// of your identity provider here only if the users of the keys are named by its
    /// subjects: then `alice` with a key is the same as `alice` with a token.
    ///
    /// Call it before the ring is cloned.
    pub fn with_issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        let issuer = issuer.into();
        let problem = issuer_problem(&issuer).or_else(|| match Arc::get_mut(&mut self.shared) {
            None => Some("the ring is shared already; call it before the first clone".into()),
            Some(shared) => {
                shared.mint.set_issuer(issuer);
                // The evidence of keys that are there already names the old issuer.
                let refused = shared.replace_all(shared.snapshot()).err();
                refused.map(|error| error.to_string())
            }
        });
        self.keep_error("KeyRing::with_issuer", problem)
    }

    /// Keys from the database. A mistake in one is kept until the authenticator is built, and
    /// none is added then.
    ///
    /// No keys at all is no mistake: the first may be issued later.
    pub fn add_keys(self, keys: impl IntoIterator<Item = StoredKey>) -> Self {
        let added = self.shared.read(keys).and_then(|read| {
            self.shared
                .change(|entries| read.into_iter().try_for_each(|new| insert(entries, new)))
        });
        let problem = added.err().map(|error| error.to_string());
        self.keep_error("KeyRing::add_keys", problem)
    }

    /// Says early what building the authenticator would say: for programs that issue keys and
    /// guard nothing.
    ///
    /// # Errors
    ///
    /// Every setting that cannot work, with its fix.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::{Secret, api_keys::KeyRing};
    ///
    /// let problems = KeyRing::new("acme", &Secret::from("too short")).check().unwrap_err();
    /// assert!(problems.to_string().starts_with("`KeyRing::new(pepper)`: "));
    /// ```
    pub fn check(&self) -> Result<(), ConfigErrors> {
        self.errors().into_result(())
    }

    /// Cuts a new key, which works at once, and returns its text, which is kept nowhere.
    ///
    /// # Errors
    ///
    /// The grant is over at `now` or could never be used, the ring is misconfigured, or there
    /// is no randomness.
    pub fn issue(&self, grant: Grant, now: Timestamp) -> Result<IssuedKey, KeyError> {
        let issued = self.shared.mint.issue(grant, now)?;
        self.insert(issued.stored().clone())?;
        Ok(issued)
    }

    /// Gives a key a new secret and returns the new text. The present secret goes on
    /// working for the `overlap`; zero ends it at once.
    ///
    /// The id and the grant stay. A secret that was superseded before, and whose overlap is
    /// not over, ends: a key has two secrets at most.
    ///
    /// # Errors
    ///
    /// There is no such key, it has expired at `now`, the ring is misconfigured, or there is
    /// no randomness.
    pub fn rotate(
        &self,
        id: &str,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<IssuedKey, KeyError> {
        let id = KeyId::parse(id);
        let mint = &self.shared.mint;
        self.shared.change(|entries| {
            let entry = id.and_then(|id| entries.get(&id)).ok_or_else(unknown)?;
            let stored = StoredKey::clone(entry.stored());
            let issued = mint.rotate(stored, overlap, now)?;
            let (id, entry) = self.shared.entry(issued.stored().clone())?;
            entries.insert(id, Arc::new(entry));
            Ok(issued)
        })
    }

    /// Forgets a key with all its secrets: it works for no later request. Requests and
    /// sessions that it opened are ended by its revocation key,
    /// [`RevocationKey::Credential`](portcullis_core::RevocationKey::Credential).
    ///
    /// # Errors
    ///
    /// There is no key with this id: it was revoked before, or the id is mistyped.
    pub fn revoke(&self, id: &str) -> Result<(), KeyError> {
        let id = KeyId::parse(id).ok_or_else(unknown)?;
        self.shared
            .change(|entries| entries.remove(&id).map(drop).ok_or_else(unknown))
    }

    /// Takes in a key that another server issued.
    ///
    /// # Errors
    ///
    /// There is a key with this id already, or this one could never be used.
    pub fn insert(&self, stored: StoredKey) -> Result<(), KeyError> {
        let new = self.shared.entry(stored)?;
        self.shared.change(|entries| insert(entries, new))
    }

    /// Puts a key in the place of that with the same id: with another grant, or as another
    /// server rotated it.
    ///
    /// # Errors
    ///
    /// There is no key with this id, so that what was revoked does not come back; or this one
    /// could never be used.
    pub fn replace(&self, stored: StoredKey) -> Result<(), KeyError> {
        let (id, entry) = self.shared.entry(stored)?;
        self.shared.change(|entries| {
            let place = entries.get_mut(&id).ok_or_else(unknown)?;
            *place = Arc::new(entry);
            Ok(())
        })
    }

    /// Puts these keys in the place of all that are there, in one step. What was issued,
    /// rotated or revoked here since they were read is undone: write each to the database
    /// before it is read again.
    ///
    /// # Errors
    ///
    /// Two have the same id, or one could never be used. Then nothing is changed.
    pub fn replace_all(&self, keys: impl IntoIterator<Item = StoredKey>) -> Result<(), KeyError> {
        self.shared.replace_all(keys)
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<StoredKey> {
        let id = KeyId::parse(id)?;
        let entries = self.shared.entries.load();
        entries
            .get(&id)
            .map(|entry| StoredKey::clone(entry.stored()))
    }

    pub(super) fn issuer(&self) -> &str {
        self.shared.mint.issuer()
    }

    /// All keys as they are now, in no order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<StoredKey> {
        self.shared.snapshot()
    }

    /// Which checks a text that was presented as a key passes and fails, in words, for a
    /// developer who is stuck. Nothing of the key is shown, and nothing is asked of others.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::{Clock as _, Secret, SystemClock, api_keys::{Grant, KeyRing}};
    ///
    /// let keys = KeyRing::new("acme", &Secret::new([7; 32]));
    /// let now = SystemClock::new().now();
    /// let issued = keys.issue(Grant::for_user("alice"), now)?;
    /// assert!(keys.explain(issued.expose(), now).is_accepted());
    ///
    /// let slip = keys.explain("acme_0123", now);
    /// assert_eq!(slip.summary(), "the text is cut short, or something was added to it");
    /// # Ok::<(), portcullis::api_keys::KeyError>(())
    /// ```
    #[must_use]
    pub fn explain(&self, text: &str, now: Timestamp) -> KeyExplanation {
        let mint = &self.shared.mint;
        match KeyExplanation::of_form(mint, text) {
            Ok(id) => KeyExplanation::of_key(mint, text, self.find(&id).as_ref(), now),
            Err(explanation) => explanation,
        }
    }

    /// What the setters did wrong.
    pub(super) fn errors(&self) -> ConfigErrors {
        let mut errors = self.shared.mint.errors().clone();
        errors.extend(lock(&self.shared.errors).clone());
        errors
    }

    /// Decides about a text that was presented as a key.
    ///
    /// Allocates nothing: the snapshot is borrowed, the hash is computed on the stack, and
    /// the evidence is shared.
    pub(super) fn judge(&self, text: &[u8], now: Timestamp) -> Result<Good, Verdict> {
        let mint = &self.shared.mint;
        let id = mint.parse(text)?;
        // Before the look-up, so that nothing depends on whether the id is known.
        let presented = mint.hash(text);
        let entries = self.shared.entries.load();
        let entry = entries.get(&id);
        let stored = entry.map(|entry| &**entry.stored());
        let matched = entry::judge(stored, &presented, mint.nobody(), now).map_err(reject)?;
        let entry = entry.ok_or_else(|| reject(entry::UNKNOWN))?;
        Ok(Good {
            id,
            entry: Arc::clone(entry),
            matched,
        })
    }

    fn keep_error(self, setting: &str, problem: Option<String>) -> Self {
        if let Some(problem) = problem {
            lock(&self.shared.errors).push(ConfigError::new(setting, problem));
        }
        self
    }
}

impl fmt::Debug for KeyRing {
    /// Without the pepper and the hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("prefix", &self.shared.mint.prefix())
            .field("issuer", &self.shared.mint.issuer())
            .field("keys", &self.shared.entries.load().len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Changes a copy and puts it in the place of the table, unless the change fails.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Entries) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let _writing = lock(&self.writing);
        let mut entries = Entries::clone(&self.entries.load());
        let changed = change(&mut entries)?;
        self.entries.store(Arc::new(entries));
        Ok(changed)
    }

    fn replace_all(&self, keys: impl IntoIterator<Item = StoredKey>) -> Result<(), KeyError> {
        let read = self.read(keys)?;
        self.change(|entries| {
            entries.clear();
            read.into_iter().try_for_each(|new| insert(entries, new))
        })
    }

    /// Checks keys before the lock is taken: the iterator is the caller's, and may use the
    /// ring itself.
    fn read(
        &self,
        keys: impl IntoIterator<Item = StoredKey>,
    ) -> Result<Vec<(KeyId, Entry)>, KeyError> {
        keys.into_iter().map(|stored| self.entry(stored)).collect()
    }

    fn snapshot(&self) -> Vec<StoredKey> {
        let entries = self.entries.load();
        entries
            .values()
            .map(|entry| StoredKey::clone(entry.stored()))
            .collect()
    }

    fn entry(&self, stored: StoredKey) -> Result<(KeyId, Entry), KeyError> {
        Entry::new(Arc::new(stored), self.mint.issuer())
    }
}

fn insert(entries: &mut Entries, (id, entry): (KeyId, Entry)) -> Result<(), KeyError> {
    if entries.contains_key(&id) {
        return Err(KeyError::new(
            KeyErrorKind::Duplicate,
            format!("two keys have the id `{}`; leave one out", id.as_str()),
        ));
    }
    entries.insert(id, Arc::new(entry));
    Ok(())
}

pub(super) fn unknown() -> KeyError {
    KeyError::new(KeyErrorKind::Unknown, "there is no key with this id")
}

/// Nothing is ever half-changed under a lock here, so a thread that panicked left no harm.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
