//! One write transaction: what several have asked for, all of it or nothing.

use std::sync::Arc;

use portcullis_core::{OwnerKey, RevokedKey, Sessions, StoreError, Timestamp, api_keys::StoredKey};
use redb::{ReadableTable as _, WriteTransaction};

use crate::{
    builder::Limits,
    problem::Failure,
    replay_counts::ReplayCounts,
    tables::{
        self, API_KEYS, Dated, META, REPLAYS, REPLAYS_BY_TIME, REVOCATIONS, REVOCATIONS_BY_TIME,
        Rows, SESSIONS, SESSIONS_BY_TIME,
    },
};

/// The tables, as far as they are written.
pub(crate) struct Batch<'t> {
    pub(crate) limits: &'t Limits,
    pub(crate) sessions: Dated<'t>,
    pub(crate) revocations: Dated<'t>,
    pub(crate) replays: Dated<'t>,
    pub(crate) replay_counts: ReplayCounts,
    pub(crate) api_keys: Rows<'t>,
    meta: Rows<'t>,
    news: Vec<News>,
    is_changed: bool,
}

/// What is to be known in memory once it is on the disk.
pub(crate) enum News {
    ApiKey(Arc<StoredKey>),
    ApiKeyGone(Box<str>),
    Revocation(RevokedKey, Timestamp),
    RevocationGone(RevokedKey),
    Sessions(OwnerKey, Arc<Sessions>),
    SessionsGone(OwnerKey),
}

impl<'t> Batch<'t> {
    pub(crate) fn open(
        transaction: &'t WriteTransaction,
        limits: &'t Limits,
        replay_counts: ReplayCounts,
    ) -> Result<Self, Failure> {
        let dated = |rows, times, what| Dated::open(transaction, rows, times, what);
        Ok(Self {
            limits,
            sessions: dated(SESSIONS, SESSIONS_BY_TIME, "what an owner has")?,
            revocations: dated(REVOCATIONS, REVOCATIONS_BY_TIME, "a revocation")?,
            replays: dated(REPLAYS, REPLAYS_BY_TIME, "a one-time credential")?,
            replay_counts,
            api_keys: transaction.open_table(API_KEYS)?,
            meta: transaction.open_table(META)?,
            news: Vec::new(),
            is_changed: false,
        })
    }

    pub(crate) fn number(&self, name: &[u8]) -> Result<u64, Failure> {
        tables::number(&self.meta, name)
    }

    pub(crate) fn set_number(&mut self, name: &[u8], number: u64) -> Result<(), Failure> {
        self.is_changed = true;
        self.meta.insert(name, &number.to_be_bytes()[..])?;
        Ok(())
    }

    pub(crate) fn time(&self, name: &[u8]) -> Result<Option<Timestamp>, Failure> {
        let Some(found) = self.meta.get(name)? else {
            return Ok(None);
        };
        let found = tables::split_time(found.value());
        let (time, _) = found.ok_or_else(|| tables::damaged("a time"))?;
        Ok(Some(time))
    }

    pub(crate) fn set_time(&mut self, name: &[u8], time: Timestamp) -> Result<(), Failure> {
        self.is_changed = true;
        self.meta.insert(name, &tables::write_time(time)[..])?;
        Ok(())
    }

    /// Something was written, without which nothing would have to be.
    pub(crate) fn note_change(&mut self) {
        self.is_changed = true;
    }

    pub(crate) fn tell(&mut self, news: News) {
        self.is_changed = true;
        self.news.push(news);
    }

    /// What is to be known, if there is anything to be committed; and what is counted.
    pub(crate) fn finish(self) -> (Option<Vec<News>>, ReplayCounts) {
        (self.is_changed.then_some(self.news), self.replay_counts)
    }
}

/// The sixteen bytes at the beginning of a key.
pub(crate) fn hash_of(key: &[u8]) -> Result<u128, StoreError> {
    let hash = key.first_chunk().map(|hash| u128::from_be_bytes(*hash));
    hash.ok_or_else(|| tables::damaged("a key"))
}
