//! Floods of refusals of strangers, summed up.

use std::{collections::HashMap, net::IpAddr};

use portcullis_core::{Outcome, ReasonCode, Record, RecordKind, RequestId};

/// How many pairs of network and reason are counted apart at once. What is beyond is counted
/// together by reason: of reasons there is a fixed number in the program.
const CAPACITY: usize = 4096;

/// Who has been refused how often in the minute that runs.
#[derive(Debug)]
pub(super) struct Floods {
    /// How many in a minute are written one by one.
    threshold: u32,
    table: HashMap<Key, Flood>,
    /// Sums that nobody could take while the log was being closed.
    left: Vec<Summary>,
    /// Whether nobody will ask for sums any more.
    is_finished: bool,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Key {
    network: Network,
    reason: ReasonCode,
    outcome: Outcome,
}

/// Where refused requests came from, as far as they are told apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Network {
    /// The others, of a flood from more networks than are counted apart.
    Others,
    /// A /24 of IPv4 or a /56 of IPv6: what one subscriber can draw addresses from.
    Prefix(IpAddr),
    /// Not known.
    Unknown,
}

#[derive(Debug)]
struct Flood {
    minute: i64,
    count: u64,
    unwritten: Option<Unwritten>,
}

#[derive(Debug)]
struct Unwritten {
    count: u64,
    first: RequestId,
    last: RequestId,
}

/// The refusals of a minute that have no record of their own.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) network: Network,
    pub(super) reason: ReasonCode,
    pub(super) outcome: Outcome,
    /// Since the Unix epoch.
    pub(super) minute: i64,
    /// All of that minute, up to now.
    pub(super) count: u64,
    /// Those that have neither a record of their own nor a place in an earlier sum.
    pub(super) unwritten: u64,
    /// The first and the last of those.
    pub(super) first: RequestId,
    pub(super) last: RequestId,
}

/// What becomes of a record.
#[derive(Debug)]
pub(super) struct Noted {
    /// Whether the record is written by itself.
    pub(super) is_written: bool,
    /// What a minute came to that is over.
    pub(super) over: Option<Summary>,
}

impl Floods {
    pub(super) fn new(threshold: u32) -> Self {
        Self {
            threshold,
            table: HashMap::new(),
            left: Vec::new(),
            is_finished: false,
        }
    }

    /// Whether a record can be one of a flood: anybody can cause it, without being known.
    pub(super) fn concerns(record: &Record<'_>) -> bool {
        record.kind == RecordKind::Decision
            && record.outcome != Outcome::Admitted
            && record.principal.is_none()
    }

    pub(super) fn note(&mut self, record: &Record<'_>) -> Noted {
        let mut key = Key {
            network: Network::of(record.client_address),
            reason: record.reason,
            outcome: record.outcome,
        };
        if self.table.len() >= CAPACITY && !self.table.contains_key(&key) {
            key.network = Network::Others;
        }
        let minute = record.at.unix_seconds().div_euclid(60);
        let begin = || Flood {
            minute,
            count: 0,
            unwritten: None,
        };
        let flood = self.table.entry(key).or_insert_with(begin);
        let mut over = None;
        if flood.minute != minute {
            over = std::mem::replace(flood, begin()).sum_up(key);
        }
        flood.count += 1;
        let is_written = flood.count <= u64::from(self.threshold) || self.is_finished;
        if !is_written {
            let id = record.request_id;
            let unwritten = flood.unwritten.get_or_insert(Unwritten {
                count: 0,
                first: id,
                last: id,
            });
            unwritten.count += 1;
            unwritten.last = id;
        }
        Noted { is_written, over }
    }

    /// Forgets all minutes but the one that runs, and says what they came to.
    pub(super) fn sweep(&mut self, minute: i64) -> Vec<Summary> {
        self.take(|flood| flood.minute != minute)
    }

    /// Says what all of them have come to so far, and goes on counting.
    pub(super) fn sum_up(&mut self) -> Vec<Summary> {
        let floods = self.table.iter_mut();
        floods
            .filter_map(|(key, flood)| flood.sum_up(*key))
            .collect()
    }

    /// Keeps a sum for [`finish`](Self::finish).
    pub(super) fn keep(&mut self, summary: Summary) {
        self.left.push(summary);
    }

    /// Forgets all of them, and says what they came to.
    pub(super) fn finish(&mut self) -> Vec<Summary> {
        self.is_finished = true;
        let mut summaries = std::mem::take(&mut self.left);
        summaries.extend(self.take(|_| true));
        summaries
    }

    fn take(&mut self, is_over: impl Fn(&Flood) -> bool) -> Vec<Summary> {
        self.table
            .extract_if(|_, flood| is_over(flood))
            .filter_map(|(key, mut flood)| flood.sum_up(key))
            .collect()
    }
}

impl Flood {
    fn sum_up(&mut self, key: Key) -> Option<Summary> {
        let unwritten = self.unwritten.take()?;
        Some(Summary {
            network: key.network,
            reason: key.reason,
            outcome: key.outcome,
            minute: self.minute,
            count: self.count,
            unwritten: unwritten.count,
            first: unwritten.first,
            last: unwritten.last,
        })
    }
}

impl Network {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => {
                Self::Prefix(IpAddr::V4((address.to_bits() & !0xff).into()))
            }
            Some(IpAddr::V6(address)) => {
                Self::Prefix(IpAddr::V6((address.to_bits() >> 72 << 72).into()))
            }
        }
    }
}
