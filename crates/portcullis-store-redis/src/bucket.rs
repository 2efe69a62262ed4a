//! A bucket: keys that one script can touch, and what this process has seen of them.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{StoreError, Timestamp, entropy};
use redis::Value;

use crate::layout::{damaged, millis, text};

/// Nothing has been lost.
const NEVER: i64 = i64::MIN;

/// Some of what a store keeps, in one slot of a cluster, with a marker that tells whether it is
/// still all there.
pub(crate) struct Bucket {
    /// What all its keys begin with.
    tag: Box<str>,
    /// What is kept there, for the log.
    what: &'static str,
    /// By how much what is kept may be later than the moment in which it is kept.
    ahead: Duration,
    seen: Mutex<Seen>,
    lost: AtomicI64,
}

/// What this process has seen last.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The marker's name; empty if it has not been seen.
    name: Vec<u8>,
    writes: u64,
    nobody: u64,
    span: i64,
}

/// What a script has answered, behind what it says of the marker.
pub(crate) struct Answer {
    pub(crate) what: Value,
    /// Whether it is news that something was lost.
    pub(crate) tells_of_loss: bool,
}

impl Bucket {
    pub(crate) fn new(tag: String, what: &'static str, ahead: Duration) -> Self {
        Self {
            tag: tag.into(),
            what,
            ahead,
            seen: Mutex::default(),
            lost: AtomicI64::new(NEVER),
        }
    }

    /// A key of the bucket. The marker's ends with `m`.
    pub(crate) fn key(&self, name: impl AsRef<[u8]>) -> Vec<u8> {
        [self.tag.as_bytes(), name.as_ref()].concat()
    }

    pub(crate) fn marker(&self) -> Vec<u8> {
        self.key("m")
    }

    /// What every script is given first. `ahead` is by how much later than now that is which is
    /// about to be kept.
    pub(crate) fn args(&self, now: Timestamp, ahead: Duration) -> Result<Vec<Vec<u8>>, StoreError> {
        let seen = self.seen().clone();
        let fresh: [u8; 16] = entropy::bytes()?;
        let ahead = i64::try_from(ahead.max(self.ahead).as_millis()).unwrap_or(i64::MAX);
        Ok(vec![
            seen.name,
            text(&seen.writes),
            text(&seen.nobody),
            hex(&fresh),
            millis(now),
            text(&seen.span.max(ahead)),
        ])
    }

    /// Takes note of what an answer says of the marker.
    pub(crate) fn note(&self, answer: Value) -> Result<Answer, StoreError> {
        let (told, lost, what) = read(answer)?;
        let mut seen = self.seen();
        if seen.name == told.name {
            // Answers may come in another order than they were given.
            seen.writes = seen.writes.max(told.writes);
            seen.nobody = seen.nobody.max(told.nobody);
            seen.span = seen.span.max(told.span);
        } else {
            *seen = told;
        }
        drop(seen);
        Ok(Answer {
            what,
            tells_of_loss: self.note_loss(lost),
        })
    }

    /// The same, for as long as the bucket has not been lost. After that nothing is noted, so
    /// that every script finds that it was.
    pub(crate) fn note_if_whole(&self, answer: Value) -> Result<Option<Answer>, StoreError> {
        let (.., what) = read(answer.clone())?;
        if what == Value::BulkString(b"lost".to_vec()) {
            return Ok(None);
        }
        self.note(answer).map(Some)
    }

    /// Begins anew, as a process that has not seen the bucket.
    pub(crate) fn forget(&self) {
        *self.seen() = Seen::default();
    }

    /// Up to when what was kept here may be gone.
    pub(crate) fn lost(&self) -> Option<Timestamp> {
        match self.lost.load(Ordering::Acquire) {
            NEVER => None,
            millis => Some(Timestamp::from_unix_millis(millis)),
        }
    }

    /// Whether this process has seen something there.
    pub(crate) fn is_seen(&self) -> bool {
        !self.seen().name.is_empty()
    }

    /// Says whether it is news.
    fn note_loss(&self, lost: Option<i64>) -> bool {
        let Some(lost) = lost else { return false };
        let is_news = self.lost.fetch_max(lost, Ordering::AcqRel) < lost;
        if is_news {
            tracing::error!(
                target: "portcullis",
                "redis has lost {}: what is there no longer counts as it was before {}",
                self.what,
                Timestamp::from_unix_millis(lost),
            );
        }
        is_news
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What the lock protects is whole between any two statements.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("tag", &self.tag)
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

fn read(answer: Value) -> Result<(Seen, Option<i64>, Value), StoreError> {
    let Value::Array(parts) = answer else {
        return Err(strange());
    };
    let Ok([name, writes, nobody, lost, span, what]) = <[Value; 6]>::try_from(parts) else {
        return Err(strange());
    };
    let lost = bytes(lost)?;
    let lost = (!lost.is_empty()).then(|| number(&lost)).transpose()?;
    let told = Seen {
        name: bytes(name)?,
        writes: unsigned(writes)?,
        nobody: unsigned(nobody)?,
        span: number(&bytes(span)?)?,
    };
    Ok((told, lost, what))
}

/// An answer that no script of ours gives.
pub(crate) fn strange() -> StoreError {
    damaged("an answer of a script")
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(strange()),
    }
}

fn unsigned(value: Value) -> Result<u64, StoreError> {
    u64::try_from(number(&bytes(value)?)?).map_err(|_| strange())
}

pub(crate) fn number(bytes: &[u8]) -> Result<i64, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|_| strange())?;
    // What a double cannot hold exactly is beyond all times.
    text.parse()
        .or_else(|_| text.parse::<f64>().map(|number| number as i64))
        .map_err(|_| strange())
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.into_bytes()
}
