//! A second reader of logs: written from their documented form, and sharing no code with the
//! first.

use sha2::{Digest as _, Sha256};

const HASH: &[u8] = b",\"hash\":\"";
const PREVIOUS: &[u8] = b",\"previous\":\"";

/// A file as far as it was written to its end.
pub(super) struct Reading<'a> {
    pub(super) lines: Vec<&'a [u8]>,
    /// How many bytes behind them are no whole line.
    pub(super) torn: u64,
}

impl<'a> Reading<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        // Zeros up to the end were never written.
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let written = &bytes[..bytes.len() - zeros];
        let end = written
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let lines = written[..end].split_inclusive(|byte| *byte == b'\n');
        Self {
            lines: lines.map(|line| &line[..line.len() - 1]).collect(),
            torn: (bytes.len() - end) as u64,
        }
    }
}

/// Whether a line continues another, or is one that a log can begin with.
pub(super) fn follows(line: &[u8], last: Option<&[u8]>) -> bool {
    let before = match last {
        None => previous(line),
        Some(last) => hash(last).filter(|hash| !is_head(line) || previous(line) == Some(*hash)),
    };
    let is_next = match last.map(sequence) {
        None => true,
        Some(last) => sequence(line) == last.map(|last| last.saturating_add(1)),
    };
    let fits = before.is_some_and(|before| Some(hash_of(body(line), &before)) == hash(line));
    is_next && fits && sequence(line).is_some()
}

/// The number that a line begins with.
pub(super) fn sequence(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// What a line says that it is.
pub(super) fn kind(line: &[u8]) -> &[u8] {
    let start = b",\"kind\":\"";
    let Some(at) = find(line, start) else {
        return b"";
    };
    let rest = &line[at + start.len()..];
    rest.split(|byte| *byte == b'"').next().unwrap_or_default()
}

pub(super) fn is_head(line: &[u8]) -> bool {
    kind(line) == b"head"
}

/// Whether a line is a record, or stands for some.
pub(super) fn is_record(line: &[u8]) -> bool {
    let others: [&[u8]; 6] = [b"head", b"close", b"heartbeat", b"broken", b"gap", b"torn"];
    !others.contains(&kind(line))
}

/// The hash at the end of a line.
pub(super) fn hash(line: &[u8]) -> Option<[u8; 32]> {
    let digits = line.strip_suffix(b"\"}")?;
    let at = digits.len().checked_sub(64)?;
    digits[..at].ends_with(HASH).then(|| unhex(&digits[at..]))?
}

/// The same line with the hash that belongs there, and the one before it if it is a head.
pub(super) fn rehashed(line: &[u8], last: &mut [u8; 32]) -> Vec<u8> {
    let mut line = body(line).to_vec();
    if let Some(at) = find(&line, PREVIOUS).map(|at| at + PREVIOUS.len())
        && line.len() >= at + 64
    {
        line.splice(at..at + 64, hex(last).bytes());
    }
    *last = hash_of(&line, last);
    [&line, HASH, hex(last).as_bytes(), b"\"}"].concat()
}

/// The hash of the last line before a file, as its first line says.
fn previous(line: &[u8]) -> Option<[u8; 32]> {
    let at = find(line, PREVIOUS)? + PREVIOUS.len();
    unhex(line.get(at..at + 64)?)
}

/// What a hash is over: all that stands ahead of it.
fn body(line: &[u8]) -> &[u8] {
    let at = line.windows(HASH.len()).rposition(|part| part == HASH);
    &line[..at.unwrap_or(line.len())]
}

fn hash_of(body: &[u8], before: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"portcullis.audit/1 line\0");
    hash.update(before);
    hash.update(body);
    hash.finalize().into()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &[u8]) -> Option<[u8; 32]> {
    let half = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .filter(|_| !digit.is_ascii_uppercase())
    };
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((half(*high)? * 16 + half(*low)?) as u8),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}
