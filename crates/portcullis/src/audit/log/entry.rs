//! Records as they wait to be written.

use std::net::IpAddr;

use http::StatusCode;
use portcullis_core::{
    EvidenceKind, Outcome, ReasonCode, Record, RecordKind, RequestId, SessionId, Timestamp,
    TraceParent,
};

use super::flood::Summary;

/// The most that is kept of each text that somebody else chose, in bytes of UTF-8.
const MAX_METHOD: usize = 64;
const MAX_PATH: usize = 1024;
const MAX_NAME: usize = 256;
/// The most actors that are kept: a chain of delegation is as long as its tokens say.
const MAX_ACTORS: usize = 8;

/// For how many records the room is kept once they are written: what a disk that stood still has
/// made grow is given back.
const KEPT_RECORDS: usize = 4096;

/// Records that wait together. Their texts stand one after the other in one buffer, so that
/// taking a record allocates nothing once the buffers have grown.
#[derive(Debug, Default)]
pub(super) struct Batch {
    records: Vec<Copied>,
    summaries: Vec<Summary>,
    text: String,
    /// How many bytes actors take, and what was revoked.
    actors: usize,
}

/// A record without what it borrowed.
#[derive(Debug)]
pub(super) struct Copied {
    /// Whether it was taken back: whoever waited for it has been told that it is not durable.
    is_void: bool,
    pub(super) kind: RecordKind,
    pub(super) request_id: RequestId,
    pub(super) at: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) layer: &'static str,
    pub(super) reason: ReasonCode,
    pub(super) status: Option<StatusCode>,
    pub(super) session: Option<SessionId>,
    pub(super) authenticator: Option<&'static str>,
    pub(super) client_address: Option<IpAddr>,
    pub(super) trace: Option<TraceParent>,
    pub(super) principal: Option<EvidenceKind>,
    pub(super) method: Piece,
    pub(super) path: Piece,
    pub(super) operation: Option<Piece>,
    /// The kind of what was revoked, and what it names: the issuer first.
    pub(super) revoked: Option<Box<Revoked>>,
    pub(super) issuer: Option<Piece>,
    pub(super) subject: Option<Piece>,
    pub(super) client: Option<Piece>,
    /// Subject and issuer, the nearest first. Hardly any record has some.
    pub(super) actors: Vec<(Piece, Option<Piece>)>,
    /// How many there are, kept or not.
    pub(super) all_actors: usize,
}

/// What an operator has ended or revoked. Hardly any record has it.
#[derive(Debug)]
pub(super) struct Revoked {
    pub(super) kind: &'static str,
    /// The issuer, what it is within the issuer, and the client of a grant.
    pub(super) values: [Option<Piece>; 3],
}

/// Where a text stands in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    start: u32,
    len: u16,
    /// How long it was before it was cut, in bytes.
    pub(super) full: u32,
}

impl Piece {
    pub(super) const fn is_cut(self) -> bool {
        (self.len as u32) < self.full
    }
}

impl Batch {
    /// How many bytes the queue holds for this batch.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
            + self.actors
            + self.records.len() * size_of::<Copied>()
            + self.summaries.len() * size_of::<Summary>()
    }

    /// How many lines it has, those included that were taken back.
    pub(super) fn len(&self) -> usize {
        self.records.len() + self.summaries.len()
    }

    /// How many records are lost with it: a sum stands for all that it sums up.
    pub(super) fn stands_for(&self) -> u64 {
        let summed_up = self.summaries.iter().map(|summary| summary.unwritten);
        self.records().count() as u64 + summed_up.sum::<u64>()
    }

    /// Whether nothing of it is to be written.
    pub(super) fn is_void(&self) -> bool {
        self.summaries.is_empty() && self.records.iter().all(|record| record.is_void)
    }

    /// Takes a record, and says by which number it can be taken back.
    pub(super) fn push(&mut self, record: &Record<'_>) -> usize {
        let principal = record.principal;
        let actors = principal.map(|principal| principal.actors());
        let actors = actors.unwrap_or_default();
        let copied = Copied {
            is_void: false,
            kind: record.kind,
            request_id: record.request_id,
            at: record.at,
            outcome: record.outcome,
            layer: record.layer,
            reason: record.reason,
            status: record.status,
            session: record.session,
            authenticator: record.authenticator,
            client_address: record.client_address,
            trace: record.trace,
            principal: principal.map(|principal| principal.kind()),
            method: self.keep(record.method.as_str(), MAX_METHOD),
            path: self.keep(record.path, MAX_PATH),
            operation: record.operation.map(|text| self.keep(text, MAX_NAME)),
            revoked: record.revoked.map(|key| {
                let mut values = key.values();
                let mut next = || values.next().map(|text| self.keep(text, MAX_NAME));
                Box::new(Revoked {
                    kind: key.kind(),
                    values: [next(), next(), next()],
                })
            }),
            issuer: principal.map(|principal| self.keep(principal.issuer(), MAX_NAME)),
            subject: principal.map(|principal| self.keep(principal.subject(), MAX_NAME)),
            client: principal
                .and_then(|principal| principal.client())
                .map(|text| self.keep(text, MAX_NAME)),
            actors: actors
                .iter()
                .take(MAX_ACTORS)
                .map(|actor| {
                    let subject = self.keep(actor.subject(), MAX_NAME);
                    (
                        subject,
                        actor.issuer().map(|text| self.keep(text, MAX_NAME)),
                    )
                })
                .collect(),
            all_actors: actors.len(),
        };
        self.actors += size_of_val(copied.actors.as_slice());
        self.actors += copied.revoked.as_deref().map_or(0, size_of_val);
        self.records.push(copied);
        self.records.len() - 1
    }

    pub(super) fn take_back(&mut self, number: usize) {
        if let Some(record) = self.records.get_mut(number) {
            record.is_void = true;
        }
    }

    /// What is to be written.
    pub(super) fn records(&self) -> impl Iterator<Item = &Copied> {
        self.records.iter().filter(|record| !record.is_void)
    }

    pub(super) fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.summaries.iter()
    }

    pub(super) fn push_summary(&mut self, summary: Summary) {
        self.summaries.push(summary);
    }

    pub(super) fn extend(&mut self, summaries: Vec<Summary>) {
        self.summaries.extend(summaries);
    }

    pub(super) fn text(&self, piece: Piece) -> &str {
        let start = piece.start as usize;
        let end = start + usize::from(piece.len);
        self.text.get(start..end).unwrap_or_default()
    }

    /// Forgets everything, and keeps some room for what comes next.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.records.shrink_to(KEPT_RECORDS);
        self.summaries.clear();
        self.summaries.shrink_to(KEPT_RECORDS);
        self.actors = 0;
        self.text.clear();
        self.text.shrink_to(KEPT_RECORDS * 64);
    }

    fn keep(&mut self, text: &str, most: usize) -> Piece {
        // The queue takes less than 4 GiB.
        let start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let kept = text
            .get(..text.floor_char_boundary(most))
            .unwrap_or_default();
        self.text.push_str(kept);
        Piece {
            start,
            len: u16::try_from(kept.len()).unwrap_or(u16::MAX),
            full: u32::try_from(text.len()).unwrap_or(u32::MAX),
        }
    }
}
