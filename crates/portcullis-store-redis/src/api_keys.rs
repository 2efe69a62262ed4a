//! API keys: a hash of them by id, and the ids of each owner in order.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use portcullis_core::{
    Commit, Revision, StoreError, Timestamp,
    api_keys::{ApiKeyStore, StoredKey},
};
use redis::Value;

use crate::{
    bucket::{bytes, strange},
    layout::{damaged, read_time, text, write_time},
    link::Repeat,
    script::{Script, script},
    stores::{Question, Shared},
};

static LOAD: LazyLock<Script> = LazyLock::new(|| script!("api_key_load"));
static LIST: LazyLock<Script> = LazyLock::new(|| script!("api_key_list"));
static PUT: LazyLock<Script> = LazyLock::new(|| script!("times", "lengths", "api_key_put"));
static REMOVE: LazyLock<Script> = LazyLock::new(|| script!("lengths", "api_key_remove"));
static TOUCH: LazyLock<Script> = LazyLock::new(|| script!("times", "api_key_touch"));

/// Stands for a key that was never used.
const NEVER: Timestamp = Timestamp::from_unix_millis(i64::MIN);

/// A store of API keys. Clones are the same store.
///
/// All of them are in one bucket, and so in one slot of a cluster: a key and the list of its
/// owner change together.
///
/// Keys do not age, so none may be lost: once the server has lost what this process has seen
/// there, or has gone back to what was there before, every question is an error until it is
/// there again. Whoever has nothing to restore begins anew by [`accept_loss`](Self::accept_loss).
///
/// It is had of [`Redis::api_keys`](crate::Redis::api_keys).
#[derive(Clone)]
pub struct RedisApiKeys(pub(crate) Arc<Shared>);

impl RedisApiKeys {
    /// Goes on with what the server has now, as a process does that is started anew. Keys that
    /// were revoked after the state that it has gone back to are good again: revoke them first of
    /// all.
    pub fn accept_loss(&self) {
        self.0.api_keys.forget();
    }

    async fn ask(
        &self,
        script: &Script,
        args: Vec<Vec<u8>>,
        repeat: Repeat,
    ) -> Result<Value, StoreError> {
        let bucket = &self.0.api_keys;
        let question = Question {
            keys: vec![bucket.key("keys"), bucket.key("owners")],
            args,
            repeat,
            ahead: Duration::ZERO,
        };
        let answer = self.0.ask_raw(bucket, script, question).await?;
        match bucket.note_if_whole(answer)? {
            Some(answer) => Ok(answer.what),
            None => Err(StoreError::new(
                "redis has lost api keys, or changes of them: restore them, or accept the loss",
            )),
        }
    }
}

impl ApiKeyStore for RedisApiKeys {
    async fn load(&self, id: &str) -> Result<Option<Arc<StoredKey>>, StoreError> {
        let answer = self.ask(&LOAD, vec![id.into()], Repeat::Once).await?;
        let Value::Array(found) = answer else {
            return Err(strange());
        };
        match <[Value; 1]>::try_from(found) {
            Ok([Value::Nil]) => Ok(None),
            Ok([Value::BulkString(bytes)]) => read(&bytes, Some(id)).map(|key| Some(Arc::new(key))),
            _ => Err(strange()),
        }
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let owner = entry_of(owner)?;
        let begin = [b"(", &*owner, after.unwrap_or_default().as_bytes()].concat();
        // No text has such a byte.
        let end = [b"(", &*owner, b"\xff"].concat();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let args = vec![owner, begin, end, text(&limit)];
        let Value::Array(found) = self.ask(&LIST, args, Repeat::Once).await? else {
            return Err(strange());
        };
        let keys = found.into_iter().map(|key| read(&bytes(key)?, None));
        keys.collect()
    }

    async fn put(&self, key: StoredKey) -> Result<Commit, StoreError> {
        let expected = key.revision();
        let owner = entry_of(&key.grant().subject())?;
        let key = key.with_revision(expected.next());
        let new = [
            &key.revision().as_u64().to_be_bytes()[..],
            &write_time(key.last_used_at().unwrap_or(NEVER)),
            &owner,
            &key.to_bytes(),
        ];
        let args = vec![
            key.id().into(),
            expected.as_u64().to_be_bytes().to_vec(),
            new.concat(),
            owner,
        ];
        outcome(self.ask(&PUT, args, Repeat::Never).await?)
    }

    async fn remove(&self, id: &str, expected: Revision) -> Result<Commit, StoreError> {
        let args = vec![id.into(), expected.as_u64().to_be_bytes().to_vec()];
        outcome(self.ask(&REMOVE, args, Repeat::Never).await?)
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let args = vec![id.into(), write_time(at).to_vec()];
        self.ask(&TOUCH, args, Repeat::Once).await.map(drop)
    }
}

impl fmt::Debug for RedisApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisApiKeys").field(&self.0).finish()
    }
}

/// What the entries of an owner begin with: his name, behind its length, so that no name is the
/// beginning of another's.
fn entry_of(owner: &str) -> Result<Vec<u8>, StoreError> {
    let length = u32::try_from(owner.len())
        .map_err(|_| StoreError::new("the owner of an api key has too long a name"))?;
    Ok([&length.to_be_bytes()[..], owner.as_bytes()].concat())
}

/// A key as it is kept: its revision and its last use, which scripts read; its owner, as entries
/// begin with it; and the key itself.
fn read(kept: &[u8], id: Option<&str>) -> Result<StoredKey, StoreError> {
    let wrong = || damaged("an api key");
    let (head, rest) = kept.split_at_checked(16).ok_or_else(wrong)?;
    let (revision, used_at) = head.split_at_checked(8).ok_or_else(wrong)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| wrong())?;
    let (owner, bytes) = rest.split_at_checked(length).ok_or_else(wrong)?;
    let key = StoredKey::from_bytes(bytes)?;
    if key.revision().as_u64().to_be_bytes() != revision
        || key.grant().subject().as_bytes() != owner
        || id.is_some_and(|id| id != key.id())
    {
        return Err(wrong());
    }
    Ok(match read_time(used_at)? {
        NEVER => key,
        time => key.with_last_used_at(time),
    })
}

fn outcome(answer: Value) -> Result<Commit, StoreError> {
    match &*bytes(answer)? {
        b"done" => Ok(Commit::Done),
        b"conflict" => Ok(Commit::Conflict),
        _ => Err(strange()),
    }
}
