//! Sessions: a hash for each owner, with a field for each session.

mod envelope;

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{
    Change, Commit, EvidenceKind, OwnerKey, Revision, SessionId, SessionKey, SessionRecord,
    SessionState, SessionStore, Sessions, StoreError, Timestamp,
};
use redis::Value;

use crate::{
    bucket::{bytes, number, strange},
    layout::{damaged, millis, text, write_time},
    link::Repeat,
    script::{Script, script},
    stores::{Question, Shared},
};

static LOAD: LazyScript = LazyScript::new(|| script!("session_load"));
static COMMIT: LazyScript = LazyScript::new(|| script!("times", "session_commit"));
static TOUCH: LazyScript = LazyScript::new(|| script!("times", "session_touch"));

type LazyScript = std::sync::LazyLock<Script>;

/// A store of sessions. Clones are the same store.
///
/// It is had of [`Redis::sessions`](crate::Redis::sessions).
#[derive(Clone)]
pub struct RedisSessions(pub(crate) Arc<Shared>);

impl SessionStore for RedisSessions {
    async fn load(&self, owner: OwnerKey) -> Result<Sessions, StoreError> {
        let bucket = self.0.sessions_of(owner.as_u128())?;
        let question = Question {
            keys: vec![bucket.key(format!("o:{owner}"))],
            args: Vec::new(),
            repeat: Repeat::Once,
            ahead: Duration::ZERO,
        };
        let answer = self.0.ask(bucket, &LOAD, question).await?;
        let mut sessions = read(answer.what)?;
        sessions.doubt(bucket.lost());
        Ok(sessions)
    }

    async fn commit(
        &self,
        owner: OwnerKey,
        expected: Revision,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<Commit, StoreError> {
        let bucket = self.0.sessions_of(owner.as_u128())?;
        let is_of_use = self.is_of_use(&changes, now);
        let mut args = vec![
            text(&expected.as_u64()),
            is_of_use.map_or_else(|| b"ever".to_vec(), millis),
            millis(now),
        ];
        for change in &changes {
            args.extend(match change {
                Change::Put(record) => {
                    [b"put".to_vec(), field(record.key), envelope::write(record)?]
                }
                Change::Remove(key) => [b"remove".to_vec(), field(*key), Vec::new()],
                _ => return Err(StoreError::new("does not know this change of sessions")),
            });
        }
        let question = Question {
            keys: vec![bucket.key(format!("o:{owner}"))],
            args,
            repeat: Repeat::Never,
            ahead: Duration::ZERO,
        };
        let answer = self.0.ask(bucket, &COMMIT, question).await?;
        match &*bytes(answer.what)? {
            b"done" => Ok(Commit::Done),
            b"conflict" => Ok(Commit::Conflict),
            _ => Err(strange()),
        }
    }

    async fn touch(
        &self,
        owner: OwnerKey,
        key: SessionKey,
        id: SessionId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let bucket = self.0.sessions_of(owner.as_u128())?;
        let question = Question {
            keys: vec![bucket.key(format!("o:{owner}"))],
            args: vec![
                field(key),
                id.as_u128().to_be_bytes().to_vec(),
                write_time(at).to_vec(),
            ],
            repeat: Repeat::Never,
            ahead: Duration::ZERO,
        };
        let answer = self.0.ask(bucket, &TOUCH, question).await?;
        Ok(bytes(answer.what)? == b"1")
    }

    /// What is older than the [retention](crate::RedisBuilder::with_retention), and what was lost.
    fn forgotten(&self, owner: OwnerKey) -> Option<Timestamp> {
        let lost = self.0.sessions_of(owner.as_u128()).ok()?.lost();
        lost.max(Some(self.0.latest_now() - self.0.retention))
    }
}

impl RedisSessions {
    /// Until when the sessions of an owner are of use that are changed so; `None` for ever.
    fn is_of_use(&self, changes: &[Change], now: Timestamp) -> Option<Timestamp> {
        let mut latest = now;
        for change in changes {
            if let Change::Put(record) = change {
                // No time keeps such a one out again, so it must not be forgotten.
                let is_ended = matches!(record.state, SessionState::Ended(..));
                if record.kind == EvidenceKind::Standing
                    && (is_ended || record.barred_until.is_some())
                {
                    return None;
                }
                latest = latest.max(record.ends_at);
            }
        }
        Some(latest + self.0.retention)
    }
}

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisSessions").field(&self.0).finish()
    }
}

fn field(key: SessionKey) -> Vec<u8> {
    [&b"s"[..], &key.as_u128().to_be_bytes()].concat()
}

fn read(answer: Value) -> Result<Sessions, StoreError> {
    let Value::Array(parts) = answer else {
        return Err(strange());
    };
    let Ok([nobody, Value::Array(fields)]) = <[Value; 2]>::try_from(parts) else {
        return Err(strange());
    };
    let mut records: Vec<SessionRecord> = Vec::new();
    let mut revision = None;
    let is_empty = fields.is_empty();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let (name, value) = (bytes(name)?, bytes(value)?);
        match &*name {
            b"revision" => revision = Some(value),
            b"until" => {}
            [b's', key @ ..] => records.push(envelope::read(key, &value)?),
            _ => return Err(damaged("what an owner has")),
        }
    }
    let revision = match revision {
        Some(revision) => revision,
        None if is_empty => bytes(nobody)?,
        None => return Err(damaged("what an owner has")),
    };
    // The server gives fields in another order each time that it has moved them.
    records.sort_unstable_by_key(|record| record.key);
    let revision = u64::try_from(number(&revision)?).map_err(|_| strange())?;
    Ok(Sessions {
        revision: Revision::from_u64(revision),
        records,
    })
}
