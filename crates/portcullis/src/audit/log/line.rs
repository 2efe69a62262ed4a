//! Lines as they stand in a file.

use std::fmt::{Display, Write as _};

use http::Method;
use portcullis_core::{EvidenceKind, Outcome, RecordKind, Timestamp};

use super::{
    chain::{ChainId, Hash, Link, push_hex},
    entry::{Batch, Copied, Piece},
    flood::{Network, Summary},
    text::push_quoted,
};

/// What the names of a revocation key are called.
const REVOKED: [&str; 3] = ["issuer", "value", "client"];

/// The form of the lines. A change that an old reader would misread gets another number.
pub(super) const SCHEMA: &str = "portcullis.audit/1";

/// The longest line that a reader accepts, in bytes. What is written is far below: every text is
/// cut, and no escape is longer than six times what it stands for.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// How many bytes of lines are written at once, about: more wait as records, and take no room twice.
pub(super) const PORTION: usize = 256 * 1024;

/// What stands ahead of the hash at the end of a line, and behind it.
pub(super) const HASH: &str = ",\"hash\":\"";
pub(super) const END: &str = "\"}";

/// Lines that are to be written, each chained to the one before.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: String,
    start: usize,
    link: Link,
    /// What the last line says of its time.
    at: Timestamp,
    records: u64,
    /// Bytes that have been poured out.
    poured: u64,
}

/// Why a file begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    NewChain,
    Rotation,
    Start,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NewChain => "new_chain",
            Self::Rotation => "rotation",
            Self::Start => "start",
        }
    }
}

/// Why records were lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LossCause {
    Disk,
    QueueFull,
}

impl Lines {
    /// Lines behind that one, which is of that time.
    pub(super) fn behind(link: Link, at: Timestamp) -> Self {
        Self {
            buffer: String::new(),
            start: 0,
            link,
            at,
            records: 0,
            poured: 0,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.buffer.as_bytes()
    }

    /// The last of them.
    pub(super) fn link(&self) -> Link {
        self.link
    }

    /// What the last of them says of its time.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// How many of them are records.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Whether there is enough of them to be written.
    pub(super) fn is_portion(&self) -> bool {
        self.buffer.len() >= PORTION
    }

    /// How long they are altogether, those that have been poured out included, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.poured + self.buffer.len() as u64
    }

    /// Makes room for those that follow.
    pub(super) fn pour_out(&mut self) {
        self.poured = self.len();
        self.buffer.clear();
        self.buffer.shrink_to(PORTION);
    }

    /// Begins again behind that line, and keeps some room.
    pub(super) fn restart(&mut self, link: Link, at: Timestamp) {
        self.pour_out();
        self.link = link;
        self.at = at;
        self.records = 0;
        self.poured = 0;
    }

    /// The first line of a file.
    pub(super) fn head(&mut self, time: Timestamp, chain: ChainId, cause: Cause, mode: &str) {
        let previous = self.link.hash;
        self.begin(time, "head");
        self.literal("schema", SCHEMA);
        self.hex("chain", &chain);
        self.hex("previous", &previous);
        self.literal("cause", cause.as_str());
        self.literal("mode", mode);
        self.end();
    }

    pub(super) fn heartbeat(&mut self, time: Timestamp) {
        self.begin(time, "heartbeat");
        self.end();
    }

    pub(super) fn close(&mut self, time: Timestamp) {
        self.begin(time, "close");
        self.end();
    }

    /// Records that nobody will read.
    pub(super) fn gap(&mut self, time: Timestamp, lost: u64, cause: LossCause) {
        self.begin(time, "gap");
        self.number("lost", lost);
        let cause = match cause {
            LossCause::Disk => "disk",
            LossCause::QueueFull => "queue_full",
        };
        self.literal("cause", cause);
        self.end();
    }

    /// A line that was not whole, and was cut off.
    pub(super) fn torn(&mut self, time: Timestamp, bytes: u64, file: &str, offset: u64) {
        self.begin(time, "torn");
        self.number("bytes", bytes);
        self.literal("file", file);
        self.number("offset", offset);
        self.end();
    }

    /// A chain that does not verify, and is left behind.
    pub(super) fn broken(&mut self, time: Timestamp, file: &str, line: u64) {
        self.begin(time, "broken");
        self.literal("file", file);
        self.number("line", line);
        self.end();
    }

    pub(super) fn record(&mut self, batch: &Batch, record: &Copied) {
        let method = batch.text(record.method);
        self.records += 1;
        self.begin(record.at, record.kind.as_str());
        self.class(record.kind, method);
        self.verdict(record.outcome);
        self.literal("status_detail", record.reason.as_str());
        self.literal("layer", record.layer);
        if let Some(name) = record.authenticator {
            self.text("authenticator", name);
        }

        self.open("http_request");
        self.shown("uid", record.request_id);
        self.text("http_method", method);
        self.open("url");
        self.text("path", batch.text(record.path));
        self.shut();
        self.shut();
        if let Some(status) = record.status {
            self.open("http_response");
            self.number("code", u64::from(status.as_u16()));
            self.shut();
        }
        if let Some(address) = record.client_address {
            self.open("src_endpoint");
            self.shown("ip", address);
            self.shut();
        }
        if let Some(trace) = record.trace {
            self.open("trace");
            self.shown("uid", trace.trace_id());
            self.open("span");
            self.shown("parent_uid", trace.parent_id());
            self.shut();
            self.shut();
        }
        if let Some(operation) = record.operation {
            self.open("api");
            self.text("operation", batch.text(operation));
            self.shut();
        }
        if let Some(revoked) = &record.revoked {
            self.open("revoked");
            self.literal("kind", revoked.kind);
            for (name, value) in REVOKED.into_iter().zip(revoked.values) {
                if let Some(value) = value {
                    self.text(name, batch.text(value));
                }
            }
            self.shut();
        }
        self.actor(batch, record);
        self.cuts(record);
        self.end();
    }

    fn actor(&mut self, batch: &Batch, record: &Copied) {
        if record.principal.is_none() && record.session.is_none() {
            return;
        }
        self.open("actor");
        if let Some(subject) = record.subject {
            self.open("user");
            self.text("uid", batch.text(subject));
            self.literal("type", record.principal.map_or("", EvidenceKind::as_str));
            self.shut();
        }
        if let Some(issuer) = record.issuer {
            self.open("idp");
            self.text("uid", batch.text(issuer));
            self.shut();
        }
        if let Some(client) = record.client {
            self.text("app_uid", batch.text(client));
        }
        if let Some(session) = record.session {
            self.open("session");
            self.shown("uid", session);
            self.shut();
        }
        self.shut();
        if record.all_actors == 0 {
            return;
        }
        self.name("delegated_to");
        self.buffer.push('[');
        for (n, (subject, issuer)) in record.actors.iter().enumerate() {
            self.buffer.push_str(if n == 0 { "{" } else { ",{" });
            self.text("uid", batch.text(*subject));
            if let Some(issuer) = issuer {
                self.text("issuer", batch.text(*issuer));
            }
            self.buffer.push('}');
        }
        self.buffer.push(']');
        let left_out = record.all_actors.saturating_sub(record.actors.len());
        if left_out > 0 {
            self.number("delegated_to_others", left_out as u64);
        }
    }

    /// Which texts were longer, and how long they were.
    fn cuts(&mut self, record: &Copied) {
        let mut actors = record.actors.iter();
        let actor = actors.find_map(|(subject, issuer)| {
            [Some(*subject), *issuer]
                .into_iter()
                .flatten()
                .find(|piece| piece.is_cut())
        });
        let revoked = record.revoked.as_ref().and_then(|revoked| {
            let mut values = revoked.values.into_iter().flatten();
            values.find(|piece| piece.is_cut())
        });
        let texts: [(&str, Option<Piece>); 8] = [
            ("http_method", Some(record.method)),
            ("path", Some(record.path)),
            ("operation", record.operation),
            ("revoked", revoked),
            ("issuer", record.issuer),
            ("subject", record.subject),
            ("client", record.client),
            ("delegated_to", actor),
        ];
        let mut cut = texts
            .into_iter()
            .filter_map(|(name, piece)| Some((name, piece.filter(|piece| piece.is_cut())?)))
            .peekable();
        if cut.peek().is_none() {
            return;
        }
        self.open("cut");
        for (name, piece) in cut {
            self.number(name, u64::from(piece.full));
        }
        self.shut();
    }

    pub(super) fn summary(&mut self, summary: &Summary) {
        self.records += 1;
        let minute = summary.minute.saturating_mul(60);
        self.begin(Timestamp::from_unix_seconds(minute), "summary");
        self.number("unwritten", summary.unwritten);
        self.number("count", summary.count);
        self.class(RecordKind::Decision, "");
        self.verdict(summary.outcome);
        self.literal("status_detail", summary.reason.as_str());
        match summary.network {
            Network::Prefix(prefix) => {
                let bits = if prefix.is_ipv4() { 24 } else { 56 };
                self.shown("network", format_args!("{prefix}/{bits}"));
            }
            Network::Others => self.literal("network", "others"),
            Network::Unknown => self.literal("network", "unknown"),
        }
        self.shown("first", summary.first);
        self.shown("last", summary.last);
        self.end();
    }

    /// What class of event it is in the words of OCSF.
    fn class(&mut self, kind: RecordKind, method: &str) {
        let (class, activity) = match kind {
            RecordKind::SessionStart => (3002, 1),
            RecordKind::SessionEnd => (3002, 2),
            _ => (6003, api_activity(kind, method)),
        };
        self.number("class_uid", class);
        self.number("activity_id", activity);
        self.number("type_uid", class * 100 + activity);
    }

    fn verdict(&mut self, outcome: Outcome) {
        let is_good = matches!(outcome, Outcome::Admitted | Outcome::Answered);
        self.number("severity_id", 1);
        self.number("status_id", if is_good { 1 } else { 2 });
        self.number("action_id", if is_good { 1 } else { 2 });
        self.literal("outcome", outcome.as_str());
    }

    fn begin(&mut self, time: Timestamp, kind: &'static str) {
        self.start = self.buffer.len();
        self.at = time;
        let (seq, millis) = (self.link.seq.saturating_add(1), time.unix_millis());
        let _ = write!(
            self.buffer,
            r#"{{"seq":{seq},"time":{millis},"kind":"{kind}""#
        );
    }

    /// Puts the hash behind the line, which chains it.
    fn end(&mut self) {
        let line = self.buffer.get(self.start..).unwrap_or_default();
        let hash: Hash = self.link.hash_next(line.as_bytes());
        self.buffer.push_str(HASH);
        push_hex(&mut self.buffer, &hash);
        self.buffer.push_str(END);
        self.buffer.push('\n');
        self.link = Link {
            seq: self.link.seq.saturating_add(1),
            hash,
        };
    }

    fn open(&mut self, name: &'static str) {
        self.name(name);
        self.buffer.push('{');
    }

    fn shut(&mut self) {
        self.buffer.push('}');
    }

    fn name(&mut self, name: &'static str) {
        if !self.buffer.ends_with('{') {
            self.buffer.push(',');
        }
        self.buffer.push('"');
        self.buffer.push_str(name);
        self.buffer.push_str("\":");
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        let _ = write!(self.buffer, "{value}");
    }

    /// A text that somebody else chose.
    fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        push_quoted(&mut self.buffer, value);
    }

    /// A text of our own that needs no escape.
    fn literal(&mut self, name: &'static str, value: &str) {
        self.shown(name, value);
    }

    fn shown(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        let _ = write!(self.buffer, "\"{value}\"");
    }

    fn hex(&mut self, name: &'static str, bytes: &[u8]) {
        self.name(name);
        self.buffer.push('"');
        push_hex(&mut self.buffer, bytes);
        self.buffer.push('"');
    }
}

/// The activities of OCSF's class 6003: create, read, update, delete, other.
fn api_activity(kind: RecordKind, method: &str) -> u64 {
    if matches!(kind, RecordKind::Call | RecordKind::Operator) {
        return 99;
    }
    match Method::from_bytes(method.as_bytes()) {
        Ok(Method::POST) => 1,
        Ok(Method::GET | Method::HEAD) => 2,
        Ok(Method::PUT | Method::PATCH) => 3,
        Ok(Method::DELETE) => 4,
        _ => 99,
    }
}
